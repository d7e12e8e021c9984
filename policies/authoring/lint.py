"""Lint of one policy by itself: rules that nothing can meet, or that add nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from policies.authoring.fact_tables import moment
from policies.authoring.remarks import Linted, Remark, Severity
from policies.document import Rule
from policies.patterns import matches
from policies.rules.forms import Holds
from policies.rules.kinds import RULE_KINDS

LARGER_IS_STRICTER = frozenset({"at_least", "minimum_samples", "better_by"})
SMALLER_IS_STRICTER = frozenset(
    {"at_most", "largest_gap", "tolerance", "largest_bytes", "longest_days"}
)
MORE_IS_STRICTER = frozenset({"require", "forbid", "severities", "slices"})
_ZERO_WHEN_ABSENT = frozenset({"tolerance", "minimum_samples", "better_by"})
_END = "until"


def lint(linted: Linted, now: datetime) -> list[Remark]:
    """Everything there is to say about a policy without knowing any store."""
    found = [
        *_bounds(linted),
        *_pairs(linted),
        *_slices(linted),
        *_empty_stage(linted),
        *_past(linted, now),
        *_quorums(linted),
        *_patterns(linted),
    ]
    return sorted(found, key=lambda remark: remark.line)


def _bounds(linted: Linted) -> Iterator[Remark]:
    for number, rule in enumerate(linted.policy.rules):
        least, most = rule.number("at_least"), rule.number("at_most")
        if least is not None and most is not None and least > most:
            yield linted.at_rule(
                number,
                "at_least",
                Severity.PROBLEM,
                f"nothing is at least {least} and at most {most}",
                "Exchange at_least and at_most, or take one out.",
            )


def _pairs(linted: Linted) -> Iterator[Remark]:
    """Rules that contradict an earlier one, or are implied by another."""
    rules = linted.policy.rules
    for number, rule in enumerate(rules):
        for earlier in rules[:number]:
            if rule.kind != earlier.kind:
                continue
            field, text = _contradiction(rule, earlier)
            if text:
                yield linted.at_rule(
                    number,
                    field,
                    Severity.PROBLEM,
                    f"{text}, and {earlier.id} asks the contrary",
                    "No version can meet both; mend one.",
                )
            elif implies(earlier, rule):
                yield linted.at_rule(
                    number,
                    "id",
                    Severity.REMARK,
                    f"whatever meets {earlier.id} meets this too",
                    "Take it out, or make it stricter.",
                )
            elif implies(rule, earlier):
                yield linted.at_rule(
                    rules.index(earlier),
                    "id",
                    Severity.REMARK,
                    f"whatever meets {rule.id} meets this too",
                    "Take it out, or make it stricter.",
                )


def implies(stricter: Rule, laxer: Rule) -> bool:
    """Whether whatever meets one rule must meet another of the same kind."""
    return stricter.kind == laxer.kind and all(
        _is_as_strict(stricter, laxer, name) for name in RULE_KINDS[laxer.kind].fields
    )


def _is_as_strict(stricter: Rule, laxer: Rule, name: str) -> bool:
    mine, other = stricter.fields.get(name), laxer.fields.get(name)
    if mine == other:
        return True
    if name in LARGER_IS_STRICTER | SMALLER_IS_STRICTER:
        one, two = _number(stricter, name), _number(laxer, name)
        if two is None:
            return True
        if one is None:
            return False
        return one >= two if name in LARGER_IS_STRICTER else one <= two
    if name in MORE_IS_STRICTER and isinstance(mine, tuple):
        return isinstance(other, tuple) and set(other) <= set(mine)
    return name == "dataset" and other is None


def _number(rule: Rule, name: str) -> Decimal | None:
    found = rule.number(name)
    return Decimal(0) if found is None and name in _ZERO_WHEN_ABSENT else found


def _contradiction(rule: Rule, earlier: Rule) -> tuple[str, str]:
    """A field of a rule and what it asks, where an earlier rule asks the contrary."""
    here, there = rule.text("dataset"), earlier.text("dataset")
    same_metric = {"metric", "dataset"} <= RULE_KINDS[rule.kind].fields.keys()
    if same_metric and here and there and here.split("@")[0] != there.split("@")[0]:
        return "dataset", f"wants what was measured on {here}"
    measured = ("metric", "slice", "column", "slices", "reference", "unit")
    if any(rule.fields.get(n) != earlier.fields.get(n) for n in measured):
        return "", ""
    if rule.text("better") != earlier.text("better"):
        return "better", f"says {rule.text('better')} is better"
    for low, high in ((rule, earlier), (earlier, rule)):
        least, most = low.number("at_least"), high.number("at_most")
        if "metric" not in rule.fields or least is None or most is None:
            continue
        if least > most:
            name = "at_least" if low is rule else "at_most"
            return name, f"wants {name.replace('_', ' ')} {rule.text(name)}"
    return "", ""


def _slices(linted: Linted) -> Iterator[Remark]:
    """Names of metrics and slices that no import could ever produce."""
    for number, rule in enumerate(linted.policy.rules):
        slice_name = rule.text("slice")
        if slice_name and ":" not in slice_name:
            yield linted.at_rule(
                number,
                "slice",
                Severity.PROBLEM,
                f"no slice is called {slice_name!r}",
                f'Write column and value: slice = "COLUMN:{slice_name}".',
            )
        metric, _, tail = rule.text("metric").rpartition("/")
        if metric and ":" in tail:
            yield linted.at_rule(
                number,
                "metric",
                Severity.PROBLEM,
                f"{rule.text('metric')!r} is a metric on a slice",
                f'Write metric = "{metric}" and slice = "{tail}".',
            )
        if ":" in rule.text("column"):
            column = rule.text("column").partition(":")[0]
            yield linted.at_rule(
                number,
                "column",
                Severity.PROBLEM,
                f"{rule.text('column')!r} is a slice, not a column",
                f'Write column = "{column}".',
            )


def _empty_stage(linted: Linted) -> Iterator[Remark]:
    for number, rule in enumerate(linted.policy.rules):
        can_allow = "first_promotion" in RULE_KINDS[rule.kind].fields
        if can_allow and "first_promotion" not in rule.fields:
            yield linted.at_rule(
                number,
                "kind",
                Severity.REMARK,
                "no version can ever enter an empty stage under this rule",
                'Say which is meant: first_promotion = "allow" or "refuse".',
            )


def _past(linted: Linted, now: datetime) -> Iterator[Remark]:
    for number, rule in enumerate(linted.policy.rules):
        declared = RULE_KINDS[rule.kind].fields.get(_END)
        if declared is None or declared.holds is not Holds.TIME:
            continue
        written = rule.text(_END)
        try:
            is_past = bool(written) and moment(written) <= now
        except ValueError:
            is_past = False
        if is_past:
            yield linted.at_rule(
                number,
                _END,
                Severity.REMARK,
                f"it ended {written}",
                "Take it out of the next version.",
            )


def _quorums(linted: Linted) -> Iterator[Remark]:
    seen: dict[str, int] = {}
    for number, quorum in enumerate(linted.policy.quorums):
        if quorum.role in seen:
            yield linted.at_quorum(
                number,
                "role",
                Severity.REMARK,
                f"a second quorum of the role {quorum.role}",
                "Make it one [[approvals]] with the count and exclusions of both.",
            )
        seen.setdefault(quorum.role, number)


def _patterns(linted: Linted) -> Iterator[Remark]:
    applies = linted.policy.applies
    for field, names in (
        ("models", applies.models),
        ("to", applies.to),
        ("environments", applies.environments),
    ):
        for name in names:
            wider = [p for p in names if p != name and matches(p, name)]
            if wider and not (field == "models" and "*" not in name):
                yield linted.at_part(
                    field,
                    Severity.REMARK,
                    f"{wider[0]!r} covers {name!r} already",
                    "It only makes the policy more specific there; is that meant?",
                )
