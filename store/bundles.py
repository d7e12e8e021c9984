"""Bundles: 256 log entries in one object, so that a first reading asks less often.

The form is that of C2SP tlog-tiles' entry bundles. A bundle is derived: it is never
believed further than the entries it repeats (store.first_reading).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from store.backend import Backend, numbered, padded_index
from store.errors import StoreDamaged
from store.merkle import leaf_hash

BUNDLE_ENTRIES = 256
LARGEST_BUNDLED_BYTES = 65_535
_LARGEST_BUNDLE_BYTES = BUNDLE_ENTRIES * (LARGEST_BUNDLED_BYTES + 2)


def bundle_path(number: int) -> str:
    """Path of the bundle of entries 256 x number and on."""
    return f"bundle/{padded_index(number)}"


def encode_bundle(entries: Sequence[bytes]) -> bytes | None:
    """Entries, each after its length in two bytes; None if one is too long for that."""
    if any(len(entry) > LARGEST_BUNDLED_BYTES for entry in entries):
        return None
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, name: str) -> list[bytes]:
    """The entries of a full bundle.

    Raises:
        StoreDamaged: it is none.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        entries.append(data[start:position])
    if position != len(data) or len(entries) != BUNDLE_ENTRIES:
        raise StoreDamaged(
            f"{name} is no bundle of {BUNDLE_ENTRIES} entries",
            hint="Remove it; it is only a copy of entries.",
        )
    return entries


class Bundles:
    """The bundles of one store, and which of them were taken."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.taken: list[int] = []

    def take(self, start: int) -> list[bytes]:
        """The entries of the bundle that begins at an index; none if there is none."""
        number, offset = divmod(start, BUNDLE_ENTRIES)
        if offset:
            return []
        entries = self.read(number)
        if entries is None:
            return []
        self.taken.append(number)
        return entries

    def read(self, number: int) -> list[bytes] | None:
        """The entries of a bundle, or None when there is none.

        Raises:
            StoreDamaged: what is there is no bundle.
        """
        path = bundle_path(number)
        data = self._backend.read(path, at_most=_LARGEST_BUNDLE_BYTES)
        return None if data is None else decode_bundle(data, path)

    def offer(self, number: int, entries: Sequence[bytes]) -> bool:
        """Store a bundle unless one is there; say whether it was stored."""
        data = encode_bundle(entries)
        return data is not None and self._backend.put_if_absent(
            bundle_path(number), data
        )


def wrong_bundles(
    backend: Backend, leaves: Callable[[int, int], list[bytes]]
) -> Iterator[StoreDamaged]:
    """What is wrong with bundles that say something else than the entries do.

    `leaves` answers with the leaf hashes of the entries from one index to another.
    """
    bundles = Bundles(backend)
    for path in sorted(backend.names("bundle/")):
        number = numbered(path, "bundle/")
        if number is None:
            continue
        start = number * BUNDLE_ENTRIES
        try:
            entries = bundles.read(number) or []
        except StoreDamaged as problem:
            yield problem
            continue
        if [leaf_hash(e) for e in entries] != leaves(start, start + BUNDLE_ENTRIES):
            yield StoreDamaged(
                f"{path} does not hold the entries it stands for",
                hint="Remove it, and ask who can write there. Machines that read it "
                "have fallen back to the entries.",
            )
