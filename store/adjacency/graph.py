"""The file and what lies beside it as one graph, for one question.

Things are numbers: those of the file keep theirs, others get the next ones as they are
met. Nothing here knows how an answer is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from store.adjacency.base import Base
from store.adjacency.beside import Beside
from store.adjacency.counting import NO_TIME, Counting, Direction, Mark


@dataclass(frozen=True, slots=True)
class Levels:
    """What a walk reached, by how many links away."""

    of: dict[int, int]
    """Thing -> level, level by level, in each in the order of their keys."""
    followed: int
    """The links of things on levels below this one were followed."""
    is_cut: bool


class Graph:
    """What counts for one question."""

    def __init__(self, base: Base | None, beside: Beside, counting: Counting) -> None:
        self.base, self.beside, self.counting = base, beside, counting
        self._known = base.things if base else 0
        self._added: dict[str, int] = {}
        self._added_keys: list[str] = []
        self._marks_of_base = base.mark_count if base else 0
        self._marks: dict[int, Mark] = {}
        self._counts: dict[int, bool] = {}
        self._takes_all = base is None or counting.takes_all_links(base.made.applied)

    def number(self, key: str) -> int:
        """The number of a thing; one that nothing is known of gets one too."""
        found = self._met(key)
        if found is None:
            found = self._added[key] = self._known + len(self._added_keys)
            self._added_keys.append(key)
        return found

    def _met(self, key: str) -> int | None:
        found = self._added.get(key)
        if found is None and self.base is not None:
            found = self.base.find(key)
        return found

    def key(self, thing: int) -> str:
        """The key of a thing."""
        if self.base is not None and thing < self._known:
            return self.base.key(thing)
        return self._added_keys[thing - self._known]

    def in_order(self, things: Iterable[int]) -> list[int]:
        """Things in the order of their keys."""
        found = sorted(things)
        if found and found[-1] >= self._known:
            found.sort(key=self.key)
        return found

    def mark(self, number: int) -> Mark:
        """What a link says."""
        found = self._marks.get(number)
        if found is None:
            if self.base is not None and number < self._marks_of_base:
                found = self.base.mark(number)
            else:
                found = self.beside.marks[number - self._marks_of_base]
            self._marks[number] = found
        return found

    def _mark_counts(self, number: int) -> bool:
        counts = self._counts.get(number)
        if counts is None:
            counts = self._counts[number] = self.counting.link(self.mark(number))
        return counts

    def links(self, thing: int, direction: Direction) -> list[tuple[int, int]]:
        """The neighbours of a thing, each with the mark of the link."""
        found: list[tuple[int, int]] = []
        if self.base is not None and thing < self._known:
            offsets = self.base.offsets[direction]
            start, end = offsets[thing], offsets[thing + 1]
            found = list(
                zip(
                    self.base.neighbours[direction][start:end],
                    self.base.marks[direction][start:end],
                    strict=True,
                )
            )
        first = self._marks_of_base
        if more := self._beside(thing, direction):
            found += [(self.number(key), first + mark) for key, mark in more]
        if self._takes_all and not more:
            return found
        return [link for link in found if self._mark_counts(link[1])]

    def _beside(self, thing: int, direction: Direction) -> list[tuple[str, int]]:
        links = self.beside.links[direction]
        return links.get(self.key(thing), []) if links else []

    def neighbours_beside(self, thing: int, direction: Direction) -> list[int]:
        """Neighbours of a thing by the links beside the file that count."""
        first = self._marks_of_base
        return [
            self.number(key)
            for key, mark in self._beside(thing, direction)
            if self._mark_counts(first + mark)
        ]

    def told_beside(self) -> list[int]:
        """The things met so far of which something is said beside the file."""
        things = map(self._met, self.beside.told)
        return [thing for thing in things if thing is not None]

    def things(self) -> int:
        """How many things have a number."""
        return self._known + len(self._added_keys)

    def has_links(self, thing: int, direction: Direction) -> bool:
        """Whether a thing has any link that counts."""
        return bool(self.links(thing, direction))

    def told(self, thing: int) -> tuple[str, int]:
        """What a thing is called, by the first who named it, and when it began."""
        said = self.beside.told.get(self.key(thing), []) if self.beside.told else []
        if self.base is not None and thing < self._known:
            said = [*self.base.told(thing), *said]
        known = sorted(row for row in said if row[0] < self.counting.horizon)
        moments = [moment for _, moment, _ in known if moment != NO_TIME]
        label = next((label for _, _, label in known if label), "")
        return label, min(moments, default=NO_TIME)

    def levels(
        self, start: int, direction: Direction, *, depth: int, most: int
    ) -> Levels:
        """Everything up to `depth` links away, at most so many things."""
        of, level, is_cut = {start: 0}, 0, False
        frontier = [start]
        while frontier and level < depth and not is_cut:
            level += 1
            allowed = self._reached(frontier, direction) - of.keys()
            if self.counting.as_of is not None:
                allowed = {t for t in allowed if self.counting.thing(self.told(t)[1])}
            room = most - len(of)
            frontier = self.in_order(allowed)[:room]
            is_cut = len(allowed) > room
            of |= dict.fromkeys(frontier, level)
        rest = any(self.has_links(thing, direction) for thing in frontier)
        return Levels(of, level, is_cut or rest)

    def _reached(self, frontier: list[int], direction: Direction) -> set[int]:
        """What is one link away; where every link of the file counts, without marks."""
        found: set[int] = set()
        if self.base is None or not self._takes_all or self.beside.links[direction]:
            for thing in frontier:
                found.update(other for other, _ in self.links(thing, direction))
            return found
        offsets = self.base.offsets[direction]
        neighbours = self.base.neighbours[direction]
        for thing in frontier:
            if thing < self._known:
                found.update(neighbours[offsets[thing] : offsets[thing + 1]])
        return found
