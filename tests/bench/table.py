"""One row of the table of budgets, and how its time is taken."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from console.services.demonstration import Demonstrated

REPEATS = 7


@dataclass(frozen=True)
class Row:
    """One budget."""

    what: str
    budget: str
    measured: str
    against: str = ""


def environment(demo: Demonstrated) -> dict[str, str]:
    """What the demonstration's own processes run with."""
    variables = os.environ | {
        "COUNTERSIGN_HOME": str(demo.home),
        "PYTHONPYCACHEPREFIX": str(demo.home / "bytecode"),
    }
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


def seconds(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of some runs after one that does not count."""
    action()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
