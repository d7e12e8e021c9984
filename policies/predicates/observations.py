"""Statements about how a model version behaves where it runs."""

from dataclasses import dataclass

from policies.predicates.forms import (
    Digest,
    Key,
    LongName,
    Name,
    OptionalCount,
    OptionalKey,
    OptionalLongName,
    OptionalName,
    Time,
)

MOST_NUMBERS = 128
"""Numbers that one observation may give of each version."""


@dataclass(frozen=True, slots=True)
class ObservedNumber:
    """One number over the window; `slice` is empty or `column:value`."""

    name: LongName
    value: Name
    """A finite decimal number."""
    slice: OptionalLongName
    samples: OptionalCount
    """Rows or requests that it was measured on."""
    unit: OptionalName


@dataclass(frozen=True, slots=True)
class Observation:
    """What was measured of a version over a window, somewhere it runs."""

    model: Key
    version: Key
    manifest: Digest
    """SHA-256 of the manifest of the version observed."""
    environment: Name
    target: LongName
    """Name of the deployment there."""
    since: Time
    until: Time
    numbers: tuple[ObservedNumber, ...]
    baseline: OptionalKey
    """Version that took the rest of the same traffic (a canary), or empty."""
    baseline_numbers: tuple[ObservedNumber, ...]
