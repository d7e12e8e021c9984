"""Budgets of imports from an MLflow database: time, memory, and who waits meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from connectors.mlflow.bulk_reading import DatabaseParts
from connectors.mlflow.columns import HAS_RUN, RunColumns
from connectors.mlflow.engines import SQLITE
from connectors.opening import open_sources
from connectors.protocols import KnownState, TableSource
from console.services.opened import wall_clock
from tests.bench.console_rows import console_rows
from tests.bench.history import fill
from tests.bench.table import Row
from tests.contract.mlflow_server import running

RUNS = int(os.environ.get("COUNTERSIGN_BENCH_RUNS", "20000"))
MORE_RUNS = 1_000
_ASK = "SELECT count(*) FROM run"


def import_rows(folder: Path) -> list[Row]:
    """The database route against the REST route of a real server, same history."""
    python = os.environ.get("COUNTERSIGN_MLFLOW_PYTHON", "")
    if not Path(python).is_file():
        return [Row("import from an MLflow database", ">= 30x REST", "no MLflow here")]
    with running(python, backend="sqlite") as server:
        fill(server.database, RUNS)
        rest = _read_by_rest(server.address)
        database, facts = _read_database(server.database)
        raw = _copied_raw(server.database, folder)
        store = _founded(folder / "bulk")
        whole, cpu, memory, longest = _imported(store, server.database)
        fill(server.database, MORE_RUNS, first=RUNS)
        again, again_cpu, _, _ = _imported(store, server.database)
    shown = console_rows(
        store / "store", _variables(store), f"{RUNS + MORE_RUNS} runs", has_runs=True
    )
    return [
        Row(
            f"read from an MLflow database ({RUNS} runs, {facts} facts)",
            ">= 30x REST",
            f"{database:.1f} s = {rest / database:.0f}x",
            f"REST {rest:.1f} s ({RUNS / rest:.0f} runs/s)",
        ),
        Row(
            "the same by `import`: read, signed, projected",
            "1M runs <= 60 s, <= 2x raw",
            f"{whole:.1f} s = {RUNS / whole:.0f} runs/s",
            f"{cpu:.0f} s of CPU; raw copy of the tables {raw:.1f} s: "
            f"{whole / raw:.1f}x",
        ),
        Row(
            "its memory, and the longest that another process waited",
            "4 GiB",
            f"{memory / 1024**2:.2f} GiB",
            f"a question in a process of its own took {longest:.1f} s at most",
        ),
        Row(
            f"{MORE_RUNS} new runs of {RUNS + MORE_RUNS} imported",
            "seconds at 1M",
            f"{again:.1f} s",
            f"every row is read, the changed parts are told; {again / whole:.0%} of "
            f"the first; {again_cpu:.0f} s of CPU",
        ),
        *shown,
    ]


def _read_by_rest(address: str) -> float:
    started = time.perf_counter()
    for source in open_sources(address):
        for _ in source.facts(KnownState(wall_clock())):
            """Read to the end."""
    return time.perf_counter() - started


def _read_database(database: Path) -> tuple[float, int]:
    started = time.perf_counter()
    facts = sum(
        table.num_rows
        for source in open_sources(str(database))
        if isinstance(source, TableSource)
        for table in source.tables(KnownState(wall_clock()))
    )
    return time.perf_counter() - started, facts


def _copied_raw(database: Path, folder: Path) -> float:
    """Seconds to copy the tables of runs as they are, from ADBC to Parquet."""
    columns, reader = RunColumns(SQLITE), DatabaseParts(database)
    there = {"name", "experiment_id"}
    tables = {
        "params": columns.named(),
        "latest_metrics": columns.metric(),
        "tags": columns.named(),
        "runs": columns.run(there),
    }
    started = time.perf_counter()
    for table, wanted in tables.items():
        writer: pq.ParquetWriter | None = None
        for part in reader.parts(table, wanted, HAS_RUN):
            if writer is None:
                path = folder / f"raw-{table}"
                writer = pq.ParquetWriter(path, part.schema, compression="zstd")
            writer.write_table(part)
        if writer is not None:
            writer.close()
    return time.perf_counter() - started


def _command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "console", *words, "--store", str(folder / "store")]


def _variables(folder: Path) -> dict[str, str]:
    return os.environ | {"COUNTERSIGN_HOME": str(folder / "home")}


def _founded(folder: Path) -> Path:
    """A store of one person, in a folder with a home of its own."""
    folder.mkdir()
    words = ("init", "--name", "Dana", "--no-passphrase")
    command = _command(folder, *words)
    subprocess.run(command, env=_variables(folder), check=True, capture_output=True)
    return folder


def _imported(folder: Path, database: Path) -> tuple[float, float, int, float]:
    """Seconds, seconds of CPU and peak memory (KiB) of one `import` as a process, and
    the longest that a question of another process took meanwhile."""
    command = _command(folder, "import", str(database), "--name", "mlflow")
    variables, longest = _variables(folder), 0.0
    started = time.perf_counter()
    process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)
    while True:
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        asked = time.perf_counter()
        question = subprocess.run(
            _command(folder, "sql", _ASK), env=variables, capture_output=True
        )
        if question.returncode:
            raise SystemExit(f"a question failed: {question.stderr.decode()[-300:]}")
        longest = max(longest, time.perf_counter() - asked)
        time.sleep(1.0)
    taken = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("the import failed")
    return taken, used.ru_utime + used.ru_stime, used.ru_maxrss, longest
