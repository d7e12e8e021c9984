"""Facts of a case that stand in the log: the model's record, findings, observations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from policies.document import Policy
from policies.evidence import Evidence, Metric, split_metric_name
from policies.rules.context import Context, Observed, OpenFinding

OBSERVING = frozenset({"observation", "canary"})
"""Kinds of rule that look at observations."""
UNDATED = OpenFinding("", "", None)
"""What a finding of a case is before the case says more."""
_SOMEWHERE = "deployment"
_MANY = 1_000_000


def finding_of(changed: OpenFinding, number: int) -> OpenFinding:
    """A finding with an id, where the case gives none."""
    return changed if changed.id else replace(changed, id=f"F-{number}")


def observed_as(
    context: Context,
    evidence: Evidence,
    policy: Policy,
    numbers: Mapping[str, str],
    beside: Mapping[str, str],
    until: datetime | None,
) -> Context:
    """The same, with the version observed wherever a rule of the policy looks.

    A service measured `numbers` of it, and `beside` of the version in the stage, on
    many rows for as long as any rule asks; by default until now.
    """
    rules = [rule for rule in policy.rules if rule.kind in OBSERVING]
    if not numbers or not rules:
        return context
    end = context.now if until is None else until
    hours = max((rule.count("window_hours") for rule in rules), default=0)
    units = {r.text("metric"): r.text("unit") for r in rules if r.text("unit")}
    places = {
        (rule.text("environment"), rule.text("target") or _SOMEWHERE) for rule in rules
    }
    is_beside = bool(beside) and evidence.incumbent.exists
    return replace(
        context,
        observations=tuple(
            Observed(
                entry=1,
                version=evidence.model.version_key,
                manifest=evidence.model.manifest,
                environment=environment,
                target=target,
                since=end - timedelta(hours=hours + 1),
                until=end,
                numbers=_metrics(numbers),
                units=tuple(sorted(units.items())),
                baseline=evidence.incumbent.version_key if is_beside else "",
                baseline_numbers=_metrics(beside) if is_beside else (),
                baseline_units=tuple(sorted(units.items())) if is_beside else (),
                is_by_service=True,
            )
            for environment, target in sorted(places)
        ),
    )


def _metrics(numbers: Mapping[str, str]) -> tuple[Metric, ...]:
    named = ((split_metric_name(name), value) for name, value in numbers.items())
    return tuple(
        Metric(metric, value, slice_name, _MANY)
        for (metric, slice_name), value in named
    )
