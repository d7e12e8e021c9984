"""What a store costs by where it lies: appending to it, and a gate on it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from console.services.demonstration import Demonstrated
from console.services.signing import append
from policies.predicates import LineageBatch
from store.opening import open_backend
from tests.bench.table import Row, environment, seconds
from tests.contract.s3_places import S3Place, copy_store, moto_place, real_place
from tests.worlds import new_world

APPENDS = 50
NOON = "2026-03-01T12:00:00Z"


def store_rows(demo: Demonstrated, folder: Path) -> list[Row]:
    """One writer's appends on a folder and a bucket, and a gate on a bucket."""
    rows = [_append_row("a folder", folder / "appends", "")]
    with (
        _place(folder) as (name, place),
        mock.patch.dict(os.environ, place.variables()),
    ):
        rows.append(_append_row(name, folder / "appends-s3", place.address()))
        rows.append(_gate_row(name, demo, place.address()))
    return rows


@contextlib.contextmanager
def _place(folder: Path) -> Iterator[tuple[str, S3Place]]:
    real = real_place()
    if real is not None:
        yield "S3", real
        return
    with moto_place(folder) as moto:
        yield "S3 (moto)", moto


def _append_row(name: str, folder: Path, address: str) -> Row:
    world = new_world(folder, address=address)
    taken = []
    for number in range(APPENDS + 1):
        batch = LineageBatch("bench", str(number), "0" * 64, number, NOON)
        started = time.perf_counter()
        append(world.store, world.people["dana"], batch, ("bench", "0" * 64))
        taken.append(time.perf_counter() - started)
    world.store.close()
    taken = sorted(taken[1:])
    return Row(
        f"append one statement, {name}",
        "",
        f"{taken[APPENDS // 2] * 1000:.0f} ms",
        f"slowest of {APPENDS} {taken[-1] * 1000:.0f} ms; judged, synced, remembered",
    )


def _gate_row(name: str, demo: Demonstrated, address: str) -> Row:
    """`gate` as a fresh process on a machine that is caught up."""
    copy_store(demo.store, address)
    command = [sys.executable, "-m", "console", "gate"]
    command += ["model:diabetes-progression@6", "--to", "production"]
    command += ["--store", address]

    def run() -> None:
        subprocess.run(command, env=environment(demo), check=True, capture_output=True)

    return Row(
        f"gate, fresh process, {name}",
        "<= 500 ms + round trips",
        f"{seconds(run) * 1000:.0f} ms",
        f"a round trip here {_round_trip(address) * 1000:.1f} ms",
    )


def _round_trip(address: str) -> float:
    backend = open_backend(address)
    return seconds(lambda: backend.read("entry/000", at_most=1 << 20))
