"""The mapped file as a graph: things by key, links of a thing, what was said of it."""

from __future__ import annotations

from pathlib import Path

from store.adjacency.counting import NEVER, Direction, Mark
from store.adjacency.layout import AdjacencyDamaged, Mapped
from store.adjacency.told import Account


class Base:
    """What entries before `made.applied` brought. Things are numbered in key order."""

    def __init__(self, path: Path) -> None:
        """Map a file.

        Raises:
            AdjacencyDamaged: it is not as it was written.
        """
        file = self.file = Mapped(path)
        self.made = file.made
        self.key_offsets = file.numbers("key_offsets", "q")
        self.key_bytes = file.blob("key_bytes")
        self.things = len(self.key_offsets) - 1
        self.offsets = {d: file.numbers(f"{d.value}_offsets", "q") for d in Direction}
        self.neighbours = {
            d: file.numbers(f"{d.value}_neighbours", "i") for d in Direction
        }
        self.marks = {d: file.numbers(f"{d.value}_marks", "i") for d in Direction}
        self.links = len(self.neighbours[Direction.UP])
        self.mark_columns = {
            name: file.numbers(f"mark_{name}", "q")
            for name in (
                "relation",
                "strength",
                "context",
                "entry",
                "low",
                "high",
                "until",
            )
        }
        self.mark_count = len(self.mark_columns["entry"])
        self.first_until = min(self.mark_columns["until"], default=NEVER)
        self.told_moment = file.numbers("told_moment", "q")
        self.told_entry = file.numbers("told_entry", "q")
        self._label_offsets = file.numbers("label_offsets", "q")
        self._label_bytes = file.blob("label_bytes")
        self._text_offsets = file.numbers("text_offsets", "q")
        self._text_bytes = file.blob("text_bytes")
        counts = {
            len(view) - 1 for view in (*self.offsets.values(), self._label_offsets)
        }
        if counts | {len(self.told_entry), len(self.told_moment)} != {self.things}:
            raise AdjacencyDamaged("its arrays do not belong together")

    @property
    def rows(self) -> int:
        """Links and things, all together."""
        return self.links + self.things

    def find(self, key: str) -> int | None:
        """The number of a thing, or None for one that is not in it."""
        wanted = key.encode("utf-8", "surrogatepass")
        place = self.first_from(wanted)
        if place < self.things and self._key(place) == wanted:
            return place
        return None

    def first_from(self, wanted: bytes) -> int:
        """The number of the first thing whose key is not smaller."""
        return _first_from(self.key_offsets, self.key_bytes, wanted)

    def _key(self, thing: int) -> bytes:
        return bytes(
            self.key_bytes[self.key_offsets[thing] : self.key_offsets[thing + 1]]
        )

    def key(self, thing: int) -> str:
        """The key of a thing."""
        return self._key(thing).decode()

    def kind_range(self, kind: str) -> tuple[int, int]:
        """The numbers of all things of a kind: they lie side by side."""
        return self.first_from(f"{kind}:".encode()), self.first_from(
            f"{kind};".encode()
        )

    def mark(self, number: int) -> Mark:
        """What a link says."""
        columns = self.mark_columns
        context = columns["context"][number]
        return Mark(
            self._text(columns["relation"][number]),
            self._text(columns["strength"][number]),
            None if context == -1 else self._text(context),
            columns["entry"][number],
            columns["low"][number],
            columns["high"][number],
            columns["until"][number],
        )

    def text_number(self, text: str) -> int:
        """The number of a text, or -1 for one that no link has."""
        offsets, data = self._text_offsets, self._text_bytes
        place = _first_from(offsets, data, text.encode())
        is_there = place < len(offsets) - 1 and self._text(place) == text
        return place if is_there else -1

    def _text(self, number: int) -> str:
        offsets = self._text_offsets
        return bytes(self._text_bytes[offsets[number] : offsets[number + 1]]).decode()

    def told(self, thing: int) -> Account:
        """What a thing is called and when it began, by the account that holds."""
        offsets = self._label_offsets
        label = bytes(self._label_bytes[offsets[thing] : offsets[thing + 1]]).decode()
        return label, self.told_moment[thing]


def _first_from(offsets: memoryview[int], data: memoryview[int], wanted: bytes) -> int:
    """The number of the first of some sorted texts that is not smaller."""
    low, high = 0, len(offsets) - 1
    while low < high:
        middle = (low + high) >> 1
        if bytes(data[offsets[middle] : offsets[middle + 1]]) < wanted:
            low = middle + 1
        else:
            high = middle
    return low
