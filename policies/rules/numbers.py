"""Rules about one metric: thresholds, and comparison with the incumbent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from policies.document import FieldValue, Rule
from policies.evidence import Evidence
from policies.rules.forms import RuleKind, count, number, text
from policies.rules.measuring import (
    BETTER,
    FIRST_PROMOTION,
    compare,
    label,
    missing,
    node,
    not_worse,
    number_of,
    samples_wanted,
    shown,
    too_few,
    yes,
)
from policies.verdict import Node, Verdict

_VERSION = re.compile(r"(?P<name>.+)@(?P<digest>sha256:[0-9a-f]{12,64})")
_Short = tuple[Verdict, str]


def judge_metric(rule: Rule, evidence: Evidence) -> Node:
    """A metric within bounds, on enough rows, of a named dataset if one is named."""
    name, slice_name = rule.text("metric"), rule.text("slice")
    wanted = _asks_metric(rule)
    elsewhere = _measured_elsewhere(rule, evidence)
    if elsewhere:
        return node(rule, *elsewhere, wanted)
    metric = evidence.measured.find(name, slice_name)
    value = number_of(metric)
    if metric is None or value is None:
        return missing(rule, label(name, slice_name), wanted)
    short = too_few(rule, metric) or _other_unit(rule, evidence)
    if short:
        return node(rule, short[0], short[1], wanted)
    least, most = rule.number("at_least"), rule.number("at_most")
    is_met = (least is None or value >= least) and (most is None or value <= most)
    return node(rule, yes(is_met), shown(metric), wanted)


def judge_comparison(rule: Rule, evidence: Evidence) -> Node:
    """Not worse than the version now in the stage by more than the tolerance, or
    better by as much as is asked."""
    return compare(rule, evidence, rule.text("metric"), "", _asks_comparison(rule))


def _measured_elsewhere(rule: Rule, evidence: Evidence) -> _Short | None:
    """Why it was not measured on the dataset, or the version of it, that is asked."""
    pinned = _VERSION.fullmatch(rule.text("dataset"))
    wanted = pinned["name"] if pinned else rule.text("dataset")
    found = evidence.lineage.evaluation_dataset
    if not wanted:
        return None
    if found != wanted:
        verdict = Verdict.NO if found else Verdict.UNKNOWN
        return verdict, f"measured on {found or 'an unnamed dataset'}"
    return _another_version(evidence, found, pinned["digest"]) if pinned else None


def _another_version(evidence: Evidence, name: str, digest: str) -> _Short | None:
    uses = [use for use in evidence.lineage.datasets if use.name == name]
    digests = sorted({use.digest for use in uses})
    if len(digests) != 1 or not any(use.is_evidence for use in uses):
        told = ", ".join(digests) or "none"
        return Verdict.UNKNOWN, f"no one version of {name} is recorded: {told}"
    if digests[0].startswith(digest):
        return None
    return Verdict.NO, f"measured on {name}@{digests[0][:19]}"


def _other_unit(rule: Rule, evidence: Evidence) -> _Short | None:
    """Why the unit is not the one that is asked, if one is."""
    wanted, name = rule.text("unit"), rule.text("metric")
    found = dict(evidence.measured.units).get(name, "")
    if not wanted or found == wanted:
        return None
    if not found:
        return Verdict.UNKNOWN, f"tag countersign.unit.{name}: not recorded"
    return Verdict.NO, f"recorded in {found}"


def _asks_metric(rule: Rule) -> str:
    name = label(rule.text("metric"), rule.text("slice"))
    dataset = f" on {rule.text('dataset')}" if "dataset" in rule.fields else ""
    unit = f", in {rule.text('unit')}" if "unit" in rule.fields else ""
    return f"{name} {_bounds(rule)}{unit}{samples_wanted(rule)}{dataset}"


def _asks_comparison(rule: Rule) -> str:
    return f"{rule.text('metric')} {not_worse(rule)}"


def _bounds(rule: Rule) -> str:
    bounds = []
    if "at_least" in rule.fields:
        bounds.append(f"at least {rule.text('at_least')}")
    if "at_most" in rule.fields:
        bounds.append(f"at most {rule.text('at_most')}")
    return " and ".join(bounds)


def _complaint_about_metric(fields: Mapping[str, FieldValue]) -> str:
    dataset = str(fields.get("dataset", ""))
    if "@sha256:" in dataset and not _VERSION.fullmatch(dataset):
        return "dataset names a version by 12 to 64 hex digits of its SHA-256"
    if {"at_least", "at_most"} & fields.keys():
        return ""
    return "a metric rule needs at_least or at_most"


def _complaint_about_comparison(fields: Mapping[str, FieldValue]) -> str:
    if {"tolerance", "better_by"} <= fields.keys():
        return "a comparison takes tolerance or better_by, not both"
    return ""


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
        complaint=_complaint_about_metric,
    ),
    RuleKind(
        "comparison",
        {
            "metric": text(needed=True),
            "better": BETTER,
            "tolerance": number(),
            "better_by": number(),
            "first_promotion": FIRST_PROMOTION,
        },
        _asks_comparison,
        on_evidence=judge_comparison,
        complaint=_complaint_about_comparison,
    ),
)
"""The kinds of rule that this module judges."""
