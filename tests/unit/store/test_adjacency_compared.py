"""A file that says other things than its projection is found out, however well made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from store.adjacency import opening
from store.adjacency.comparing import compare_with_made_anew
from store.queries.lineage import Direction, walk
from tests.unit.store.graphs import Corrected, GraphStore, Link, chain


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GraphStore:
    """A projection that is large enough for a file, however few rows it has."""
    monkeypatch.setattr(opening, "FEWEST_ROWS", 0)
    return GraphStore(tmp_path)


def walked(store: GraphStore) -> int:
    with store.reading() as connection:
        return len(walk(connection, "run:m/0", Direction.DOWN).nodes)


def compared(store: GraphStore) -> list[str]:
    with store.reading() as connection:
        return compare_with_made_anew(connection, store.path)


def test_a_file_that_was_just_made_is_as_it_is_made_anew(store: GraphStore) -> None:
    assert compared(store) == []
    store.tell(chain(9, Direction.DOWN), 3)
    assert walked(store) == 10
    assert store.file.exists()
    assert compared(store) == []


def test_a_file_is_as_it_is_made_anew_when_entries_and_corrections_followed(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = chain(9, Direction.DOWN)
    store.tell(rows, 3)
    assert walked(store) == 10
    monkeypatch.setattr(opening, "FEWEST_ROWS", 10_000)
    store.tell([Corrected(3, rows[4]), Link(4, "run:m/0", "used", "run:m/x")], 5)
    before = store.file.stat().st_ino
    walked(store)
    assert store.file.stat().st_ino == before
    assert compared(store) == []


@pytest.mark.parametrize("links", [8, 10])
def test_a_sound_file_of_other_links_is_found_out(
    store: GraphStore, tmp_path: Path, links: int
) -> None:
    folder = tmp_path / "forger"
    folder.mkdir()
    store.tell([], 0)
    for name in os.listdir(tmp_path):
        if name.startswith("lineage"):
            shutil.copy(tmp_path / name, folder / name)
    forged = GraphStore.there(folder)
    forged.tell(chain(links, Direction.DOWN), 3)
    store.tell(chain(9, Direction.DOWN), 3)
    assert walked(forged) == links + 1
    shutil.copy2(forged.file, store.file)
    assert walked(store) == links + 1
    (problem,) = compared(store)
    assert "is not what the projection makes it" in problem


def test_a_file_with_a_changed_byte_is_found_out(store: GraphStore) -> None:
    store.tell(chain(9, Direction.DOWN), 3)
    assert walked(store) == 10
    modified = store.file.stat().st_mtime_ns
    data = bytearray(store.file.read_bytes())
    data[8192] ^= 1
    store.file.write_bytes(data)
    os.utime(store.file, ns=(modified, modified))
    assert compared(store)
    store.file.write_bytes(b"")
    assert compared(store)
