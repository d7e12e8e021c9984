"""What a place tells of a run besides its course: words of a stranger, kept as such."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run of a tracking server that the place says it made for a pipeline run."""

    plugin: str
    """What made it: `mlflow`."""
    run_id: str
    url: str
    """Where people look at it, or empty."""


@dataclass(frozen=True, slots=True)
class ToldArtifact:
    """What a step read or wrote; where it lies, not what is in it."""

    step: str
    name: str
    is_output: bool
    artifact_id: str
    address: str
    """Without credentials; empty: the place does not show it."""
