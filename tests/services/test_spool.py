"""The spool and its one writer: bounded, and each event kept once."""

from __future__ import annotations

import asyncio
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
        await keeper.keep([("r", b"four")])
        with pytest.raises(RequestProblem) as refused:
            await keeper.keep([("r", b"five!")])
        spool.mark_logged(spool.waiting(10).last, NOON)
        await keeper.keep([("r", b"five!")])
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
        given = (keeper.keep([("r", b"%d" % number)]) for number in range(4))
        return list(await asyncio.gather(*given, return_exceptions=True))

    answers = asyncio.run(crowd())
    assert answers[:2] == [None, None]
    assert [a.status for a in answers if isinstance(a, RequestProblem)] == [429, 429]
    assert spool.waiting(10).count == 2
    keeper.close()
    spool.close()


def test_an_event_is_kept_once_and_earlier_ones_of_its_run_come_along(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "s")
    assert spool.add([("a", b"1"), ("b", b"2"), ("a", b"1")], NOON) == 2
    spool.mark_logged(spool.waiting(10).last, NOON)
    assert spool.add([("a", b"1"), ("a", b"3")], NOON) == 1
    waiting = spool.waiting(10)
    assert (waiting.count, waiting.bodies) == (1, (b"1", b"3"))
    spool.close()


def test_old_events_go_once_they_are_logged_and_waiting_ones_never(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "s")
    spool.add([("a", b"old"), ("b", b"old too")], NOON)
    spool.mark_logged(spool.waiting(10).last, NOON)
    later = NOON + KEPT + timedelta(seconds=1)
    spool.add([("b", b"new")], later)
    spool.mark_logged(0, later)
    assert spool.waiting(10).bodies == (b"old too", b"new")
    assert spool.add([("a", b"old")], later) == 1
    spool.close()


def test_a_spool_has_one_holder(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    with pytest.raises(Misuse):
        Spool(tmp_path / "s")
    spool.close()
    Spool(tmp_path / "s").close()
