"""Budgets of OpenLineage: events from a file, and over HTTP with keep-alive."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from connectors.openlineage import OpenLineageSource
from console.services.importing import import_source
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from tests.bench.table import Row
from tests.worlds import new_world

EVENTS = int(os.environ.get("COUNTERSIGN_BENCH_EVENTS", "40000"))
SENT = EVENTS // 4
CONNECTIONS = 32


def event(number: int) -> dict[str, Any]:
    """Every second one ends the run that the one before began."""
    run = str(uuid.UUID(int=number // 2, version=4))
    facets = {"schema": {"fields": [{"name": "a", "type": "INT"}] * 5}}
    data = {"namespace": "s3://lake", "facets": facets}
    return {
        "eventTime": f"2026-01-02T03:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "eventType": ("START", "COMPLETE")[number % 2],
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": run, "facets": {}},
        "job": {"namespace": "n", "name": f"job {number % 400}"},
        "inputs": [data | {"name": f"in {number % 900}"}],
        "outputs": [data | {"name": f"out {number % 700}"}],
    }


def lineage_rows(folder: Path) -> list[Row]:
    """Both rows."""
    return [_file_row(folder), _http_row(folder)]


def _file_row(folder: Path) -> Row:
    path = folder / "events.ndjson"
    path.write_text("".join(json.dumps(event(n)) + "\n" for n in range(EVENTS)))
    world = new_world(folder / "events")
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    started = time.perf_counter()
    report = import_source(world.store, acting, OpenLineageSource("ol", path))
    taken = time.perf_counter() - started
    world.store.close()
    if report.accepted != EVENTS:
        raise SystemExit("events were refused")
    return Row(
        "OpenLineage ingest from a file",
        ">= 20,000/s",
        f"{EVENTS / taken:,.0f}/s",
        f"{EVENTS} events to a signed entry, in the lineage store too",
    )


def _http_row(folder: Path) -> Row:
    environment = os.environ | {"COUNTERSIGN_HOME": str(folder / "serving")}
    program = [sys.executable, "-m", "console", "--store", str(folder / "served")]
    made = [*program, "init", "--name", "A", "--no-passphrase"]
    subprocess.run(made, env=environment, check=True, capture_output=True)
    process = subprocess.Popen(
        [*program, "serve", "--listen", "127.0.0.1:0"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    port = int(process.stderr.readline().rpartition(":")[2])
    taken = asyncio.run(_send(f"http://127.0.0.1:{port}/api/v1/lineage"))
    process.terminate()
    process.communicate()
    return Row(
        "OpenLineage over HTTP, one event a request",
        ">= 1,000/s",
        f"{SENT / taken:,.0f}/s",
        f"{CONNECTIONS} connections kept alive; on the disk before each answer",
    )


async def _send(address: str) -> float:
    import aiohttp

    bodies = iter([json.dumps(event(number)).encode() for number in range(SENT)])
    kind = {"Content-Type": "application/json"}

    async def sender(session: aiohttp.ClientSession) -> None:
        for body in bodies:
            async with session.post(address, data=body, headers=kind) as answer:
                if answer.status != 201:
                    raise SystemExit(f"answered {answer.status}")

    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        started = time.perf_counter()
        await asyncio.gather(*(sender(session) for _ in range(CONNECTIONS)))
        return time.perf_counter() - started
