"""Metrics of two versions side by side: by how much they differ, and which is better.

Which way is better the policies in force say; nobody else is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from console.services.differences import Difference
from policies.document import Policy, Rule
from policies.evidence import Metric, MetricsItem
from policies.patterns import matches
from policies.rules.measured import number_of, tidy

HIGHER, LOWER = "higher", "lower"


def directions(policies: list[Policy], model: str) -> dict[str, str]:
    """Metric -> `higher` or `lower`, where all rules about a model agree."""
    said: dict[str, set[str]] = {}
    for policy in policies:
        if not any(matches(pattern, model) for pattern in policy.applies.models):
            continue
        for rule in policy.rules:
            direction = _direction(rule)
            if direction and rule.text("metric"):
                said.setdefault(rule.text("metric"), set()).add(direction)
    return {name: found.pop() for name, found in said.items() if len(found) == 1}


def metric_differences(
    old: MetricsItem, new: MetricsItem, better: Mapping[str, str]
) -> list[Difference]:
    """Metrics that differ, whole and slice by slice."""
    was = {(m.name, m.slice): m for m in old.metrics}
    now = {(m.name, m.slice): m for m in new.metrics}
    return [
        _metric(name, slice_name, was.get(key), now.get(key), better)
        for key in sorted(was.keys() | now.keys(), key=lambda pair: (pair[1], pair[0]))
        for name, slice_name in [key]
        if _value(was.get(key)) != _value(now.get(key))
    ]


def _metric(
    name: str,
    slice_name: str,
    before: Metric | None,
    after: Metric | None,
    better: Mapping[str, str],
) -> Difference:
    was, now = number_of(before), number_of(after)
    change = None if was is None or now is None else now - was
    return Difference(
        "slice" if slice_name else "metric",
        f"{name} {slice_name}".strip(),
        _value(before),
        _value(after),
        "" if change is None else _signed(change),
        _verdict(change, better.get(name, "")),
    )


def _value(metric: Metric | None) -> str:
    return metric.value if metric else ""


def _signed(change: Decimal) -> str:
    text = tidy(change)
    return text if text.startswith("-") else f"+{text}"


def _verdict(change: Decimal | None, direction: str) -> str:
    if not change or not direction:
        return ""
    return "better" if (change > 0) == (direction == HIGHER) else "worse"


def _direction(rule: Rule) -> str:
    """The better way by a comparison, or by the one bound that a rule sets."""
    if rule.text("better"):
        return rule.text("better")
    bounds = (bool(rule.text("at_least")), bool(rule.text("at_most")))
    if rule.kind not in ("metric", "observation") or bounds[0] == bounds[1]:
        return ""
    return HIGHER if bounds[0] else LOWER
