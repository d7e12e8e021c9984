"""Measure every budget that has something to measure, and print the table."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.demands import Demands
from console.reports.verification import verify_file
from console.services.backtesting import backtest
from console.services.checkpoints import make_checkpoint
from console.services.demonstration import Demonstrated, run_demonstration
from console.services.opened import OpenStore
from policies.document_reading import read_policy
from policies.turning import Turn
from tests.bench.console_rows import console_rows
from tests.bench.graph_rows import graph_rows
from tests.bench.import_rows import import_rows
from tests.bench.launch_rows import launch_rows
from tests.bench.lineage_rows import lineage_rows
from tests.bench.log_rows import log_rows
from tests.bench.policy_rows import policy_rows
from tests.bench.promotions import write_promotions
from tests.bench.stores import store_rows
from tests.bench.table import Row, environment, seconds

DECIDING = "diabetes-production"
PROMOTIONS = int(os.environ.get("COUNTERSIGN_BENCH_PROMOTIONS", "500"))


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = run_demonstration(folder / "demo", tell=lambda _: None)
        rows = [*gate_rows(demo), *log_rows(folder, demo)]
        rows += console_rows(
            demo.store, environment(demo), "demonstration", has_runs=False
        )
        rows += [*store_rows(demo, folder), *policy_rows(), *lineage_rows(folder)]
        rows += [*import_rows(folder), *audit_rows(demo, folder), *graph_rows(folder)]
        rows += launch_rows(folder)
    widths = [max(len(getattr(row, f)) for row in rows) for f in Row.__annotations__]
    for row in (Row("what", "budget", "measured", "against"), *rows):
        cells = [getattr(row, field) for field in Row.__annotations__]
        print(
            "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()
        )


def gate_rows(demo: Demonstrated) -> list[Row]:
    """`gate` as a fresh process, caught up; and what Python alone takes."""
    command = [sys.executable, "-m", "console", "gate"]
    command += ["model:diabetes-progression@6", "--to", "production"]
    command += ["--store", str(demo.store)]

    def run() -> None:
        subprocess.run(command, env=environment(demo), check=True, capture_output=True)

    def python() -> None:
        subprocess.run([sys.executable, "-c", "pass"], check=True)

    took, bare = seconds(run), seconds(python)
    return [
        Row(
            "gate, fresh process, folder store",
            "<= 250 ms",
            f"{took * 1000:.0f} ms",
            f"python -c pass {bare * 1000:.0f} ms; hashes five small files",
        )
    ]


def audit_rows(demo: Demonstrated, folder: Path) -> list[Row]:
    """Writing and verifying the auditor's file of a log of many promotions."""
    writer = write_promotions(demo, PROMOTIONS)
    store = writer.opened(writer.places)
    checkpoint = make_checkpoint(store)
    started = time.perf_counter()
    data = export_audit(store, Scope(), checkpoint)
    exported = time.perf_counter() - started
    target = folder / "audit.zip"
    target.write_bytes(data)
    started = time.perf_counter()
    found = verify_file(target, demo.anchor, Demands(head=checkpoint))
    verified = time.perf_counter() - started
    if not found.is_good:
        raise SystemExit(f"the auditor's file is not good: {found.problems[0]}")
    each = f"{len(data) / PROMOTIONS / 1000:.0f} kB each"
    rate = 10_000 / PROMOTIONS
    return [
        Row(
            f"audit export, {PROMOTIONS} promotions",
            "10,000 <= 30 s",
            f"{exported:.1f} s",
            f"10,000 would take {exported * rate:.0f} s; {each}",
        ),
        Row(
            "the same, verified from its first byte",
            "",
            f"{verified:.1f} s",
            f"10,000 would take {verified * rate:.0f} s",
        ),
        backtest_row(store),
    ]


def backtest_row(store: OpenStore) -> Row:
    """A stricter policy against every decision in a log of many promotions."""
    (policy,) = (p for p in store.policies(store.state()) if p.id == DECIDING)
    text = store.objects.get(policy.digest).decode()
    stricter = text.replace('at_most = "55.0"', 'at_most = "1.0"')
    started = time.perf_counter()
    found = backtest(store, read_policy(stricter.encode()))
    taken = time.perf_counter() - started
    if found.count(Turn.REFUSED) < PROMOTIONS:
        raise SystemExit("the stricter policy refuses too few promotions")
    count = len(found.retried)
    return Row(
        f"policy backtest, {count} requests",
        "10,000 <= 60 s",
        f"{taken:.1f} s",
        f"10,000 would take {taken * 10_000 / count:.0f} s; every signature verified",
    )


if __name__ == "__main__":
    main()
