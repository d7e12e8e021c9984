"""Every kind of rule there is."""

from __future__ import annotations

from collections.abc import Mapping

from policies.rules import (
    data_quality,
    files,
    freshness,
    independence,
    model_signed,
    numbers,
    observed,
    origins,
    records,
    slices,
    timing,
    witnessed,
)
from policies.rules.forms import RuleKind

RULE_KINDS: Mapping[str, RuleKind] = {
    kind.name: kind
    for kind in (
        *numbers.KINDS,
        *slices.KINDS,
        *timing.KINDS,
        *records.KINDS,
        *observed.KINDS,
        *witnessed.KINDS,
        *origins.KINDS,
        *independence.KINDS,
        *data_quality.KINDS,
        *files.KINDS,
        *freshness.KINDS,
        *model_signed.KINDS,
    )
}
"""By the name that a policy writes."""
