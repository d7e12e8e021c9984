"""Which way a link leads, and which links and things count for a question.

The one place for both rules: the walk over single links and the one over whole arrays
ask here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from store.facts import Relation, Strength

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

SUBJECT_IS_RESULT = (Relation.READ.value, Relation.USED.value, Relation.SERVES.value)
"""Relations whose object is upstream of the subject; in the others it is downstream."""
NO_TIME = -(2**63)
"""In place of a time that is not known."""
NEVER = 2**63 - 1
"""In place of an entry that there will not be."""
T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Direction(StrEnum):
    """Which way to walk."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a link says besides its two ends; times in microseconds since 1970."""

    relation: str
    strength: str
    context: str | None
    entry: int
    low: int
    high: int
    until: int = NEVER
    """The entry that told a version of what this link names without one."""

    def is_subject(self, direction: Direction) -> bool:
        """Whether a walk in a direction leaves the link's subject by it."""
        return (self.relation in SUBJECT_IS_RESULT) == (direction is Direction.UP)

    def run_of(self, subject: T, target: T) -> T | None:
        """The end that is the run which the link is a fact about."""
        if self.relation == Relation.CONTAINS.value:
            return target
        return None if self.relation == Relation.SERVES.value else subject


@dataclass(frozen=True, slots=True)
class Counting:
    """What counts for one question."""

    horizon: int
    """Entries from this one on are not known."""
    as_of: int | None = None
    """Things that began later are left out."""
    ignored: Collection[Strength] = ()
    """Links known in such a way are left out."""
    takes_superseded: bool = False
    """Links to data without a version count even where the version was told later."""

    def takes_all_links(self, applied: int, first_until: int) -> bool:
        """Whether no link that entries before `applied` brought is left out."""
        is_known = applied <= self.horizon <= self._last(first_until)
        return is_known and not self.ignored

    def link(self, mark: Mark) -> bool:
        """Whether a link counts, whenever its run began."""
        is_known = mark.entry < self.horizon <= self._last(mark.until)
        return is_known and mark.strength not in self.ignored

    def links(self, entries: Numbers, untils: Numbers, ignored: Flags) -> Flags:
        """The same of many marks, `ignored` where their strength is."""
        known = (entries < self.horizon) & ~ignored
        return known if self.takes_superseded else known & (self.horizon <= untils)

    def _last(self, until: int) -> int:
        return NEVER if self.takes_superseded else until

    def thing(self, moment: int) -> bool:
        """Whether a thing that began then counts; one of unknown age does."""
        return self.as_of is None or moment == NO_TIME or moment <= self.as_of

    def things(self, moments: Numbers) -> Flags:
        """The same of many things; `NO_TIME` is the smallest number there is."""
        import numpy as np

        if self.as_of is None:
            return np.ones(len(moments), np.bool_)
        return moments <= self.as_of


def moment_of(value: int) -> datetime | None:
    """A stored time as people mean it."""
    return None if value == NO_TIME else _EPOCH + timedelta(microseconds=value)
