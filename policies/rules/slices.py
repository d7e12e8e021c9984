"""Rules about slices: how far apart they are, in difference and in ratio, and against
the incumbent's."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from policies.document import FieldValue, Rule
from policies.evidence import Evidence, Metric
from policies.rules.forms import RuleKind, count, number, text, words
from policies.rules.measuring import (
    BETTER,
    EXACT,
    FIRST_PROMOTION,
    compare,
    first_promotion,
    missing,
    node,
    not_worse,
    number_of,
    samples_wanted,
    shown,
    tidy,
    too_few,
    yes,
)
from policies.verdict import Node, Verdict

_Sliced = tuple[tuple[Metric, Decimal], ...]


def judge_slice_gap(rule: Rule, evidence: Evidence) -> Node:
    """The best and the worst slice no further apart than the largest gap."""
    wanted = _asks_slice_gap(rule)
    found = _slices(rule, evidence, wanted)
    if isinstance(found, Node):
        return found
    numbers = [value for _, value in found]
    gap = EXACT.subtract(max(numbers), min(numbers))
    verdict = yes(gap <= (rule.number("largest_gap") or Decimal(0)))
    return node(rule, verdict, f"{tidy(gap)} ({_listed(found)})", wanted)


def judge_slice_ratio(rule: Rule, evidence: Evidence) -> Node:
    """No slice's rate less than a part of the largest, or of the reference's."""
    wanted = _asks_slice_ratio(rule)
    found = _slices(rule, evidence, wanted)
    if isinstance(found, Node):
        return found
    rates = {metric.slice: value for metric, value in found}
    smallest = min(rates.values())
    whole = rates.get(_reference(rule), max(rates.values()))
    if smallest < 0 or whole == 0:
        why = "a rate is negative" if smallest < 0 else "the rate to divide by is 0"
        observed = f"no ratio: {why} ({_listed(found)})"
        return node(rule, Verdict.UNKNOWN, observed, wanted)
    part = EXACT.multiply(rule.number("at_least") or Decimal(0), whole)
    ratio = tidy(_ratio(smallest, whole))
    return node(rule, yes(smallest >= part), f"{ratio} ({_listed(found)})", wanted)


def judge_slice_comparison(rule: Rule, evidence: Evidence) -> Node:
    """No slice worse than the incumbent's same slice by more than the tolerance."""
    name, column = rule.text("metric"), rule.text("column")
    wanted = _asks_slice_comparison(rule)
    incumbent = evidence.incumbent
    names = {m.slice for m in evidence.measured.slices(name, column)} | {
        m.slice for m in incumbent.measured.slices(name, column)
    }
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
    return node(rule, worst, observed, wanted)


def _slices(rule: Rule, evidence: Evidence, wanted: str) -> _Sliced | Node:
    """Every slice by the column with its number, or why they cannot be judged."""
    name, column = rule.text("metric"), rule.text("column")
    slices = sorted(evidence.measured.slices(name, column), key=lambda m: m.slice)
    absent = sorted(_named(rule) - {metric.slice for metric in slices})
    if absent:
        return missing(rule, f"{name} on {', '.join(absent)}", wanted)
    found = [(m, value) for m in slices if (value := number_of(m)) is not None]
    if len(found) < 2 or len(found) < len(slices):
        return missing(rule, f"{name} on two or more slices by {column}", wanted)
    for metric in slices:
        short = too_few(rule, metric)
        if short:
            return node(rule, short[0], short[1], wanted)
    return tuple(found)


def _named(rule: Rule) -> set[str]:
    """The slices that must be there."""
    column = rule.text("column")
    named = {f"{column}:{value}" for value in rule.names("slices")}
    return named | ({_reference(rule)} if "reference" in rule.fields else set())


def _reference(rule: Rule) -> str:
    return f"{rule.text('column')}:{rule.text('reference')}"


def _ratio(smallest: Decimal, whole: Decimal) -> Decimal:
    """For a person; the verdict never divides."""
    return EXACT.divide(smallest, whole)


def _listed(found: _Sliced) -> str:
    return ", ".join(f"{metric.slice} {shown(metric)}" for metric, _ in found)


def _those(rule: Rule) -> str:
    named = rule.names("slices")
    return f" ({', '.join(named)} at least)" if named else ""


def _complaint_about_ratio(fields: Mapping[str, FieldValue]) -> str:
    part = Decimal(str(fields.get("at_least", "1")))
    return "" if 0 < part <= 1 else "at_least of a ratio is above 0 and at most 1"


def _asks_slice_gap(rule: Rule) -> str:
    return (
        f"{rule.text('metric')} differs by at most {rule.text('largest_gap')} between "
        f"slices by {rule.text('column')}{_those(rule)}{samples_wanted(rule)}"
    )


def _asks_slice_ratio(rule: Rule) -> str:
    whole = rule.text("reference") or "the largest"
    return (
        f"{rule.text('metric')} on every slice by {rule.text('column')}{_those(rule)} "
        f"at least {rule.text('at_least')} of {whole}{samples_wanted(rule)}"
    )


def _asks_slice_comparison(rule: Rule) -> str:
    name, column = rule.text("metric"), rule.text("column")
    return f"{name} on every slice by {column} {not_worse(rule)}"


KINDS = (
    RuleKind(
        "slice_gap",
        {
            "metric": text(needed=True),
            "column": text(needed=True),
            "largest_gap": number(needed=True),
            "slices": words(),
            "minimum_samples": count(),
        },
        _asks_slice_gap,
        on_evidence=judge_slice_gap,
    ),
    RuleKind(
        "slice_ratio",
        {
            "metric": text(needed=True),
            "column": text(needed=True),
            "at_least": number(needed=True),
            "reference": text(),
            "slices": words(),
            "minimum_samples": count(),
        },
        _asks_slice_ratio,
        on_evidence=judge_slice_ratio,
        complaint=_complaint_about_ratio,
    ),
    RuleKind(
        "slice_comparison",
        {
            "metric": text(needed=True),
            "column": text(needed=True),
            "better": BETTER,
            "tolerance": number(),
            "first_promotion": FIRST_PROMOTION,
        },
        _asks_slice_comparison,
        on_evidence=judge_slice_comparison,
    ),
)
"""The kinds of rule that this module judges."""
