"""Measurements as the rules about them see them: exact, with rows, dataset and unit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from policies.document import Rule
from policies.evidence import DatasetUse, Evidence, Metric
from policies.verdict import Node, Verdict

SHORTEST_DIGEST = 12
"""Hexadecimal digits by which a policy may name a dataset version."""


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


def node_of(rule: Rule, verdict: Verdict, observed: str, wanted: str) -> Node:
    """The node of a rule."""
    return Node(rule.id, verdict, observed, wanted, rule.why)


def yes_if(is_met: bool) -> Verdict:
    """Yes or no, where everything is known."""
    return Verdict.YES if is_met else Verdict.NO


def missing(rule: Rule, what: str, wanted: str) -> Node:
    """The node of a rule whose number is lacking."""
    return node_of(rule, Verdict.UNKNOWN, f"{what}: not recorded, or no number", wanted)


def samples_wanted(rule: Rule) -> str:
    """How many rows a rule asks for, in words."""
    least = rule.count("minimum_samples")
    return f", on at least {least} rows" if least else ""


def too_few(rule: Rule, metric: Metric) -> tuple[Verdict, str] | None:
    """Why a metric was measured on too few rows, or None."""
    least = rule.count("minimum_samples")
    if not least:
        return None
    where = f" on {metric.slice}" if metric.slice else ""
    if metric.samples is None:
        return Verdict.UNKNOWN, f"{shown(metric)}{where}, number of rows not recorded"
    if metric.samples < least:
        return Verdict.NO, f"{shown(metric)}{where}, on {metric.samples} rows"
    return None


def version_of(name: str, uses: Sequence[DatasetUse]) -> DatasetUse | None:
    """The one version of a dataset that is among those used, or None."""
    found = [use for use in uses if use.name == name]
    if not name or len({use.digest for use in found}) != 1:
        return None
    return max(found, key=lambda use: use.is_evidence)


def wrong_dataset(evidence: Evidence, wanted: str) -> tuple[Verdict, str] | None:
    """Why the numbers are not those of a dataset, or of one version of it, or None.

    `wanted` is a name, or `name@sha256:` and the beginning of a digest.
    """
    name, _, digest = wanted.partition("@")
    measured_on = evidence.lineage.evaluation_dataset
    if measured_on != name:
        said = f"measured on {measured_on or 'an unnamed dataset'}"
        return (Verdict.NO if measured_on else Verdict.UNKNOWN), said
    if not digest:
        return None
    use = version_of(name, evidence.lineage.datasets)
    if use is None or not use.is_evidence:
        return Verdict.UNKNOWN, f"which version of {name} is not recorded by SHA-256"
    if use.digest.startswith(digest.lower()):
        return None
    return Verdict.NO, f"measured on {name}@{use.digest[:19]}"


def wrong_unit(rule: Rule, units: dict[str, str]) -> tuple[Verdict, str] | None:
    """Why a metric is not in the unit that a rule asks for, or None."""
    wanted, name = rule.text("unit"), rule.text("metric")
    found = units.get(name, "")
    if not wanted or found == wanted:
        return None
    if not found:
        return Verdict.UNKNOWN, f"the unit of {name} is not recorded"
    return Verdict.NO, f"{name} is in {found}"
