"""Rules about evidence itself: its age, its readers, and what the run stood on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from policies.document import FieldValue, Rule
from policies.evidence import KINDS as ITEMS
from policies.evidence import Evidence
from policies.rules.context import Context
from policies.rules.forms import RuleKind, days, flag, text, words
from policies.verdict import Node, Verdict

_ORDER = (Verdict.NO, Verdict.UNKNOWN, Verdict.YES)
_FOUND = tuple[Verdict, str]
_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")
_SKEW = timedelta(minutes=10)
"""How far ahead the clock of a reader, or of a run, may have been."""


def judge_runtime_locked(rule: Rule, evidence: Evidence) -> Node:
    """The run named what it ran in by a digest, in one of the accepted ways."""
    digests = {
        "image": evidence.origins.image_digest,
        "lock": evidence.lineage.lock_digest,
    }
    accepted = _ways(rule)
    named = {way: digests[way] for way in accepted if digests[way]}
    good = [way for way in named if _DIGEST.fullmatch(named[way])]
    if good:
        observed = ", ".join(f"{way} {named[way][:19]}" for way in good)
        return Node(rule.id, Verdict.YES, observed, _asks_locked(rule), rule.why)
    if named:
        observed = ", ".join(f"{way} {named[way][:40]}" for way in named)
        return Node(
            rule.id,
            Verdict.NO,
            f"{observed}: no SHA-256",
            _asks_locked(rule),
            rule.why or "Tag the run with the digest, not with a name or version.",
        )
    return Node(
        rule.id,
        Verdict.UNKNOWN,
        f"no {' or '.join(accepted)} digest recorded",
        _asks_locked(rule),
        rule.why or "Tag the run: docs/logging.md names the tags.",
    )


def judge_evidence_age(rule: Rule, evidence: Evidence, context: Context) -> Node:
    """Every item was read, and the run ended, no longer ago than the rule allows."""
    found: list[tuple[str, _FOUND]] = []
    if rule.count("days"):
        limit = timedelta(days=rule.count("days"))
        wanted = f"each item read within {rule.count('days')} days"
        found.append((wanted, _items_read_within(context, limit)))
    if rule.count("run_days"):
        limit = timedelta(days=rule.count("run_days"))
        wanted = f"the run ended within {rule.count('run_days')} days"
        ended = _time(evidence.origins.run_ended)
        found.append((wanted, _is_within(ended, context.now, limit, "the run's end")))
    children = tuple(
        Node(f"{rule.id}: {wanted}", verdict, observed, wanted)
        for wanted, (verdict, observed) in found
    )
    verdict = min((c.verdict for c in children), key=_ORDER.index)
    return Node(rule.id, verdict, "", "", rule.why, children=children)


def judge_evidence_by(rule: Rule, evidence: Evidence, context: Context) -> Node:
    """Somebody fit for it read each item, and services told what it rests on."""
    found: list[tuple[str, _FOUND]] = []
    if rule.text("role"):
        wanted = _asks_reader(rule)
        found.append((wanted, _read_by_role(rule, context)))
    if rule.fields.get("by_service") is True:
        found.append((_ASKS_SERVICE, _told_by_services(evidence)))
    children = tuple(
        Node(f"{rule.id}: {wanted}", verdict, observed, wanted)
        for wanted, (verdict, observed) in found
    )
    verdict = min((c.verdict for c in children), key=_ORDER.index)
    return Node(rule.id, verdict, "", "", rule.why, children=children)


def _items_read_within(context: Context, limit: timedelta) -> _FOUND:
    newest: dict[str, datetime] = {}
    for reading in context.readings:
        moment = reading.read_at
        if moment is not None and moment <= context.now + _SKEW:
            newest[reading.kind] = max(moment, newest.get(reading.kind, moment))
    missing = sorted(ITEMS.keys() - newest.keys())
    if missing:
        return Verdict.UNKNOWN, f"not known when it was read: {', '.join(missing)}"
    return _is_within(min(newest.values()), context.now, limit, "the oldest reading")


def _is_within(
    moment: datetime | None, now: datetime, limit: timedelta, what: str
) -> _FOUND:
    if moment is None:
        return Verdict.UNKNOWN, f"{what} is not recorded"
    said = f"{what}: {moment:%Y-%m-%d %H:%M} UTC"
    if moment > now + _SKEW:
        return Verdict.UNKNOWN, f"{said}, later than the time it is judged at"
    return (Verdict.YES if now - moment <= limit else Verdict.NO), said


def _read_by_role(rule: Rule, context: Context) -> _FOUND:
    role, is_other = rule.text("role"), rule.fields.get("besides_requester") is True
    wanted = rule.names("items") or tuple(ITEMS)
    read = {
        reading.kind
        for reading in context.readings
        if role in reading.roles and not (is_other and reading.is_requester)
    }
    unread = sorted(set(wanted) - read)
    if unread:
        return Verdict.NO, f"not read by such a person: {', '.join(unread)}"
    return Verdict.YES, f"{len(wanted)} items"


def _told_by_services(evidence: Evidence) -> _FOUND:
    collectors = evidence.origins.collectors
    if not collectors:
        return Verdict.UNKNOWN, "it is not recorded who told of the version"
    people = sorted(who.id for who in collectors if not who.is_service)
    if people:
        return Verdict.NO, f"told by {', '.join(people)}"
    return Verdict.YES, ", ".join(sorted(who.id for who in collectors))


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - the form is UTC
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC)


def _ways(rule: Rule) -> tuple[str, ...]:
    return rule.names("by") or ("image", "lock")


def _asks_locked(rule: Rule) -> str:
    words_of = {"image": "its container image", "lock": "its lock file"}
    ways = " or ".join(words_of[way] for way in dict.fromkeys(_ways(rule)))
    return f"what the run ran in, by the SHA-256 of {ways}"


def _asks_age(rule: Rule) -> str:
    parts = []
    if rule.count("days"):
        parts.append(f"each item of evidence read within {rule.count('days')} days")
    if rule.count("run_days"):
        parts.append(f"the run ended within {rule.count('run_days')} days")
    return " and ".join(parts)


_ASKS_SERVICE = "only services told of the version and its run"


def _asks_reader(rule: Rule) -> str:
    items = ", ".join(rule.names("items")) or "each item of evidence"
    is_other = rule.fields.get("besides_requester") is True
    who = " other than the requester" if is_other else ""
    return f"{items} read by somebody{who} who holds {rule.text('role')}"


def _asks_by(rule: Rule) -> str:
    parts = [_asks_reader(rule)] if rule.text("role") else []
    if rule.fields.get("by_service") is True:
        parts.append(_ASKS_SERVICE)
    return " and ".join(parts)


def _age_complaint(fields: Mapping[str, FieldValue]) -> str:
    return "" if fields else "a rule of kind 'evidence_age' says days or run_days"


def _by_complaint(fields: Mapping[str, FieldValue]) -> str:
    if "role" not in fields:
        if fields.get("by_service") is not True:
            return "a rule of kind 'evidence_by' says role, or by_service = true"
        if "items" in fields or "besides_requester" in fields:
            return "items and besides_requester need role"
    return ""


KINDS = (
    RuleKind(
        "runtime_locked",
        {"by": words("image", "lock")},
        _asks_locked,
        on_evidence=judge_runtime_locked,
    ),
    RuleKind(
        "evidence_age",
        {"days": days(), "run_days": days()},
        _asks_age,
        at_position=judge_evidence_age,
        complaint=_age_complaint,
    ),
    RuleKind(
        "evidence_by",
        {
            "role": text(),
            "items": words(*ITEMS),
            "besides_requester": flag(),
            "by_service": flag(),
        },
        _asks_by,
        at_position=judge_evidence_by,
        complaint=_by_complaint,
    ),
)
"""The kinds of rule that this module judges."""
