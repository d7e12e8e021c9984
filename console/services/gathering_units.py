"""Units of metrics, from the tags that a run leaves."""

from __future__ import annotations

from collections.abc import Iterable

UNIT_TAG = "countersign.unit."
"""Followed by the name of the metric."""


def units_in(tags: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Metrics with their units, by name."""
    return tuple(
        sorted(
            (name.removeprefix(UNIT_TAG), unit)
            for name, unit in tags
            if name.startswith(UNIT_TAG) and unit
        )
    )
