"""One line of the table of budgets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One budget."""

    what: str
    budget: str
    measured: str
    against: str = ""
