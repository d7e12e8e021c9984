"""Rules about metrics: thresholds, comparison with the incumbent, slices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from policies.document import FieldValue, Rule
from policies.evidence import Evidence, IncumbentItem, Metric
from policies.rules.forms import RuleKind, count, number, text
from policies.verdict import Node, Verdict


def judge_metric(rule: Rule, evidence: Evidence) -> Node:
    """A metric within bounds, on enough rows, of a named dataset if one is named."""
    name, slice_name = rule.text("metric"), rule.text("slice")
    wanted = _asks_metric(rule)
    dataset = rule.text("dataset")
    found = evidence.lineage.evaluation_dataset
    if dataset and found != dataset:
        observed = f"measured on {found or 'an unnamed dataset'}"
        verdict = Verdict.NO if found else Verdict.UNKNOWN
        return _node(rule, verdict, observed, wanted)
    metric = evidence.measured.find(name, slice_name)
    value = number_of(metric)
    if metric is None or value is None:
        return _missing(rule, label(name, slice_name), wanted)
    short = _too_few(rule, metric)
    if short:
        return _node(rule, short[0], short[1], wanted)
    least, most = rule.number("at_least"), rule.number("at_most")
    is_met = (least is None or value >= least) and (most is None or value <= most)
    return _node(rule, _yes(is_met), shown(metric), wanted)


def judge_comparison(rule: Rule, evidence: Evidence) -> Node:
    """Not worse than the version now in the stage, by more than the tolerance."""
    name = rule.text("metric")
    return _compare(rule, evidence, name, "", _asks_comparison(rule))


def judge_slice_gap(rule: Rule, evidence: Evidence) -> Node:
    """The best and the worst slice no further apart than the largest gap."""
    name, column = rule.text("metric"), rule.text("column")
    largest = rule.number("largest_gap") or Decimal(0)
    wanted = _asks_slice_gap(rule)
    slices = sorted(evidence.measured.slices(name, column), key=lambda m: m.slice)
    values = [(m, number_of(m)) for m in slices]
    numbers = [value for _, value in values if value is not None]
    if len(numbers) < 2 or len(numbers) < len(values):
        return _missing(rule, f"{name} on two or more slices by {column}", wanted)
    for metric in slices:
        short = _too_few(rule, metric)
        if short:
            return _node(rule, short[0], short[1], wanted)
    gap = max(numbers) - min(numbers)
    listed = ", ".join(f"{m.slice} {shown(m)}" for m in slices)
    return _node(rule, _yes(gap <= largest), f"{tidy(gap)} ({listed})", wanted)


def judge_slice_comparison(rule: Rule, evidence: Evidence) -> Node:
    """No slice worse than the incumbent's same slice by more than the tolerance."""
    name, column = rule.text("metric"), rule.text("column")
    wanted = _asks_slice_comparison(rule)
    incumbent = evidence.incumbent
    names = {m.slice for m in evidence.measured.slices(name, column)} | {
        m.slice for m in incumbent.measured.slices(name, column)
    }
    if not incumbent.exists:
        return _first_promotion(rule, wanted)
    if not names:
        return _missing(rule, f"{name} on slices by {column}", wanted)
    nodes = [_compare(rule, evidence, name, s, wanted) for s in sorted(names)]
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
    return _node(rule, worst, observed, wanted)


def label(name: str, slice_name: str) -> str:
    """How a metric on a slice is called."""
    return f"{name} ({slice_name})" if slice_name else name


def number_of(metric: Metric | None) -> Decimal | None:
    """The exact finite value, or None."""
    if metric is None:
        return None
    try:
        value = Decimal(metric.value)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def tidy(value: Decimal) -> str:
    """A number to six significant digits, for a person."""
    return f"{value:.6g}" if value else "0"


def shown(metric: Metric) -> str:
    """A metric's value for a person."""
    value = number_of(metric)
    return metric.value if value is None else tidy(value)


def _compare(
    rule: Rule, evidence: Evidence, name: str, slice_name: str, wanted: str
) -> Node:
    incumbent = evidence.incumbent
    if not incumbent.exists:
        return _first_promotion(rule, wanted)
    here, there = _datasets(evidence, incumbent)
    if not here or not there or here != there:
        observed = f"measured on {here or 'nothing named'}; "
        observed += f"version {incumbent.version} on {there or 'nothing named'}"
        verdict = Verdict.NO if here and there else Verdict.UNKNOWN
        return _node(rule, verdict, observed, f"{wanted}, on the same dataset version")
    mine = evidence.measured.find(name, slice_name)
    theirs = incumbent.measured.find(name, slice_name)
    value, reference = number_of(mine), number_of(theirs)
    if mine is None or theirs is None or value is None or reference is None:
        return _missing(rule, f"{label(name, slice_name)} of both versions", wanted)
    tolerance = rule.number("tolerance") or Decimal(0)
    worse_by = (
        value - reference if rule.text("better") == "lower" else reference - value
    )
    observed = f"{shown(mine)} against {shown(theirs)} of version {incumbent.version}"
    return _node(rule, _yes(worse_by <= tolerance), observed, wanted)


def _datasets(evidence: Evidence, incumbent: IncumbentItem) -> tuple[str, str]:
    """Digests of what both versions were measured on, empty where unknown."""

    def digest(name: str, uses: tuple[tuple[str, str], ...]) -> str:
        found = {value for used, value in uses if used == name}
        return f"{name}@{found.pop()[:19]}" if name and len(found) == 1 else ""

    return (
        digest(
            evidence.lineage.evaluation_dataset,
            tuple((u.name, u.digest) for u in evidence.lineage.datasets),
        ),
        digest(
            incumbent.evaluation_dataset,
            tuple((u.name, u.digest) for u in incumbent.datasets),
        ),
    )


def _first_promotion(rule: Rule, wanted: str) -> Node:
    if rule.text("first_promotion") == "allow":
        return _node(
            rule, Verdict.YES, "the stage is empty: nothing to compare", wanted
        )
    return _node(
        rule,
        Verdict.NO,
        "the stage is empty, and first_promotion is not allowed",
        wanted,
    )


def _not_worse(rule: Rule) -> str:
    tolerance = rule.text("tolerance", "0")
    return (
        f"not worse ({rule.text('better')} is better) than the version now in the "
        f"stage by more than {tolerance}"
    )


def _asks_metric(rule: Rule) -> str:
    name = label(rule.text("metric"), rule.text("slice"))
    dataset = f" on {rule.text('dataset')}" if "dataset" in rule.fields else ""
    return f"{name} {_bounds(rule)}{_samples_wanted(rule)}{dataset}"


def _asks_comparison(rule: Rule) -> str:
    return f"{rule.text('metric')} {_not_worse(rule)}"


def _asks_slice_gap(rule: Rule) -> str:
    return (
        f"{rule.text('metric')} differs by at most {rule.text('largest_gap')} between "
        f"slices by {rule.text('column')}{_samples_wanted(rule)}"
    )


def _asks_slice_comparison(rule: Rule) -> str:
    name, column = rule.text("metric"), rule.text("column")
    return f"{name} on every slice by {column} {_not_worse(rule)}"


def _bounds(rule: Rule) -> str:
    bounds = []
    if "at_least" in rule.fields:
        bounds.append(f"at least {rule.text('at_least')}")
    if "at_most" in rule.fields:
        bounds.append(f"at most {rule.text('at_most')}")
    return " and ".join(bounds)


def _samples_wanted(rule: Rule) -> str:
    least = rule.count("minimum_samples")
    return f", on at least {least} rows" if least else ""


def _too_few(rule: Rule, metric: Metric) -> tuple[Verdict, str] | None:
    least = rule.count("minimum_samples")
    if not least:
        return None
    where = f" on {metric.slice}" if metric.slice else ""
    if metric.samples is None:
        return Verdict.UNKNOWN, f"{shown(metric)}{where}, number of rows not recorded"
    if metric.samples < least:
        return Verdict.NO, f"{shown(metric)}{where}, on {metric.samples} rows"
    return None


def _missing(rule: Rule, what: str, wanted: str) -> Node:
    return _node(rule, Verdict.UNKNOWN, f"{what}: not recorded, or no number", wanted)


def _yes(is_met: bool) -> Verdict:
    return Verdict.YES if is_met else Verdict.NO


def _node(rule: Rule, verdict: Verdict, observed: str, wanted: str) -> Node:
    return Node(rule.id, verdict, observed, wanted, rule.why)


def _needs_a_bound(fields: Mapping[str, FieldValue]) -> str:
    if {"at_least", "at_most"} & fields.keys():
        return ""
    return "a metric rule needs at_least or at_most"


_BETTER = text("higher", "lower", needed=True)
_FIRST = text("allow", "refuse")

KINDS = (
    RuleKind(
        "metric",
        {
            "metric": text(needed=True),
            "slice": text(),
            "at_least": number(),
            "at_most": number(),
            "dataset": text(),
            "minimum_samples": count(),
        },
        _asks_metric,
        on_evidence=judge_metric,
        complaint=_needs_a_bound,
    ),
    RuleKind(
        "comparison",
        {
            "metric": text(needed=True),
            "better": _BETTER,
            "tolerance": number(),
            "first_promotion": _FIRST,
        },
        _asks_comparison,
        on_evidence=judge_comparison,
    ),
    RuleKind(
        "slice_gap",
        {
            "metric": text(needed=True),
            "column": text(needed=True),
            "largest_gap": number(needed=True),
            "minimum_samples": count(),
        },
        _asks_slice_gap,
        on_evidence=judge_slice_gap,
    ),
    RuleKind(
        "slice_comparison",
        {
            "metric": text(needed=True),
            "column": text(needed=True),
            "better": _BETTER,
            "tolerance": number(),
            "first_promotion": _FIRST,
        },
        _asks_slice_comparison,
        on_evidence=judge_slice_comparison,
    ),
)
"""The kinds of rule that this module judges."""
