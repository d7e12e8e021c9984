"""Rules about one metric: thresholds, and comparison with the version now in use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from policies.document import FieldValue, Rule
from policies.evidence import Evidence
from policies.rules.forms import RuleKind, count, number, text
from policies.rules.measured import (
    EXACT,
    SHORTEST_DIGEST,
    label,
    missing,
    node_of,
    number_of,
    samples_wanted,
    shown,
    too_few,
    version_of,
    wrong_dataset,
    wrong_unit,
    yes_if,
)
from policies.verdict import Node, Verdict

_VERSION = re.compile(rf"[^@]+@sha256:[0-9a-fA-F]{{{SHORTEST_DIGEST},64}}")


def judge_metric(rule: Rule, evidence: Evidence) -> Node:
    """A metric within bounds, on enough rows, of a named dataset and unit."""
    name, slice_name = rule.text("metric"), rule.text("slice")
    wanted = _asks_metric(rule)
    dataset = rule.text("dataset")
    elsewhere = wrong_dataset(evidence, dataset) if dataset else None
    if elsewhere:
        return node_of(rule, *elsewhere, wanted)
    metric = evidence.measured.find(name, slice_name)
    value = number_of(metric)
    if metric is None or value is None:
        return missing(rule, label(name, slice_name), wanted)
    wrong = wrong_unit(rule, dict(evidence.measured.units)) or too_few(rule, metric)
    if wrong:
        return node_of(rule, *wrong, wanted)
    return node_of(rule, yes_if(within_bounds(rule, value)), shown(metric), wanted)


def within_bounds(rule: Rule, value: Decimal) -> bool:
    """Whether a number is neither below `at_least` nor above `at_most`."""
    least, most = rule.number("at_least"), rule.number("at_most")
    return (least is None or value >= least) and (most is None or value <= most)


def judge_comparison(rule: Rule, evidence: Evidence) -> Node:
    """Not worse, or better by so much, than the version now in the stage."""
    name = rule.text("metric")
    return compare(rule, evidence, name, "", _asks_comparison(rule))


def compare(
    rule: Rule, evidence: Evidence, name: str, slice_name: str, wanted: str
) -> Node:
    """A metric, on the whole or a slice, against that of the version in the stage."""
    incumbent = evidence.incumbent
    if not incumbent.exists:
        return first_promotion(rule, wanted)
    apart = _measured_apart(evidence)
    if apart:
        return node_of(rule, *apart, f"{wanted}, on the same dataset version")
    mine = evidence.measured.find(name, slice_name)
    theirs = incumbent.measured.find(name, slice_name)
    value, reference = number_of(mine), number_of(theirs)
    if mine is None or theirs is None or value is None or reference is None:
        return missing(rule, f"{label(name, slice_name)} of both versions", wanted)
    units = [
        dict(m.units).get(name, "") for m in (evidence.measured, incumbent.measured)
    ]
    if units[0] != units[1]:
        said = f"{units[0] or 'no unit'} against {units[1] or 'no unit'}"
        return node_of(rule, Verdict.UNKNOWN, said, f"{wanted}, in the same unit")
    pair = (reference, value) if rule.text("better") == "lower" else (value, reference)
    better_by = EXACT.subtract(*pair)
    tolerance = rule.number("tolerance") or Decimal(0)
    least = rule.number("better_by")
    is_met = better_by >= (EXACT.minus(tolerance) if least is None else least)
    observed = f"{shown(mine)} against {shown(theirs)} of version {incumbent.version}"
    return node_of(rule, yes_if(is_met), observed, wanted)


def _measured_apart(evidence: Evidence) -> tuple[Verdict, str] | None:
    """Why the two versions were not measured on the same bytes, or None."""
    incumbent = evidence.incumbent
    here = version_of(evidence.lineage.evaluation_dataset, evidence.lineage.datasets)
    there = version_of(incumbent.evaluation_dataset, incumbent.datasets)
    said = [
        "nothing named" if use is None else f"{use.name}@{use.digest[:19]}"
        for use in (here, there)
    ]
    observed = f"measured on {said[0]}; version {incumbent.version} on {said[1]}"
    if here is None or there is None:
        return Verdict.UNKNOWN, observed
    if (here.name, here.digest) != (there.name, there.digest):
        return Verdict.NO, observed
    if not here.is_evidence or not there.is_evidence:
        return Verdict.UNKNOWN, f"{observed}: no SHA-256, so it could be other data"
    return None


def first_promotion(rule: Rule, wanted: str) -> Node:
    """The verdict where the stage is empty."""
    if rule.text("first_promotion") == "allow":
        return node_of(
            rule, Verdict.YES, "the stage is empty: nothing to compare", wanted
        )
    return node_of(
        rule,
        Verdict.NO,
        "the stage is empty, and first_promotion is not allowed",
        wanted,
    )


def not_worse(rule: Rule) -> str:
    """What a comparison asks for, in words."""
    kind = f"({rule.text('better')} is better)"
    if "better_by" in rule.fields:
        least = rule.text("better_by")
        return f"better {kind} than the version now in the stage by at least {least}"
    tolerance = rule.text("tolerance", "0")
    return (
        f"not worse {kind} than the version now in the stage by more than {tolerance}"
    )


def one_margin(fields: Mapping[str, FieldValue]) -> str:
    """Why the margins of a comparison contradict each other, or nothing."""
    if {"tolerance", "better_by"} <= fields.keys():
        return "a comparison has a tolerance or better_by, not both"
    for name in ("tolerance", "better_by"):
        if name in fields and Decimal(str(fields[name])) < 0:
            return f"{name} must not be negative"
    return ""


def _asks_metric(rule: Rule) -> str:
    name = label(rule.text("metric"), rule.text("slice"))
    dataset = f" on {rule.text('dataset')}" if "dataset" in rule.fields else ""
    return f"{name} {bounds_in_words(rule)}{samples_wanted(rule)}{dataset}"


def _asks_comparison(rule: Rule) -> str:
    return f"{rule.text('metric')} {not_worse(rule)}"


def bounds_in_words(rule: Rule) -> str:
    """The bounds of a rule, with their unit."""
    unit = f" {rule.text('unit')}" if "unit" in rule.fields else ""
    bounds = []
    if "at_least" in rule.fields:
        bounds.append(f"at least {rule.text('at_least')}{unit}")
    if "at_most" in rule.fields:
        bounds.append(f"at most {rule.text('at_most')}{unit}")
    return " and ".join(bounds)


def _metric_complaint(fields: Mapping[str, FieldValue]) -> str:
    if not {"at_least", "at_most"} & fields.keys():
        return "a metric rule needs at_least or at_most"
    dataset = str(fields.get("dataset", ""))
    if "@" in dataset and not _VERSION.fullmatch(dataset):
        return (
            f"dataset = {dataset!r} names no version: write NAME@sha256: and at least "
            f"{SHORTEST_DIGEST} digits"
        )
    return ""


BETTER = text("higher", "lower", needed=True)
FIRST = text("allow", "refuse")
KINDS = (
    RuleKind(
        "metric",
        {
            "metric": text(needed=True),
            "slice": text(),
            "at_least": number(),
            "at_most": number(),
            "unit": text(),
            "dataset": text(),
            "minimum_samples": count(),
        },
        _asks_metric,
        on_evidence=judge_metric,
        complaint=_metric_complaint,
    ),
    RuleKind(
        "comparison",
        {
            "metric": text(needed=True),
            "better": BETTER,
            "tolerance": number(),
            "better_by": number(),
            "first_promotion": FIRST,
        },
        _asks_comparison,
        on_evidence=judge_comparison,
        complaint=one_margin,
    ),
)
"""The kinds of rule that this module judges."""
