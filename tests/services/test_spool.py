"""The spool and its one writer: bounded, and each event kept once."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.server import keeping
from console.server.keeping import Keeper
from console.server.problems import RequestProblem
from console.services.problems import Misuse
from console.services.spool import KEPT, Spool

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_full_spool_says_when_to_come_again_until_the_log_took_some(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "s", most_waiting_bytes=3)
    keeper = Keeper(spool, lambda: NOON)

    async def fill() -> RequestProblem:
        await keeper.keep([b"four"])
        with pytest.raises(RequestProblem) as refused:
            await keeper.keep([b"five!"])
        spool.mark_logged(spool.waiting(10).last, NOON)
        await keeper.keep([b"five!"])
        return refused.value

    problem = asyncio.run(fill())
    assert (problem.status, problem.headers) == (503, {"Retry-After": "10"})
    assert spool.waiting(10).count == 1
    keeper.close()
    spool.close()


def test_too_many_requests_at_once_are_told_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_PENDING", 2)
    spool = Spool(tmp_path / "s")
    keeper = Keeper(spool, lambda: NOON)

    async def crowd() -> list[object]:
        given = (keeper.keep([b"%d" % number]) for number in range(4))
        return list(await asyncio.gather(*given, return_exceptions=True))

    answers = asyncio.run(crowd())
    assert answers[:2] == [None, None]
    assert [a.status for a in answers if isinstance(a, RequestProblem)] == [429, 429]
    assert spool.waiting(10).count == 2
    keeper.close()
    spool.close()


def test_more_than_memory_should_hold_is_told_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_PENDING_BYTES", 10)
    spool = Spool(tmp_path / "s")
    keeper = Keeper(spool, lambda: NOON)

    async def crowd() -> list[object]:
        given = (keeper.keep([b"%d" % number * 8]) for number in range(3))
        return list(await asyncio.gather(*given, return_exceptions=True))

    async def alone() -> None:
        await keeper.keep([b"longer than that limit, but alone"])

    answers = asyncio.run(crowd())
    assert [a.status for a in answers if isinstance(a, RequestProblem)] == [429, 429]
    asyncio.run(alone())
    assert spool.waiting(10).count == 2
    keeper.close()
    spool.close()


def test_one_turn_takes_no_more_than_fits_and_at_least_one_event(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "s")
    spool.add([b"first", b"second", b"third"], NOON)
    seen = []
    while (waiting := spool.waiting(10, most_bytes=6)).count:
        seen.append(waiting.bodies)
        spool.mark_logged(waiting.last, NOON)
    assert seen == [(b"first", b"second"), (b"third",)]
    spool.close()


def test_an_event_is_kept_once_and_what_is_logged_is_not_read_again(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "s")
    assert spool.add([b"1", b"2", b"1"], NOON) == 2
    spool.mark_logged(spool.waiting(10).last, NOON)
    assert spool.add([b"1", b"3"], NOON) == 1
    waiting = spool.waiting(10)
    assert (waiting.count, waiting.bodies) == (1, (b"3",))
    spool.close()


def test_what_is_in_the_log_is_forgotten_after_a_while_and_waiting_ones_never(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "s")
    spool.add([b"old"], NOON)
    spool.mark_logged(spool.waiting(10).last, NOON)
    spool.add([b"waits"], NOON)
    later = NOON + KEPT + timedelta(seconds=1)
    assert spool.add([b"old"], later - timedelta(seconds=2)) == 0
    spool.mark_logged(0, later)
    assert spool.waiting(10).bodies == (b"waits",)
    assert spool.add([b"old"], later) == 1
    spool.close()


def test_the_text_of_an_event_leaves_the_spool_once_it_is_in_the_log(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "s")
    spool.add([b"a rather long event"], NOON)
    spool.mark_logged(spool.waiting(10).last, NOON)
    with sqlite3.connect(tmp_path / "s" / "events.sqlite") as connection:
        assert connection.execute("SELECT body FROM event").fetchall() == [(b"",)]
    connection.close()
    spool.close()


def test_events_that_wait_in_an_older_spool_are_taken_over(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with sqlite3.connect(tmp_path / "s" / "events.sqlite") as old:
        old.executescript(
            "CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB "
            "NOT NULL UNIQUE, run TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT "
            "NULL, received INTEGER NOT NULL, is_logged INTEGER NOT NULL DEFAULT 0);"
            "CREATE INDEX event_of_run ON event (run, number);"
            "INSERT INTO event (digest, run, size, body, received) "
            "VALUES (x'00', 'r', 3, CAST('old' AS BLOB), 0)"
        )
    old.close()
    spool = Spool(tmp_path / "s")
    assert spool.add([b"new"], NOON) == 1
    assert spool.waiting(10).bodies == (b"old", b"new")
    spool.close()


def test_a_spool_has_one_holder(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    with pytest.raises(Misuse):
        Spool(tmp_path / "s")
    spool.close()
    Spool(tmp_path / "s").close()
