"""What a project declares before anything is planned: its steps and its parameters.

It is for forms and says nothing of what would be sent; the plan does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connectors.errors import ConnectorError, MalformedInput


class Taken(StrEnum):
    """What a launch may be given beside its project and its parameters."""

    STEPS = "steps"
    REF = "ref"
    RUNTIME = "runtime"
    SETTINGS = "settings"
    PASSED = "passed"
    TIME_LIMIT = "time limit"


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """One parameter that may be given."""

    name: str
    type: str
    """In the project's own word."""
    default: str | None
    """What it is if nobody gives it; None: the project has nothing for it."""
    is_needed: bool
    check: Callable[[str], object]
    """Raises a ConnectorError where a text is no value of it."""
    steps: tuple[str, ...] = ()
    """The entry points that take it; none where there is no choice of them."""

    @property
    def must_be_given(self) -> bool:
        """Whether nothing runs unless somebody gives it."""
        return self.is_needed and self.default is None

    def problem_of(self, value: str) -> str:
        """Why a text is no value of it; empty: it is one, or is not needed."""
        if not value:
            return "it needs a value" if self.must_be_given else ""
        try:
            self.check(value)
        except MalformedInput as problem:
            return str(problem)
        except ConnectorError as problem:
            return f"{problem} {problem.hint}".strip()
        return ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What may be chosen and given."""

    pipeline: str
    """What it is called there; empty: it has no name."""
    entry_points: tuple[str, ...]
    """Steps to choose from; none where it is launched as a whole."""
    parameters: tuple[DeclaredParameter, ...]

    def taken_by(self, steps: tuple[str, ...]) -> tuple[DeclaredParameter, ...]:
        """The parameters that some steps take."""
        if not self.entry_points:
            return self.parameters
        return tuple(one for one in self.parameters if set(one.steps) & set(steps))


@runtime_checkable
class CanDeclare(Protocol):
    """Reads what a project of its kind declares. Asks no server."""

    @property
    def takes(self) -> frozenset[Taken]:
        """What it keeps to; anything else it would refuse."""
        ...

    def declaration(self, project: str, ref: str) -> Declaration:
        """What a project declares, as it is now or at a commit.

        Raises:
            ConnectorError: it is none that could be launched there.
        """
        ...
