"""Everything up- or downstream of a thing, without a bound: millions of things.

Wide levels are followed as whole arrays, narrow ones link by link, so neither a hub
nor a chain of a million things takes long. What few things are reached never needs
NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from store.adjacency.base import Base
from store.adjacency.counting import NO_TIME, Direction
from store.adjacency.graph import Graph
from store.identifiers import kind_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from store.adjacency.counting import Flags, Numbers

    Neighbours = npt.NDArray[np.int32]
    Things = npt.NDArray[np.int64]

FEW = 5_000
"""Things that are followed one by one before arrays are worth their import."""
_ALL = 2**31
_NARROW = 48
"""A level of fewer things is followed link by link."""
_WIDE = 16
"""A level is wide that has one link or more for so many things in all."""
_LINKS_AT_ONCE = 1 << 16
"""Links that are looked at together: what fits into a processor's cache."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Everything that a walk without a bound reached, the start too."""

    counts: dict[str, int]
    """Things by kind."""
    steps: dict[str, int]
    """Of the kind that was asked for: key -> links between it and the start."""
    is_cut: bool
    """Whether there is more beyond the depth."""


def reach(
    graph: Graph, start: str, direction: Direction, *, depth: int, kind: str
) -> Reached:
    """Follow all links up to a depth; name the things of one kind, count the others."""
    first = graph.number(start)
    base = graph.base
    most = FEW if base and not graph.is_revised else _ALL
    few = graph.levels(first, direction, depth=depth, most=most)
    is_short = len(few.of) < FEW or not graph.has_begun(first)
    if base is None or graph.is_revised or is_short:
        keys = {graph.key(thing): level for thing, level in few.of.items()}
        counts = Counter(map(kind_of, keys))
        steps = {key: level for key, level in keys.items() if kind_of(key) == kind}
        return Reached(dict(counts), steps, few.is_cut)
    return _Wide(graph, base, direction).reached(first, depth, kind)


class _Wide:
    """One walk over arrays."""

    def __init__(self, graph: Graph, base: Base, direction: Direction) -> None:
        import numpy as np

        self._graph, self._base, self._direction = graph, base, direction
        self._offsets = np.frombuffer(base.offsets[direction], np.int64)
        self._neighbours = np.frombuffer(base.neighbours[direction], np.int32)
        self._marks = np.frombuffer(base.marks[direction], np.int32)
        self._counts = _links_that_count(graph, base)
        self._beside = _BesideLinks(graph, direction)
        self._seen_bytes = bytearray(graph.things())
        self._seen = np.frombuffer(self._seen_bytes, np.bool_)
        self._level = np.zeros(graph.things(), np.int32)
        self._allowed = _things_that_count(graph, base)

    def reached(self, start: int, depth: int, kind: str) -> Reached:
        """Walk to the end, or as deep as is asked."""
        import numpy as np

        self._seen[start] = True
        frontier, level = np.array([start], np.int64), 0
        while frontier.size and level < depth:
            level += 1
            is_narrow = frontier.size < _NARROW
            frontier = self._narrow(frontier) if is_narrow else self._wide(frontier)
            self._level[frontier] = level
        rest = self._graph.has_links(frontier.tolist(), self._direction)
        return Reached(self._by_kind(), self._steps(kind), rest)

    def _narrow(self, frontier: Things) -> Things:
        import numpy as np

        found = []
        seen, allowed = self._seen_bytes, self._allowed
        for thing in frontier.tolist():
            for other, _ in self._graph.links(thing, self._direction):
                if not seen[other] and (allowed is None or allowed[other]):
                    seen[other] = 1
                    found.append(other)
        return np.array(found, np.int64)

    def _wide(self, frontier: Things) -> Things:
        """The next level; of a wide one what is new is seen in one pass at its end."""
        import numpy as np

        in_file = frontier[frontier < self._base.things]
        starts = self._offsets.take(in_file)
        counts = self._offsets.take(in_file + 1) - starts
        ends = np.cumsum(counts)
        links = int(ends[-1]) if ends.size else 0
        cuts = np.searchsorted(ends, np.arange(_LINKS_AT_ONCE, links, _LINKS_AT_ONCE))
        parts = (
            self._of_file(starts[begin:end], counts[begin:end])
            for begin, end in pairwise([0, *cuts.tolist(), ends.size])
        )
        found: Iterator[Things | Neighbours] = chain([self._beside.of(frontier)], parts)
        if links * _WIDE < self._seen.size:
            return np.concatenate([self._fresh(part) for part in found])
        before = self._seen.copy()
        for part in found:
            self._seen[part] = True
        new = self._seen != before
        if self._allowed is not None:
            new &= self._allowed
            np.logical_or(before, new, out=self._seen)
        return np.flatnonzero(new)

    def _of_file(self, starts: Numbers, counts: Numbers) -> Neighbours:
        """The neighbours whose links lie in some runs of the file's array."""
        import numpy as np

        ends = np.cumsum(counts)
        if not ends.size:
            return self._neighbours[:0]
        places = np.arange(ends[-1])
        places += np.repeat(starts - ends + counts, counts)
        found = self._neighbours.take(places)
        if self._counts is not None:
            found = found[self._counts.take(self._marks.take(places))]
        return found

    def _fresh(self, found: Things | Neighbours) -> Things:
        """Those that count and were not seen yet, each once; now they are seen."""
        import numpy as np

        found = found[~self._seen.take(found)]
        if self._allowed is not None:
            found = found[self._allowed.take(found)]
        # Sorted and compared: np.unique hashes, which takes five times as long.
        ordered = np.sort(found.astype(np.int64))
        is_first = np.ones(ordered.size, np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
        fresh = ordered[is_first]
        self._seen[fresh] = True
        return fresh

    def _by_kind(self) -> dict[str, int]:
        """How many were seen of each kind; in the file they lie kind by kind."""
        counts: Counter[str] = Counter()
        start, known = 0, self._base.things
        while start < known:
            kind = kind_of(self._base.key(start))
            _, end = self._base.kind_range(kind)
            counts[kind] += int(self._seen[start:end].sum())
            start = max(end, start + 1)
        for thing in range(known, self._graph.things()):
            counts[kind_of(self._graph.key(thing))] += int(self._seen[thing])
        return {kind: count for kind, count in counts.items() if count}

    def _steps(self, kind: str) -> dict[str, int]:
        import numpy as np

        if not kind:
            return {}
        start, end = self._base.kind_range(kind)
        wanted = (np.flatnonzero(self._seen[start:end]) + start).tolist()
        wanted += [
            thing
            for thing in range(self._base.things, self._graph.things())
            if self._seen[thing] and kind_of(self._graph.key(thing)) == kind
        ]
        return {self._graph.key(thing): int(self._level[thing]) for thing in wanted}


class _BesideLinks:
    """The links beside the file that count, as arrays; all things get numbers."""

    def __init__(self, graph: Graph, direction: Direction) -> None:
        import numpy as np

        links = [
            (origin, other)
            for origin in map(graph.number, graph.beside.noted.links[direction])
            for other in graph.neighbours_beside(origin, direction)
        ]
        pairs = np.array(sorted(links), np.int64).reshape(-1, 2)
        self._origins, self._others = pairs[:, 0].copy(), pairs[:, 1].copy()

    def of(self, frontier: Things) -> Things:
        """The neighbours of some things."""
        import numpy as np

        if not self._origins.size:
            return self._others
        return self._others[np.isin(self._origins, frontier)]


def _links_that_count(graph: Graph, base: Base) -> Flags | None:
    """By mark whether a link of the file counts; None where all do."""
    import numpy as np

    counting = graph.counting
    if counting.takes_all_links(base.made.applied, base.first_until):
        return None
    ignored = [base.text_number(strength.value) for strength in counting.ignored]
    strengths = np.frombuffer(base.mark_columns["strength"], np.int64)
    entries = np.frombuffer(base.mark_columns["entry"], np.int64)
    untils = np.frombuffer(base.mark_columns["until"], np.int64)
    return counting.links(entries, untils, np.isin(strengths, ignored))


def _things_that_count(graph: Graph, base: Base) -> Flags | None:
    """By thing whether it had begun; None where that is not asked."""
    import numpy as np

    if graph.counting.as_of is None:
        return None
    moments = np.full(graph.things(), NO_TIME, np.int64)
    moments[: base.things] = np.frombuffer(base.told_moment, np.int64)
    entries = np.frombuffer(base.told_entry, np.int64)
    later = np.flatnonzero(entries >= graph.counting.horizon).tolist()
    elsewhere = {*later, *graph.told_beside()}
    graph.learn(elsewhere)
    for thing in elsewhere:
        moments[thing] = graph.told(thing)[1]
    return graph.counting.things(moments)
