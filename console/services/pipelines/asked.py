"""What somebody asks to be launched, and what they were shown of it before."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.pipelines.protocols import (
    LaunchRequest,
)


@dataclass(frozen=True, slots=True)
class SeenPlan:
    """What somebody was shown before they launched; anything else is refused."""

    digest: str
    is_held: bool | None = None
    """Whether it was said that it would be held; None: that was not looked at."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants launched, where, and why."""

    request: LaunchRequest
    environment: str
    launch: str = ""
    """The id it is launched under; empty: a new one, or that of an open intent."""
    cause: str = "a person"
    seen: SeenPlan | None = None
    """What was shown of it; None: nothing."""
