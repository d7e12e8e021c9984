"""Budgets of launches in a namespace that holds many: lists, one of them, the console.

The server is one process of the tests' own, and slow; so what is compared is what the
official client takes to list the same pages from it, in the same run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.console_rows import KEYS, terminal
from tests.bench.table import Row
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.many_launches import fill, launch_id, take_away
from tests.worlds import new_world

LAUNCHES = int(os.environ.get("COUNTERSIGN_BENCH_LAUNCHES", "1000"))
_PATIENCE_SECONDS = 600.0
_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
_RAW = """
from kubernetes import client, config
config.load_kube_config()
jobs, pods = client.BatchV1Api().list_namespaced_job, \\
    client.CoreV1Api().list_namespaced_pod
for listed in (jobs, pods):
    token = None
    while True:
        page = listed("{namespace}", limit=500, _continue=token)
        token = page.metadata._continue
        if not token:
            break
"""


@dataclass(frozen=True)
class Taken:
    """What a process took."""

    wall: float
    processor: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} s, {self.processor:.1f} s CPU, {self.megabytes:.0f} MB"


def launch_rows(folder: Path) -> Iterator[Row]:
    """Looks at one namespace with many launches, each by a process of its own."""
    place_folder, world_folder = folder / "cluster", folder / "launched"
    place_folder.mkdir()
    with kubernetes_place("in-repo", place_folder) as place:
        os.environ["KUBECONFIG"] = str(place.kubeconfig)
        world = new_world(world_folder)
        store = fill(world, place, LAUNCHES)
        store.catch_up()
        store.close()
        variables = os.environ | {"COUNTERSIGN_HOME": str(world_folder)}
        address = world.store.address
        yield from _processes(place, address, variables)
        yield from _console(address, variables)
        take_away(place)


def _processes(
    place: KubernetesPlace, address: str, variables: Mapping[str, str]
) -> Iterator[Row]:
    raw = _taken(["-c", _RAW.format(namespace=place.namespace)], variables)
    for what, budget, arguments in (
        ("list, the newest 100", "<= 1 x", ["list"]),
        ("list --limit 0", "<= 3 x", ["list", "--limit", "0"]),
        ("show", "<= 1 x", ["show", launch_id(LAUNCHES // 2)]),
        ("watch, a look", "<= 1 x", ["watch", launch_id(LAUNCHES // 2)]),
    ):
        command = ["-m", "console", "--store", address, "pipeline", *arguments]
        _taken(command, variables)
        taken = _taken(command, variables)
        ratio = taken.processor / raw.processor
        yield Row(
            f"pipeline {what}, of {LAUNCHES}",
            budget,
            f"{ratio:.2f} x: {taken}",
            f"the official client lists jobs and pods: {raw}",
        )


def _taken(arguments: list[str], variables: Mapping[str, str]) -> Taken:
    """Run Python, and see what it takes.

    A small process starts it: memory is counted from what it was forked from on.
    """
    started = time.perf_counter()
    command = [sys.executable, "-c", _MEASURE, sys.executable, *arguments]
    told = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE)
    wall = time.perf_counter() - started
    processor, kilobytes = map(float, told.stdout.split())
    return Taken(wall, processor, kilobytes / 1024)


def _console(address: str, variables: Mapping[str, str]) -> list[Row]:
    """The view of launches: until the newest is painted, and a key on it."""
    command = [sys.executable, "-m", "console", "--store", address]
    with terminal(command, variables) as screen:
        screen.wait_for(b"Overview")
        started = time.perf_counter()
        screen.press(b"8")
        screen.wait_for(launch_id(LAUNCHES - 1).encode(), _PATIENCE_SECONDS)
        shown = time.perf_counter() - started
        time.sleep(1.0)
        painted = [screen.press(b"j") for _ in range(KEYS + 1)][1:]
    worst = statistics.quantiles(painted, n=20)[-1]
    middle = f"the middle one {statistics.median(painted) * 1000:.0f} ms"
    return [
        Row(
            f"console, launches shown, of {LAUNCHES}",
            "none set",
            f"{shown:.1f} s",
            "from the key to the first rows",
        ),
        Row(
            f"key to paint, p95 of {KEYS} steps down the launches",
            "<= 50 ms",
            f"{worst * 1000:.0f} ms",
            middle,
        ),
    ]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        for row in launch_rows(Path(name)):
            said = f"{row.what}: {row.measured} (budget {row.budget}; {row.against})"
            print(said, flush=True)
