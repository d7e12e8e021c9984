"""Reading a policy document: closed and typed, from the declarations of its parts."""

from __future__ import annotations

import hashlib
import re

from policies.document import (
    Applies,
    FieldValue,
    Policy,
    Quorum,
    Rejection,
    Rule,
    WaiverTerms,
)
from policies.rules.forms import Field, count, days, flag, text, words
from policies.rules.kinds import COSIGNED_HEAD, RULE_KINDS
from policies.table_reading import TableReader, nearest, read_toml

SCHEMA = "countersign/policy/v1"
LARGEST_POLICY_BYTES = 256 * 1024
DEFAULT_EXPIRY_DAYS = 90
ID_PATTERN = "[a-z0-9][a-z0-9._-]{0,63}"
APPLIES_FIELDS = {
    "models": words(needed=True),
    "to": words(needed=True),
    "environments": words(),
    "from": words(),
    "tiers": words(),
    "owners": words(),
}
"""Fields of `[applies]`."""
QUORUM_FIELDS = {
    "role": text(needed=True),
    "count": count(needed=True),
    "exclude": words("requester", "trainer", "author", "owner"),
    "expires_after_days": days(),
    "after": words(),
    "condition": text(),
}
"""Fields of `[[approvals]]`."""
RULE_FIELDS: dict[str, Field] = {
    "id": text(needed=True),
    "kind": text(needed=True),
    "why": text(),
}
"""Fields of every `[[rules]]`, beside those of its kind."""
WAIVER_FIELDS = {
    "rules": words(needed=True),
    "role": text(needed=True),
    "count": count(needed=True),
    "exclude": words("requester", "trainer", "author", "owner"),
    "longest_days": days(needed=True),
}
"""Fields of `[waivers]`."""
DECISION_FIELDS = {
    "rejection": text(*Rejection),
    "different_people": flag(),
}
"""Fields of `[decisions]`."""
SINGLE_TABLES: dict[str, dict[str, Field]] = {
    "applies": APPLIES_FIELDS,
    "decisions": DECISION_FIELDS,
    "waivers": WAIVER_FIELDS,
}
"""The parts of a document that are one table."""
LISTED_TABLES: dict[str, dict[str, Field]] = {"approvals": QUORUM_FIELDS}
"""The parts of a document that are many tables, rules aside."""
_HEAD = ("schema", "id", "version", "description")
PARTS = (*_HEAD, *SINGLE_TABLES, "rules", *LISTED_TABLES)
NEEDED_PARTS = frozenset((*_HEAD, "applies", "rules"))
"""Approvals too, but in a policy for launches alone."""


def read_policy(data: bytes, *, path: str = "policy") -> Policy:
    """Read a policy document.

    Raises:
        MalformedPolicy: with file, line and what is wrong.
    """
    raw, document = read_toml(
        data, path=path, at_most=LARGEST_POLICY_BYTES, what="a policy"
    )
    reader = _Reader(raw, TableReader(document, path))
    return reader.policy(hashlib.sha256(data).hexdigest())


class _Reader:
    """Reads one document part by part."""

    def __init__(self, raw: dict[str, object], tables: TableReader) -> None:
        self._raw = raw
        self._tables = tables

    def policy(self, digest: str) -> Policy:
        tables, whole = self._tables, self._tables.everywhere
        tables.known(self._raw, PARTS, whole)
        if self._raw.get("schema") != SCHEMA:
            tables.refuse(f'schema must be "{SCHEMA}"', "schema", whole)
        identity = tables.text(self._raw, "id", whole)
        if not re.fullmatch(ID_PATTERN, identity):
            tables.refuse("id must be a-z, 0-9, . _ -", "id", whole)
        rules, decisions = self._rules(), self._decisions()
        applies = self._applies()
        return Policy(
            id=identity,
            version=tables.count(self._raw, "version", whole),
            rules=rules,
            quorums=self._quorums(applies),
            description=tables.text(self._raw, "description", whole),
            applies=applies,
            digest=digest,
            waivers=self._waivers(rules) if "waivers" in self._raw else None,
            rejection=Rejection(str(decisions.get("rejection", Rejection.BLOCKS))),
            wants_different_people=bool(decisions.get("different_people", True)),
        )

    def _decisions(self) -> dict[str, FieldValue]:
        table, span = self._raw.get("decisions", {}), self._tables.span("[decisions]")
        if not isinstance(table, dict):
            self._tables.refuse(
                "decisions must be a table: [decisions]", "decisions", span
            )
        self._tables.known(table, DECISION_FIELDS, span)
        return self._tables.fields(table, DECISION_FIELDS, span, of="[decisions]")

    def _waivers(self, rules: tuple[Rule, ...]) -> WaiverTerms:
        table, span = self._raw["waivers"], self._tables.span("[waivers]")
        if not isinstance(table, dict):
            self._tables.refuse("waivers must be a table: [waivers]", "waivers", span)
        self._tables.known(table, WAIVER_FIELDS, span)
        read = self._tables.fields(table, WAIVER_FIELDS, span, of="[waivers]")
        named, kinds = read["rules"], {rule.id: rule.kind for rule in rules}
        for name in named if isinstance(named, tuple) else ():
            if name not in kinds:
                near = nearest(name, kinds)
                self._tables.refuse(f"no rule has the id {name!r}{near}", "rules", span)
            if not RULE_KINDS[kinds[name]].can_be_waived:
                self._tables.refuse(
                    f"a rule of kind {kinds[name]!r} cannot be waived", "rules", span
                )
        return WaiverTerms(
            rules=named if isinstance(named, tuple) else (),
            role=str(read["role"]),
            count=int(str(read["count"])),
            exclude=_barred(read.get("exclude", ())),
            longest_days=int(str(read["longest_days"])),
        )

    def _applies(self) -> Applies:
        table = self._raw.get("applies")
        if not isinstance(table, dict):
            self._tables.refuse("the table [applies] is missing", "", (0, 1))
        span = self._tables.span("[applies]")
        self._tables.known(table, APPLIES_FIELDS, span)
        read = self._tables.fields(table, APPLIES_FIELDS, span, of="[applies]")
        names = {key: value for key, value in read.items() if isinstance(value, tuple)}
        return Applies(
            models=names["models"],
            to=names["to"],
            environments=names.get("environments", ("*",)),
            from_stages=names.get("from", ("*",)),
            tiers=names.get("tiers", ("*",)),
            owners=names.get("owners", ("*",)),
        )

    def _rules(self) -> tuple[Rule, ...]:
        found = self._tables.tables(self._raw, "rules")
        rules = tuple(self._rule(table, number) for number, table in enumerate(found))
        names = [rule.id for rule in rules]
        for number, name in enumerate(names):
            if name in names[:number]:
                span = self._tables.span("[[rules]]", number)
                self._tables.refuse(f"two rules have the id {name!r}", "id", span)
        heads = [n for n, rule in enumerate(rules) if rule.kind == COSIGNED_HEAD]
        if len(heads) > 1:
            span = self._tables.span("[[rules]]", heads[1])
            self._tables.refuse(
                f"a policy has one rule of kind {COSIGNED_HEAD!r} at most; it may name "
                "several witnesses",
                "kind",
                span,
            )
        if not any(RULE_KINDS[rule.kind].on_evidence for rule in rules):
            self._tables.refuse(
                "a policy has at least one [[rules]] about evidence",
                "",
                self._tables.everywhere,
            )
        return rules

    def _rule(self, table: dict[str, object], number: int) -> Rule:
        span = self._tables.span("[[rules]]", number)
        name = self._tables.text(table, "kind", span)
        kind = RULE_KINDS.get(name)
        if kind is None:
            near = nearest(name, RULE_KINDS)
            self._tables.refuse(f"{name!r} is no kind of rule{near}", "kind", span)
        self._tables.known(table, (*RULE_FIELDS, *kind.fields), span)
        fields = self._tables.fields(
            table, kind.fields, span, of=f"a rule of kind {name!r}"
        )
        complaint = kind.complaint(fields)
        if complaint:
            self._tables.refuse(complaint, "kind", span)
        why = self._tables.text(table, "why", span) if "why" in table else ""
        return Rule(self._tables.text(table, "id", span), name, why, fields)

    def _quorums(self, applies: Applies) -> tuple[Quorum, ...]:
        found = self._tables.tables(self._raw, "approvals")
        is_optional = applies.is_for_launches and "approvals" not in self._raw
        if not found and not is_optional:
            self._tables.refuse(
                "a policy has at least one [[approvals]]", "", self._tables.everywhere
            )
        quorums = tuple(
            self._quorum(table, number) for number, table in enumerate(found)
        )
        for number, quorum in enumerate(quorums):
            self._check_order(quorums, quorum, number)
        return quorums

    def _check_order(
        self, quorums: tuple[Quorum, ...], quorum: Quorum, number: int
    ) -> None:
        """Refuse an order that names nobody, or that can never begin."""
        span = self._tables.span("[[approvals]]", number)
        following = {q.role: set(q.after) for q in quorums}
        for role in quorum.after:
            if role not in following:
                near = nearest(role, following)
                self._tables.refuse(
                    f"after names {role!r}, whose approval is not asked for{near}",
                    "after",
                    span,
                )
        behind, frontier = set(quorum.after), list(quorum.after)
        while frontier:
            for role in following.get(frontier.pop(), set()) - behind:
                behind.add(role)
                frontier.append(role)
        if quorum.role in behind:
            self._tables.refuse(
                f"{quorum.role!r} would have to approve after itself", "after", span
            )

    def _quorum(self, table: dict[str, object], number: int) -> Quorum:
        span = self._tables.span("[[approvals]]", number)
        self._tables.known(table, QUORUM_FIELDS, span)
        read = self._tables.fields(table, QUORUM_FIELDS, span, of="[[approvals]]")
        return Quorum(
            role=str(read["role"]),
            count=int(str(read["count"])),
            exclude=_barred(read.get("exclude", ())),
            expires_after_days=int(
                str(read.get("expires_after_days", DEFAULT_EXPIRY_DAYS))
            ),
            after=_words(read.get("after", ())),
            condition=str(read.get("condition", "")),
        )


def _barred(exclude: FieldValue) -> tuple[str, ...]:
    """Who is barred beside the requester, who always is."""
    return tuple(name for name in _words(exclude) if name != "requester")


def _words(value: FieldValue) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()
