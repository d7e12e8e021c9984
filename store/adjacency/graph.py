"""The file and what lies beside it as one graph, for one question.

Things are numbers: those of the file keep theirs, others get the next ones as they are
met. Nothing here knows how an answer is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from store.adjacency.base import Base
from store.adjacency.beside import Beside, Noted, Revised
from store.adjacency.counting import Counting, Direction, Mark
from store.adjacency.told import NO_ACCOUNT, Account
from store.identifiers import kind_of


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

    def __init__(
        self,
        base: Base | None,
        beside: Beside,
        revised: Revised,
        counting: Counting,
        accounts: Callable[[list[str]], dict[str, Account]],
    ) -> None:
        """`accounts` tells of some things what holds of them at the horizon."""
        self.base, self.beside, self.counting = base, beside, counting
        self._known = base.things if base else 0
        self._added: dict[str, int] = {}
        self._added_keys: list[str] = []
        self._marks_of_base = base.mark_count if base else 0
        self._marks: dict[int, Mark] = {}
        self._counts: dict[int, bool] = {}
        self._takes_all = base is None or counting.takes_all_links(
            base.made.applied, base.first_until
        )
        self._read_accounts = accounts
        self._accounts: dict[int, Account] = {}
        self._revised = revised.noted
        self._revised_things = frozenset(map(self.number, revised.subjects))

    @property
    def is_revised(self) -> bool:
        """Whether some links of the file do not count for a reason of their own."""
        return bool(self._revised_things)

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
                marks, first = self._noted_at(number)
                found = marks[number - first]
            self._marks[number] = found
        return found

    def _noted_at(self, number: int) -> tuple[list[Mark], int]:
        """The marks behind those of the file, and the number of the first of them."""
        first, marks = self._marks_of_base, self.beside.noted.marks
        if number < first + len(marks):
            return marks, first
        return self._revised.marks, first + len(marks)

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
        if more := self._noted(self.beside.noted, thing, direction):
            first = self._marks_of_base
            found += [
                (self.number(key), first + mark)
                for key, mark in more
                if self._mark_counts(first + mark)
            ]
        if self._revised_things:
            found = self._with_revised(found, thing, direction)
        elif self._takes_all and not more:
            return found
        return [link for link in found if self._mark_counts(link[1])]

    def _with_revised(
        self, found: list[tuple[int, int]], thing: int, direction: Direction
    ) -> list[tuple[int, int]]:
        """Links of revised subjects as they are told apart, the others as they are."""
        first = self._marks_of_base + len(self.beside.noted.marks)
        kept = [
            (other, mark)
            for other, mark in found
            for subject in [thing if self.mark(mark).is_subject(direction) else other]
            if subject not in self._revised_things
        ]
        more = self._noted(self._revised, thing, direction)
        return kept + [(self.number(key), first + mark) for key, mark in more]

    def _noted(
        self, noted: Noted, thing: int, direction: Direction
    ) -> list[tuple[str, int]]:
        links = noted.links[direction]
        return links.get(self.key(thing), []) if links else []

    def neighbours_beside(self, thing: int, direction: Direction) -> list[int]:
        """Neighbours of a thing by the links beside the file that count."""
        first = self._marks_of_base
        return [
            self.number(key)
            for key, mark in self._noted(self.beside.noted, thing, direction)
            if self._mark_counts(first + mark)
        ]

    def told_beside(self) -> list[int]:
        """The things met so far of which something is said beside the file."""
        things = map(self._met, self.beside.told)
        return [thing for thing in things if thing is not None]

    def things(self) -> int:
        """How many things have a number."""
        return self._known + len(self._added_keys)

    def has_links(self, things: Iterable[int], direction: Direction) -> bool:
        """Whether any of some things has a link that counts."""
        for thing in things:
            links = self.links(thing, direction)
            if self.counting.as_of is None:
                if links:
                    return True
                continue
            runs = [self.run_of(thing, link, direction) for link in links]
            self.learn(run for run in runs if run is not None)
            if any(run is None or self.has_begun(run) for run in runs):
                return True
        return False

    def run_of(
        self, thing: int, link: tuple[int, int], direction: Direction
    ) -> int | None:
        """The run that a link of a thing is a fact about."""
        other, mark = link[0], self.mark(link[1])
        is_subject = mark.is_subject(direction)
        subject, target = (thing, other) if is_subject else (other, thing)
        run = mark.run_of(subject, target)
        return run if run is not None and kind_of(self.key(run)) == "run" else None

    def has_begun(self, thing: int) -> bool:
        """Whether a thing was there, or may have been."""
        return self.counting.as_of is None or self.counting.thing(self.told(thing)[1])

    def learn(self, things: Iterable[int]) -> None:
        """Read together what the file does not say of some things."""
        keys = {}
        for thing in things:
            if thing not in self._accounts and not self._is_in_file(thing):
                keys[self.key(thing)] = thing
        told = [
            key for key in keys if key in self.beside.told or keys[key] < self._known
        ]
        found = self._read_accounts(told) if told else {}
        for key, thing in keys.items():
            self._accounts[thing] = found.get(key, NO_ACCOUNT)

    def _is_in_file(self, thing: int) -> bool:
        """Whether what the file says of a thing holds at the horizon."""
        horizon = self.counting.horizon
        if self.base is None or thing >= self._known:
            return False
        if self.base.told_entry[thing] >= horizon:
            return False
        told = self.beside.told
        return not told or told.get(self.key(thing), horizon) >= horizon

    def told(self, thing: int) -> Account:
        """What a thing is called, and when it began, by the account that holds."""
        if thing not in self._accounts:
            if self.base is not None and self._is_in_file(thing):
                return self.base.told(thing)
            self.learn([thing])
        return self._accounts[thing]

    def levels(
        self, start: int, direction: Direction, *, depth: int, most: int
    ) -> Levels:
        """Everything up to `depth` links away, at most so many things."""
        of, level, is_cut = {start: 0}, 0, False
        frontier = [start] if self.has_begun(start) else []
        while frontier and level < depth and not is_cut:
            level += 1
            allowed = self._reached(frontier, direction) - of.keys()
            if self.counting.as_of is not None:
                self.learn(allowed)
                allowed = set(filter(self.has_begun, allowed))
            room = most - len(of)
            frontier = self.in_order(allowed)[:room]
            is_cut = len(allowed) > room
            of |= dict.fromkeys(frontier, level)
        is_cut = is_cut or self.has_links(frontier, direction)
        return Levels(of, level, is_cut)

    def _reached(self, frontier: list[int], direction: Direction) -> set[int]:
        """What is one link away; where every link of the file counts, without marks."""
        found: set[int] = set()
        is_plain = self._takes_all and not self._revised_things
        if self.base is None or not is_plain or self.beside.noted.links[direction]:
            for thing in frontier:
                found.update(other for other, _ in self.links(thing, direction))
            return found
        offsets = self.base.offsets[direction]
        neighbours = self.base.neighbours[direction]
        for thing in frontier:
            if thing < self._known:
                found.update(neighbours[offsets[thing] : offsets[thing + 1]])
        return found
