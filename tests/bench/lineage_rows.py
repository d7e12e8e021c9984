"""Budgets of OpenLineage: events from a file, and over HTTP with keep-alive.

Plain events say little beside their links; full ones have the facets, and the size, of
those that Spark and Airflow send.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.openlineage import OpenLineageSource
from connectors.protocols import KnownState
from console.services.importing import import_source
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from tests.bench.table import Row
from tests.worlds import NOON, new_world

EVENTS = int(os.environ.get("COUNTERSIGN_BENCH_EVENTS", "40000"))
SENT = EVENTS // 4
_PRODUCER = "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/spark"
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


def full_event(number: int) -> dict[str, Any]:
    """Every third one ends a run; what a job tells of its data is always the same."""
    run, part = divmod(number, 3)
    job = run % 400
    moment = f"2026-01-02T{run // 3600 % 24:02d}:{run // 60 % 60:02d}:{run % 60:02d}"
    out = _data(f"/mart/t{job}", 6, columnLineage=_columns(job))
    if part == 2:
        counted = _facet("OutputStatisticsOutputDatasetFacet", rowCount=run)
        out["outputFacets"] = {"outputStatistics": counted}
    parent = {"runId": str(uuid.UUID(int=run // 8, version=4))}
    of_job = {"namespace": "etl", "name": f"dag_{job // 8}"}
    return {
        "eventTime": f"{moment}.{part}00Z",
        "eventType": ("START", "RUNNING", "COMPLETE")[part],
        "producer": _PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {
            "runId": str(uuid.UUID(int=run, version=4)),
            "facets": {
                "parent": _facet("ParentRunFacet", run=parent, job=of_job),
                "nominalTime": _facet(
                    "NominalTimeRunFacet", nominalStartTime=f"{moment}Z"
                ),
                "processing_engine": _facet(
                    "ProcessingEngineRunFacet", version="3.5.1", name="spark"
                ),
            },
        },
        "job": {
            "namespace": "etl",
            "name": f"job_{job}",
            "facets": {
                "sql": _facet("SQLJobFacet", query=f"insert into t{job} select 1"),
                "jobType": _facet("JobTypeJobFacet", processingType="BATCH"),
            },
        },
        "inputs": [_data(f"/raw/t{job % 90}", 10), _data(f"/raw/u{job % 70}", 10)],
        "outputs": [out],
    }


def _facet(schema: str, **said: Any) -> dict[str, Any]:
    address = f"https://openlineage.io/spec/facets/1-0-0/{schema}.json#/$defs/{schema}"
    return {"_producer": _PRODUCER, "_schemaURL": address, **said}


def _data(name: str, width: int, **facets: Any) -> dict[str, Any]:
    fields = [{"name": f"column_{n}", "type": "string"} for n in range(width)]
    also = [{"namespace": "hive://metastore", "name": f"db{name}", "type": "TABLE"}]
    facets |= {
        "schema": _facet("SchemaDatasetFacet", fields=fields),
        "symlinks": _facet("SymlinksDatasetFacet", identifiers=also),
        "dataSource": _facet("DatasourceDatasetFacet", name="lake", uri="s3://lake"),
    }
    return {"namespace": "s3://lake", "name": name, "facets": facets}


def _columns(job: int) -> dict[str, Any]:
    how = [{"type": "DIRECT", "subtype": "IDENTITY", "masking": False}]
    source = {"namespace": "s3://lake", "name": f"/raw/t{job % 90}"}
    fields = {
        f"column_{n}": {
            "inputFields": [source | {"field": f"column_{n}", "transformations": how}]
        }
        for n in range(6)
    }
    return _facet("ColumnLineageDatasetFacet", fields=fields)


def lineage_rows(folder: Path) -> list[Row]:
    """Every row."""
    return [
        _file_row(folder, "plain", event),
        _file_row(folder, "full", full_event),
        _reading_row(folder),
        _http_row(folder),
    ]


def _events_file(folder: Path, kind: str, made: Callable[[int], object]) -> Path:
    path = folder / f"{kind}.ndjson"
    with path.open("w") as stream:
        stream.writelines(json.dumps(made(n)) + "\n" for n in range(EVENTS))
    return path


def _reading_row(folder: Path) -> Row:
    source = OpenLineageSource("ol", _events_file(folder, "full", full_event))
    started = time.perf_counter()
    facts = sum(table.num_rows for table in source.tables(KnownState(NOON)))
    taken = time.perf_counter() - started
    return Row(
        "OpenLineage, full events read from a file",
        ">= 20,000/s",
        f"{EVENTS / taken:,.0f}/s",
        f"{EVENTS} events, {facts} facts as tables; nothing signed yet",
    )


def _file_row(folder: Path, kind: str, made: Callable[[int], object]) -> Row:
    path = _events_file(folder, kind, made)
    world = new_world(folder / f"of {kind}")
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    started = time.perf_counter()
    report = import_source(world.store, acting, OpenLineageSource("ol", path))
    taken = time.perf_counter() - started
    world.store.close()
    if report.accepted != EVENTS:
        raise SystemExit("events were refused")
    return Row(
        f"OpenLineage, {kind} events from a file",
        ">= 20,000/s",
        f"{EVENTS / taken:,.0f}/s",
        f"{EVENTS} events of {path.stat().st_size // EVENTS:,} bytes to a signed "
        "entry, in the lineage store too",
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
    waited, logged = time.perf_counter(), 0
    while logged < SENT:
        logged += int(process.stderr.readline().split()[0])
    waited = time.perf_counter() - waited
    process.terminate()
    process.communicate()
    return Row(
        "OpenLineage over HTTP, one event a request",
        ">= 1,000/s",
        f"{SENT / taken:,.0f}/s",
        f"{CONNECTIONS} connections kept alive; on the disk before each answer, in "
        f"the log {waited:.1f} s after the last one",
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
