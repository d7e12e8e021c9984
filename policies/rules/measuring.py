"""What rules about metrics share: exact numbers, rows, words and comparison."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation

from policies.document import Rule
from policies.evidence import Evidence, IncumbentItem, Metric
from policies.rules.forms import text
from policies.verdict import Node, Verdict

EXACT = Context(prec=10_000, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
"""Keeps every digit that a metric or a policy can have, and never raises."""
BETTER = text("higher", "lower", needed=True)
FIRST_PROMOTION = text("allow", "refuse")


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


def compare(
    rule: Rule, evidence: Evidence, name: str, slice_name: str, wanted: str
) -> Node:
    """A metric of both versions, measured on the same dataset version."""
    incumbent = evidence.incumbent
    if not incumbent.exists:
        return first_promotion(rule, wanted)
    here, there = _datasets(evidence, incumbent)
    if not here or not there or here != there:
        observed = f"measured on {_short(here)}; "
        observed += f"version {incumbent.version} on {_short(there)}"
        verdict = Verdict.NO if here and there else Verdict.UNKNOWN
        return node(rule, verdict, observed, f"{wanted}, on the same dataset version")
    mine = evidence.measured.find(name, slice_name)
    theirs = incumbent.measured.find(name, slice_name)
    value, reference = number_of(mine), number_of(theirs)
    if mine is None or theirs is None or value is None or reference is None:
        return missing(rule, f"{label(name, slice_name)} of both versions", wanted)
    pair = (value, reference) if rule.text("better") == "lower" else (reference, value)
    worse_by = EXACT.subtract(*pair)
    observed = f"{shown(mine)} against {shown(theirs)} of version {incumbent.version}"
    return node(rule, yes(worse_by <= _most_worse(rule)), observed, wanted)


def _datasets(evidence: Evidence, incumbent: IncumbentItem) -> tuple[str, str]:
    """Digests of what both versions were measured on, empty where unknown."""

    def digest(name: str, uses: tuple[tuple[str, str], ...]) -> str:
        found = {value for used, value in uses if used == name}
        return f"{name}@{found.pop()}" if name and len(found) == 1 else ""

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


def _short(version: str) -> str:
    name, _, digest = version.rpartition("@")
    return f"{name}@{digest[:19]}" if name else "nothing named"


def first_promotion(rule: Rule, wanted: str) -> Node:
    """The answer while the stage is empty."""
    if rule.text("first_promotion") == "allow":
        return node(rule, Verdict.YES, "the stage is empty: nothing to compare", wanted)
    return node(
        rule,
        Verdict.NO,
        "the stage is empty, and first_promotion is not allowed",
        wanted,
    )


def _most_worse(rule: Rule) -> Decimal:
    """How much worse it may be; negative where it must be better."""
    better_by = rule.number("better_by")
    if better_by is not None:
        return EXACT.minus(better_by)
    return rule.number("tolerance") or Decimal(0)


def not_worse(rule: Rule) -> str:
    """What a comparison asks for, in words."""
    if "better_by" in rule.fields:
        return (
            f"better ({rule.text('better')} is better) than the version now in the "
            f"stage by at least {rule.text('better_by')}"
        )
    tolerance = rule.text("tolerance", "0")
    return (
        f"not worse ({rule.text('better')} is better) than the version now in the "
        f"stage by more than {tolerance}"
    )


def samples_wanted(rule: Rule) -> str:
    """How many rows a rule asks for, in words."""
    least = rule.count("minimum_samples")
    return f", on at least {least} rows" if least else ""


def too_few(rule: Rule, metric: Metric) -> tuple[Verdict, str] | None:
    """What to answer where the rows are too few or not counted."""
    least = rule.count("minimum_samples")
    if not least:
        return None
    where = f" on {metric.slice}" if metric.slice else ""
    if metric.samples is None:
        return Verdict.UNKNOWN, f"{shown(metric)}{where}, number of rows not recorded"
    if metric.samples < least:
        return Verdict.NO, f"{shown(metric)}{where}, on {metric.samples} rows"
    return None


def missing(rule: Rule, what: str, wanted: str) -> Node:
    """Unknown, because something was not recorded."""
    return node(rule, Verdict.UNKNOWN, f"{what}: not recorded, or no number", wanted)


def yes(is_met: bool) -> Verdict:
    """Yes or no."""
    return Verdict.YES if is_met else Verdict.NO


def node(rule: Rule, verdict: Verdict, observed: str, wanted: str) -> Node:
    """The node of a rule."""
    return Node(rule.id, verdict, observed, wanted, rule.why)
