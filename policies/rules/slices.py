"""Rules about groups: the same metric on every slice by a column."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from policies.document import FieldValue, Rule
from policies.evidence import Evidence, Metric
from policies.rules.forms import RuleKind, count, number, text, words
from policies.rules.measured import (
    missing,
    node_of,
    number_of,
    samples_wanted,
    shown,
    tidy,
    too_few,
    yes_if,
)
from policies.rules.numbers import (
    BETTER,
    FIRST,
    compare,
    first_promotion,
    not_worse,
    one_margin,
)
from policies.verdict import Node, Verdict


def judge_slice_gap(rule: Rule, evidence: Evidence) -> Node:
    """The best and the worst slice no further apart than the largest gap."""
    wanted = _asks_slice_gap(rule)
    values = _values(rule, evidence, wanted)
    if isinstance(values, Node):
        return values
    gap = max(values.values()) - min(values.values())
    largest = rule.number("largest_gap") or Decimal(0)
    observed = f"{tidy(gap)} ({_listed(rule, evidence)})"
    return node_of(rule, yes_if(gap <= largest), observed, wanted)


def judge_slice_ratio(rule: Rule, evidence: Evidence) -> Node:
    """The rate of each slice at least so large a part of the largest one's.

    With `reference` the rates are held against that slice instead. This is the
    four-fifths rule where `at_least` is 0.8 (29 CFR 1607.4(D)).
    """
    wanted = _asks_slice_ratio(rule)
    values = _values(rule, evidence, wanted)
    if isinstance(values, Node):
        return values
    reference = rule.text("reference")
    against = values.get(f"{rule.text('column')}:{reference}")
    if reference and against is None:
        return missing(rule, f"{rule.text('metric')} on {reference}", wanted)
    base = max(values.values()) if against is None else against
    listed = _listed(rule, evidence)
    if base <= 0 or min(values.values()) < 0:
        return node_of(
            rule, Verdict.UNKNOWN, f"no ratio can be made of {listed}", wanted
        )
    least = rule.number("at_least") or Decimal(0)
    smallest = min(values.values())
    observed = f"{tidy(smallest / base)} ({listed})"
    return node_of(rule, yes_if(smallest >= least * base), observed, wanted)


def judge_slice_comparison(rule: Rule, evidence: Evidence) -> Node:
    """No slice worse than the incumbent's same slice by more than the tolerance."""
    name, column = rule.text("metric"), rule.text("column")
    wanted = _asks_slice_comparison(rule)
    incumbent = evidence.incumbent
    names = {m.slice for m in evidence.measured.slices(name, column)} | {
        m.slice for m in incumbent.measured.slices(name, column)
    }
    names |= {f"{column}:{value}" for value in rule.names("slices")}
    if not incumbent.exists:
        return first_promotion(rule, wanted)
    if not names:
        return missing(rule, f"{name} on slices by {column}", wanted)
    nodes = [compare(rule, evidence, name, s, wanted) for s in sorted(names)]
    verdicts = [node.verdict for node in nodes]
    worst = (
        Verdict.NO
        if Verdict.NO in verdicts
        else Verdict.UNKNOWN
        if Verdict.UNKNOWN in verdicts
        else Verdict.YES
    )
    observed = "; ".join(
        f"{s} {node.observed}" for s, node in zip(sorted(names), nodes, strict=True)
    )
    return node_of(rule, worst, observed, wanted)


def _values(rule: Rule, evidence: Evidence, wanted: str) -> dict[str, Decimal] | Node:
    """The number of each slice; or the node that says why they cannot be judged."""
    name, column = rule.text("metric"), rule.text("column")
    slices = _slices(rule, evidence)
    found = {m.slice: m for m in slices}
    for value in rule.names("slices"):
        if f"{column}:{value}" not in found:
            return missing(rule, f"{name} on {column}:{value}", wanted)
    numbers = {m.slice: number_of(m) for m in slices}
    values = {name: value for name, value in numbers.items() if value is not None}
    if len(values) < 2 or len(values) < len(slices):
        return missing(rule, f"{name} on two or more slices by {column}", wanted)
    short = [why for m in slices if (why := too_few(rule, m))]
    if short:
        return node_of(rule, *sorted(short, key=lambda why: why[0])[0], wanted)
    return values


def _slices(rule: Rule, evidence: Evidence) -> list[Metric]:
    found = evidence.measured.slices(rule.text("metric"), rule.text("column"))
    return sorted(found, key=lambda m: m.slice)


def _listed(rule: Rule, evidence: Evidence) -> str:
    return ", ".join(f"{m.slice} {shown(m)}" for m in _slices(rule, evidence))


def _asks_slice_gap(rule: Rule) -> str:
    return (
        f"{rule.text('metric')} differs by at most {rule.text('largest_gap')} between "
        f"{_groups(rule)}{samples_wanted(rule)}"
    )


def _asks_slice_ratio(rule: Rule) -> str:
    base = "the largest of them"
    if "reference" in rule.fields:
        base = f"that of {rule.text('column')}:{rule.text('reference')}"
    return (
        f"{rule.text('metric')} on each of the {_groups(rule)} at least "
        f"{rule.text('at_least')} times {base}{samples_wanted(rule)}"
    )


def _asks_slice_comparison(rule: Rule) -> str:
    name, column = rule.text("metric"), rule.text("column")
    return f"{name} on every slice by {column} {not_worse(rule)}"


def _groups(rule: Rule) -> str:
    named = rule.names("slices")
    among = f", {', '.join(named)} among them" if named else ""
    return f"slices by {rule.text('column')}{among}"


def _ratio_complaint(fields: Mapping[str, FieldValue]) -> str:
    least = Decimal(str(fields["at_least"]))
    return "" if 0 < least <= 1 else "at_least must be more than 0 and at most 1"


def _gap_complaint(fields: Mapping[str, FieldValue]) -> str:
    largest = Decimal(str(fields["largest_gap"]))
    return "" if largest >= 0 else "largest_gap must not be negative"


_OF_SLICES = {"metric": text(needed=True), "column": text(needed=True)}
KINDS = (
    RuleKind(
        "slice_gap",
        {
            **_OF_SLICES,
            "largest_gap": number(needed=True),
            "slices": words(),
            "minimum_samples": count(),
        },
        _asks_slice_gap,
        on_evidence=judge_slice_gap,
        complaint=_gap_complaint,
    ),
    RuleKind(
        "slice_ratio",
        {
            **_OF_SLICES,
            "at_least": number(needed=True),
            "reference": text(),
            "slices": words(),
            "minimum_samples": count(),
        },
        _asks_slice_ratio,
        on_evidence=judge_slice_ratio,
        complaint=_ratio_complaint,
    ),
    RuleKind(
        "slice_comparison",
        {
            **_OF_SLICES,
            "better": BETTER,
            "tolerance": number(),
            "better_by": number(),
            "slices": words(),
            "first_promotion": FIRST,
        },
        _asks_slice_comparison,
        on_evidence=judge_slice_comparison,
        complaint=one_margin,
    ),
)
"""The kinds of rule that this module judges."""
