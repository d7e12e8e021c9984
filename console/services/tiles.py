"""A log published as files for any web server: C2SP tlog-tiles.

Everything here is derived from the log and can be made again from it; readers check
it against the checkpoint, and need not trust whoever serves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.signed_heads import cosigned_head
from policies.checkpoint import read_checkpoint
from store.backend import padded_index
from store.bundles import BUNDLE_ENTRIES, encode_bundle
from store.errors import StoreUnavailable

TILE_WIDTH = 256
CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing wrote."""

    size: int
    written: int
    """Files that were not there yet, or were of a smaller log."""


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """Path of a Merkle tile; one that is not full says its width."""
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{padded_index(number)}{partial}"


def entries_path(number: int, width: int = TILE_WIDTH) -> str:
    """Path of an entry bundle."""
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/entries/{padded_index(number)}{partial}"


def tiles(store: OpenStore, size: int) -> Iterator[tuple[str, bytes]]:
    """Every tile and entry bundle of the first `size` entries, by path.

    Raises:
        Refusal: an entry is longer than a bundle can hold.
    """
    for number, width in _widths(size):
        yield entries_path(number, width), _bundle(store, number, width)
    level = 0
    while (count := size >> (8 * level)) > 0:
        for number, width in _widths(count):
            first = number * TILE_WIDTH
            yield (
                tile_path(level, number, width),
                b"".join(
                    store.index.read_node(8 * level, first + n) for n in range(width)
                ),
            )
        level += 1


def publish_tiles(store: OpenStore, folder: Path) -> Published:
    """Write what a static web server serves; the checkpoint last.

    A reader never finds a checkpoint whose tiles are not there yet.

    Raises:
        Refusal: an entry is longer than a bundle can hold.
        StoreUnavailable: the folder cannot be written.
    """
    checkpoint = cosigned_head(store)
    size = read_checkpoint(checkpoint).size
    written = sum(_write(folder, path, data) for path, data in tiles(store, size))
    written += _write(folder, CHECKPOINT, checkpoint)
    return Published(size, written)


def wrong_tiles(store: OpenStore, folder: Path) -> list[str]:
    """What published files say otherwise than the log does."""
    try:
        size = read_checkpoint((folder / CHECKPOINT).read_bytes()).size
    except FileNotFoundError:
        return [f"{folder / CHECKPOINT} is missing"]
    if size > store.index.size:
        return [f"{folder / CHECKPOINT} is of {size} entries, not {store.index.size}"]
    problems = []
    for path, data in tiles(store, size):
        try:
            found = (folder / path).read_bytes()
        except FileNotFoundError:
            problems.append(f"{path} is missing")
            continue
        if found != data:
            problems.append(f"{path} is not what the log says")
    return problems


def bundle_store(store: OpenStore) -> int:
    """Put every full bundle that is lacking into the store; how many were written."""
    return sum(
        store.log.make_bundle(number)
        for number in range(store.index.size // BUNDLE_ENTRIES)
    )


def _widths(count: int) -> Iterator[tuple[int, int]]:
    """Number and width of each tile over `count` hashes."""
    full, rest = divmod(count, TILE_WIDTH)
    yield from ((number, TILE_WIDTH) for number in range(full))
    if rest:
        yield full, rest


def _bundle(store: OpenStore, number: int, width: int) -> bytes:
    first = number * BUNDLE_ENTRIES
    entries = [store.log.entry_bytes(first + n) for n in range(width)]
    data = encode_bundle(entries)
    if data is None:
        raise Refusal(
            f"an entry from {first} on is longer than a tile can hold",
            hint="Somebody put rubbish there; see: countersign log show. The log is "
            "read by its entries as before.",
        )
    return data


def _write(folder: Path, path: str, data: bytes) -> bool:
    target = folder / path
    try:
        if target.is_file() and target.read_bytes() == data:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(target.name + ".new")
        aside.write_bytes(data)
        aside.replace(target)
    except OSError as cause:
        raise StoreUnavailable(
            f"cannot write {target}: {cause.strerror}", hint="Choose another --out."
        ) from cause
    return True
