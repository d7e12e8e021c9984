"""The two times that a question can be asked at: of the events, and of the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """When a question is about. Nothing given: now, by all that the log holds."""

    as_of: datetime | None = None
    """How things were then, by event time."""
    known_at: int | None = None
    """As the log knew when this was its last entry."""


NOW = Asked()
