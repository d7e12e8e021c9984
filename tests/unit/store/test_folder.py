"""A store's bytes in a folder: put-if-absent, objects, remembered heads."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store.backend import object_path
from store.errors import NotAStore, StoreDamaged, StoreUnavailable
from store.folder import FolderBackend
from store.heads import Head, RememberedHeads
from store.objects import Objects
from store.opening import open_backend


@pytest.fixture
def backend(tmp_path: Path) -> FolderBackend:
    found = FolderBackend(tmp_path / "store")
    found.prepare()
    return found


def test_of_many_writers_of_one_name_exactly_one_wins(backend: FolderBackend) -> None:
    with ThreadPoolExecutor(16) as pool:
        wins = list(
            pool.map(lambda n: backend.put_if_absent("entry/000", b"%d" % n), range(64))
        )
    assert sum(wins) == 1
    assert backend.read("entry/000", at_most=9) == b"%d" % wins.index(True)


def test_nothing_temporary_is_left_behind(
    backend: FolderBackend, tmp_path: Path
) -> None:
    backend.put_if_absent("entry/000", b"one")
    backend.put_if_absent("entry/000", b"two")
    assert list((tmp_path / "store" / "tmp").glob("*")) == []


def test_a_full_disk_is_told_and_leaves_nothing(
    backend: FolderBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StoreUnavailable, match="No space left") as caught:
        backend.put_if_absent("entry/000", b"one")
    assert "Free some space" in caught.value.hint
    assert backend.read("entry/000", at_most=9) is None
    assert list((tmp_path / "store" / "tmp").glob("*")) == []


def test_an_object_that_was_changed_is_never_handed_out(
    backend: FolderBackend, tmp_path: Path
) -> None:
    objects = Objects(backend)
    digest = objects.put(b"evidence")
    path = tmp_path / "store" / object_path(digest)
    path.write_bytes(b"forgery!")
    with pytest.raises(StoreDamaged, match="does not have the content"):
        objects.get(digest)
    path.unlink()
    with pytest.raises(StoreDamaged, match="is missing"):
        objects.get(digest)
    assert objects.find("../../etc/passwd") is None


def test_a_folder_without_a_store_is_told_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(NotAStore) as caught:
        open_backend(str(tmp_path / "nothing"))
    assert "countersign init" in caught.value.hint


def test_the_largest_head_is_remembered_through_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "heads"
    heads = RememberedHeads(path)
    heads.remember(Head(1, "aa" * 32))
    heads.remember(Head(5, "bb" * 32))
    with open(path, "ab") as stream:
        stream.write(b'{"size": 9, "ro')
    assert RememberedHeads(path).newest() == Head(5, "bb" * 32)
