"""What this machine remembers of sources, to tell only the parts that have changed.

Losing it costs time and nothing else. It holds for one history of the log: where that
was given up, nothing is remembered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.protocols import PartMemory

if TYPE_CHECKING:
    from console.services.opened import OpenStore

_FILE = "told-parts.json"


def parts_told(store: OpenStore, source: str) -> PartMemory:
    """Parts of a source whose facts the log held after an earlier import."""
    found = _read(store.folder / _FILE).get(source)
    if not isinstance(found, dict):
        return PartMemory()
    size, root, parts = (found.get(name) for name in ("size", "root", "parts"))
    if not isinstance(size, int) or not 0 < size <= store.index.size:
        return PartMemory()
    if store.index.root_at(size).hex() != root or not isinstance(parts, list):
        return PartMemory()
    return PartMemory(frozenset(p for p in parts if isinstance(p, str)))


def remember_parts(store: OpenStore, source: str, memory: PartMemory) -> None:
    """Keep what an import found, once the log holds all of its facts."""
    path = store.folder / _FILE
    known = _read(path)
    if not memory.now and source not in known:
        return
    size = store.index.size
    known[source] = {
        "size": size,
        "root": store.index.root_at(size).hex(),
        "parts": sorted(memory.now),
    }
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(known))
    aside.replace(path)


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
