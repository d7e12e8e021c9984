"""Working ahead: the same items in the same order, and whoever leaves ends the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from store import ahead as ahead_module
from store.ahead import ahead


def test_everything_comes_in_its_order() -> None:
    assert list(ahead(range(50), 3)) == list(range(50))
    assert list(ahead([])) == []


def test_what_the_other_thread_raises_is_raised_here_after_what_came_before() -> None:
    def breaking() -> Iterator[int]:
        yield 1
        raise OSError("the source died")

    items = ahead(breaking())
    assert next(items) == 1
    with pytest.raises(OSError, match="died"):
        next(items)


def test_who_leaves_early_ends_the_other_thread_and_its_clean_up_runs() -> None:
    cleaned: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            cleaned.append(threading.current_thread().name)

    items = ahead(endless())
    assert next(items) == 1
    items.close()
    assert len(cleaned) == 1
    assert cleaned[0] != threading.current_thread().name


def test_nobody_waits_for_more_when_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ahead_module, "_LOOKS_EVERY_SECONDS", 3600.0)
    found: list[list[int]] = []

    def read() -> None:
        found.extend(list(ahead(range(number % 3))) for number in range(60))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(60)
    assert found == [list(range(number % 3)) for number in range(60)]
