"""Reading the cases of a file against the policy they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NoReturn, TypeVar

from policies.authoring.cases import (
    CASE_FIELDS,
    DEFAULT_TIME,
    FACT_FIELDS,
    FACT_TABLES,
    FINDINGS,
    SIGNED,
    WAIVED,
    Case,
    CasesFile,
)
from policies.authoring.fact_tables import (
    changed_evidence,
    changed_record,
    forgotten,
    moment,
)
from policies.authoring.fitting import (
    committed_for,
    logged_for,
    read_for,
    signed_for,
)
from policies.authoring.good_facts import (
    empty_stage,
    evaluated_on,
    expiry,
    good_context,
    good_evidence,
    good_votes,
)
from policies.authoring.log_facts import UNDATED, finding_of, observed_as
from policies.document import Policy
from policies.evidence import Evidence, Metric, MetricsItem, split_metric_name
from policies.predicates import Decision
from policies.rules.context import Context, ModelStanding, OpenFinding
from policies.rules.forms import number, text, time, words
from policies.rules.people import Vote
from policies.rules.records import SEVERITIES
from policies.rules.waiving import WaiverVote
from policies.table_reading import Span
from policies.verdict import Verdict

Record = TypeVar("Record", Context, Vote, ModelStanding, OpenFinding)


def read_cases(opened: CasesFile, policy: Policy) -> tuple[Case, ...]:
    """Every case of a file.

    Raises:
        MalformedPolicy: with file, line and what is wrong.
    """
    return _Reader(opened, policy).cases()


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is given so far."""

    evidence: Evidence
    context: Context
    observed: dict[str, dict[str, str]] = field(default_factory=dict)
    """Numbers of `observed` and `beside`, by metric."""
    signed: tuple[str, str] = ("", "")
    """How commits are signed and by whom; empty: as the policy asks."""


class _Reader:
    """Reads one file of cases, table by table."""

    def __init__(self, opened: CasesFile, policy: Policy) -> None:
        self._raw, self._tables, self._policy = opened.raw, opened.tables, policy
        self._headers = [
            line.split("#")[0].strip() if line.startswith("[") else ""
            for line in opened.document.splitlines()
        ]
        self._starts = [n for n, h in enumerate(self._headers) if h == "[[cases]]"]
        self._span: Span = self._tables.everywhere

    def cases(self) -> tuple[Case, ...]:
        good = _Facts(
            signed_for(good_evidence(), self._policy),
            self._good_context(moment(DEFAULT_TIME)),
        )
        first = self._starts[0] if self._starts else self._tables.everywhere[1]
        self._span = (0, first)
        if "good" in self._raw:
            table = self._table(self._raw, "good")
            self._tables.known(
                table, (*FACT_FIELDS, *FACT_TABLES, FINDINGS), self._span
            )
            if "at" in table:
                written = str(self._tables.value(table, "at", time(), self._span))
                good = replace(
                    good, context=self._good_context(self._moment(written, "at"))
                )
            good = self._facts(good, table)
        found = self._tables.tables(self._raw, "cases")
        cases = tuple(self._case(good, t, number) for number, t in enumerate(found))
        names = [case.name for case in cases]
        for case in cases:
            if names.count(case.name) > 1:
                self._span = (case.line - 1, case.line)
                self._refuse(f"two cases have the name {case.name!r}", "name")
        return cases

    def _good_context(self, now: datetime) -> Context:
        """People, time and log that lack nothing of what the policy asks."""
        read = read_for(good_context(now), self._policy)
        return logged_for(read, self._policy)

    def _case(self, good: _Facts, table: Mapping[str, object], number: int) -> Case:
        end = self._tables.everywhere[1]
        later = (*self._starts[1:], end)
        if number < len(self._starts):
            self._span = (self._starts[number], later[number])
        else:
            self._span = self._tables.everywhere
        facts_of = (*FACT_FIELDS, *FACT_TABLES, FINDINGS)
        known = (*CASE_FIELDS, *facts_of, "rules", "votes", "waivers")
        self._tables.known(table, known, self._span)
        head = self._tables.fields(table, CASE_FIELDS, self._span, of="a case")
        facts = self._facts(good, table)
        return Case(
            name=str(head["name"]),
            line=self._span[0] + 1,
            evidence=facts.evidence,
            votes=self._votes(table, facts.context.now),
            waivers=self._waivers(table, facts.context.now),
            context=facts.context,
            verdict=Verdict(str(head["verdict"])),
            rules=self._rules(table),
        )

    def _facts(self, given: _Facts, table: Mapping[str, object]) -> _Facts:
        """What is given, with what a table says of it."""
        said = self._tables.fields(table, FACT_FIELDS, self._span, of="a case")
        evidence, context = given.evidence, given.context
        if "evaluated_on" in said:
            evidence = evaluated_on(evidence, str(said["evaluated_on"]))
        evidence = self._measured(evidence, table)
        evidence = _without(evidence, _texts(said.get("without")))
        if said.get("empty_stage"):
            evidence = empty_stage(evidence)
        for kind, changes in self._table(table, "evidence").items():
            if not isinstance(changes, dict):
                self._refuse(f"evidence.{kind} must be a table", kind)
            evidence = changed_evidence(evidence, kind, changes, self._refuse)
        for name in _texts(said.get("unrecorded")):
            kind, _, field = name.partition(".")
            evidence = forgotten(evidence, kind, field, self._refuse)
        if "at" in said:
            context = replace(context, now=self._moment(str(said["at"]), "at"))
        context = self._changed(context, self._table(table, "context"))
        signed = (
            str(said.get("commits_signed", given.signed[0])),
            str(said.get("commits_signed_by", given.signed[1])),
        )
        context = committed_for(context, evidence, self._policy, *signed)
        facts = _Facts(evidence, context, dict(given.observed), signed)
        return self._logged(facts, table)

    def _logged(self, given: _Facts, table: Mapping[str, object]) -> _Facts:
        """The facts that stand in the log: record, findings and observations."""
        context, found = given.context, given.observed
        if table.get("no_record"):
            context = replace(context, model=None)
        if context.model is not None:
            changed = self._changed(context.model, self._table(table, "record"))
            context = replace(context, model=changed)
        if FINDINGS in table:
            told = self._tables.tables(table, FINDINGS)
            findings = (finding_of(self._finding(t), n) for n, t in enumerate(told, 1))
            context = replace(context, findings=tuple(findings))
        for part in ("observed", "beside"):
            numbers = self._table(table, part)
            new = {name: self._number(numbers, name, part) for name in numbers}
            found[part] = found.get(part, {}) | new
        until = None
        if "observed_until" in table:
            until = self._moment(str(table["observed_until"]), "observed_until")
        context = observed_as(
            context,
            given.evidence,
            self._policy,
            found["observed"],
            found["beside"],
            until,
        )
        return _Facts(given.evidence, context, found, given.signed)

    def _finding(self, table: Mapping[str, object]) -> OpenFinding:
        self._tables.value(
            table, "severity", text(*SEVERITIES, needed=True), self._span
        )
        return self._changed(UNDATED, table)

    def _measured(self, evidence: Evidence, table: Mapping[str, object]) -> Evidence:
        numbers, rows = self._table(table, "metrics"), self._table(table, "samples")
        earlier = self._table(table, "incumbent")
        measured, incumbent = evidence.measured, evidence.incumbent
        for name in numbers:
            measured = _with_metric(
                measured, name, value=self._number(numbers, name, "metrics")
            )
        for name in rows:
            samples = self._tables.count(rows, name, self._within("samples"))
            if measured.find(*split_metric_name(name)) is None:
                self._tables.refuse(
                    f"samples of {name!r}, which has no value",
                    name,
                    self._within("samples"),
                )
            measured = _with_metric(measured, name, samples=samples)
        for name in earlier:
            value = self._number(earlier, name, "incumbent")
            old = _with_metric(incumbent.measured, name, value=value)
            incumbent = replace(incumbent, measured=old)
        return replace(evidence, measured=measured, incumbent=incumbent)

    def _votes(self, table: Mapping[str, object], now: datetime) -> tuple[Vote, ...]:
        if "votes" not in table:
            return good_votes(self._policy, now)
        found = self._tables.tables(table, "votes")
        return tuple(self._vote(vote, n, now) for n, vote in enumerate(found, 1))

    def _waivers(
        self, table: Mapping[str, object], now: datetime
    ) -> tuple[WaiverVote, ...]:
        found = self._tables.tables(table, "waivers") if "waivers" in table else []
        return tuple(self._waiver(one, n, now) for n, one in enumerate(found, 1))

    def _waiver(
        self, table: Mapping[str, object], place: int, now: datetime
    ) -> WaiverVote:
        terms = self._policy.waivers
        if terms is None:
            self._refuse("the policy lets nobody waive a rule", "waivers")
        said = {"role": terms.role, **table}
        named = self._tables.value(said, WAIVED, words(needed=True), self._span)
        said.pop(WAIVED, None)
        limit = timedelta(days=terms.longest_days)
        vote = self._vote(said, place, now, limit)
        until = "" if vote.expires is None else f"{vote.expires:%Y-%m-%d %H:%M} UTC"
        return WaiverVote(named if isinstance(named, tuple) else (), vote, until)

    def _vote(
        self,
        table: Mapping[str, object],
        place: int,
        now: datetime,
        limit: timedelta | None = None,
    ) -> Vote:
        said = dict(table)
        signed = now
        if SIGNED in said:
            written = self._tables.value(said, SIGNED, time(), self._span)
            signed = self._moment(str(written), SIGNED)
            said.pop(SIGNED)
        for needed in ("person", "role"):
            self._tables.text(said, needed, self._span)
        role = str(said["role"])
        person = str(said["person"])
        plain = Vote(
            person=person,
            name=person,
            role=role,
            holds_role=True,
            decision=Decision.APPROVE,
            index=place,
            expires=signed + limit if limit else expiry(self._policy, role, signed),
        )
        return self._changed(plain, said)

    def _rules(self, table: Mapping[str, object]) -> dict[str, Verdict]:
        wanted = self._table(table, "rules")
        verdict = text(*Verdict)
        return {
            name: Verdict(str(self._tables.value(wanted, name, verdict, self._span)))
            for name in wanted
        }

    def _changed(self, record: Record, changes: Mapping[str, object]) -> Record:
        return changed_record(
            record,
            changes,
            lambda table, name, field: self._tables.value(
                table, name, field, self._span
            ),
            self._refuse,
        )

    def _table(self, table: Mapping[str, object], name: str) -> dict[str, object]:
        found = table.get(name, {})
        if not isinstance(found, dict):
            self._refuse(f"{name} must be a table", name)
        return found

    def _number(self, table: Mapping[str, object], name: str, of: str) -> str:
        return str(self._tables.value(table, name, number(), self._within(of)))

    def _within(self, name: str) -> Span:
        """The lines of a table beneath the one being read, or those of the whole."""
        first, last = self._span
        for place in range(first, min(last, len(self._headers))):
            if self._headers[place].endswith(f".{name}]"):
                rest = range(place + 1, last)
                return place, next((n for n in rest if self._headers[n]), last)
        return self._span

    def _moment(self, written: str, name: str) -> datetime:
        try:
            return moment(written)
        except ValueError:
            self._refuse(f"{name} = {written!r} is no day", name)

    def _refuse(self, message: str, name: str) -> NoReturn:
        self._tables.refuse(message, name, self._span)


def _texts(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _with_metric(
    measured: MetricsItem, name: str, *, value: str = "", samples: int | None = None
) -> MetricsItem:
    """The same, with a metric on the whole or a slice (`rmse/sex:1`) written anew."""
    metric, slice_name = split_metric_name(name)
    before = measured.find(metric, slice_name) or Metric(metric, "", slice_name, None)
    after = replace(
        before,
        value=value or before.value,
        samples=before.samples if samples is None else samples,
    )
    others = (m for m in measured.metrics if m is not before)
    return replace(measured, metrics=(*others, after))


def _without(evidence: Evidence, names: tuple[str, ...]) -> Evidence:
    """The same, with metrics that were not recorded."""
    kept = tuple(
        m
        for m in evidence.measured.metrics
        if (f"{m.name}/{m.slice}" if m.slice else m.name) not in names
    )
    return replace(evidence, measured=replace(evidence.measured, metrics=kept))
