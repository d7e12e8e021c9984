"""Who read the evidence of a request, and when: what the log held at a position.

Nobody vouches by being named. A reading counts only if its reader signed it: whoever
made the request, for what the request froze, and each approver, for the items that
their approval says they read again and found the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """One item of evidence as one person read it."""

    kind: str
    reader: str
    """Person id."""
    roles: frozenset[str]
    """Roles that the reader holds for the model and environment."""
    is_requester: bool
    read_at: datetime | None
    """When, as the reader says; None where it is not said or no time."""
