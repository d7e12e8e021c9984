"""What judging a log anew takes, against checking its signatures and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from console.services.checkpoints import make_checkpoint
from console.services.demonstration import Demonstrated
from console.services.signing import sign_statement
from console.services.tiles import bundle_store
from policies.dsse import Envelope
from policies.keys import PublicKey
from policies.predicates import LineageBatch
from store.backend import entry_path
from tests.bench.table import Row
from tests.worlds import World, new_world

ENTRIES = int(os.environ.get("COUNTERSIGN_BENCH_ENTRIES", "20000"))
CLONE = 100_000
_TRUSTED = """
import sys
from console.cli import main
code = main(sys.argv[1:])
sizes = {}
for name, module in sys.modules.items():
    top = name.partition(".")[0]
    path = getattr(module, "__file__", None)
    if top in ("policies", "store") and path:
        sizes.setdefault(top, []).append(sum(1 for _ in open(path)))
counts = [f"{top} {len(s)} modules {sum(s)} lines" for top, s in sorted(sizes.items())]
sys.stderr.write("; ".join(counts))
sys.exit(code)
"""


def log_rows(folder: Path, demo: Demonstrated) -> list[Row]:
    """Judging on one core and on all of them, a clone by bundles, and what to trust."""
    world = new_world(folder / "log")
    envelopes = _fill(world, ENTRIES)
    cores = len(os.sched_getaffinity(0))
    rows = [
        row for count in sorted({1, cores}) for row in _judged(world, envelopes, count)
    ]
    bundle_store(world.store)
    make_checkpoint(world.store)
    took = _timed(lambda: world.reopened(world.elsewhere("bundled")).close())
    rows.append(
        Row(
            f"fresh clone of {CLONE} entries, by bundles",
            "<= 30 s",
            f"{took * CLONE / ENTRIES:.0f} s",
            "measured" if ENTRIES == CLONE else f"from {ENTRIES} in {took:.1f} s",
        )
    )
    return [*rows, _trusted_row(demo)]


def _judged(world: World, envelopes: list[Envelope], cores: int) -> Iterator[Row]:
    key = world.people["dana"].key
    clock = time.process_time if cores == 1 else time.perf_counter
    with _on_cores(cores):
        raw = _timed(lambda: _verify(key, envelopes, cores), clock)
        place = world.elsewhere(f"fresh-{cores}")
        took = _timed(lambda: world.reopened(place).close(), clock)
        raw = (raw + _timed(lambda: _verify(key, envelopes, cores), clock)) / 2
    yield Row(
        f"a log of {ENTRIES} entries judged anew, cores: {cores}",
        ">= 55 % of raw",
        f"{ENTRIES / took:.0f}/s = {raw / took * 100:.0f} %",
        f"raw Ed25519 {ENTRIES / raw:.0f}/s"
        f"{' (processor time)' if cores == 1 else ''}; {CLONE} would take "
        f"{CLONE * took / ENTRIES:.0f} s",
    )


def _fill(world: World, count: int) -> list[Envelope]:
    dana, prefix = world.people["dana"], world.store.prefix()
    digest = world.store.objects.put(b"batch")
    envelopes = []
    for number in range(count):
        batch = LineageBatch("bench", "bench", digest, number, "2026-03-01T12:00:00Z")
        envelope = sign_statement(
            dana, batch, ("bench", digest), prefix, "2026-03-01T12:00:00Z"
        )
        envelopes.append(envelope)
        path = world.folder / "store" / entry_path(number + 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(envelope.to_bytes())
    world.store.catch_up()
    return envelopes


def _verify(key: PublicKey, envelopes: list[Envelope], threads: int) -> None:
    """Check every signature with `cryptography`, divided among threads."""

    def check(share: list[Envelope]) -> bool:
        return all(key.verifies(e.signature, e.signed_bytes) for e in share)

    with ThreadPoolExecutor(threads) as pool:
        shares = [envelopes[n::threads] for n in range(threads)]
        if not all(pool.map(check, shares)):
            raise SystemExit("a signature does not verify")


@contextmanager
def _on_cores(count: int) -> Iterator[None]:
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(usual)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


def _timed(
    action: Callable[[], None], clock: Callable[[], float] = time.perf_counter
) -> float:
    started = clock()
    action()
    return clock() - started


def _trusted_row(demo: Demonstrated) -> Row:
    """What `verify` loads of the packages that decide and that read the log."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", _TRUSTED, "verify", str(demo.audit)),
            *("--anchor", demo.anchor),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return Row("code an auditor trusts: loaded by verify", "-", done.stderr.strip())
