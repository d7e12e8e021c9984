"""What others take for the same closures of the same graph, in the same run."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from store.adjacency.base import Base
from store.adjacency.counting import Direction
from tests.bench.table import seconds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ends = npt.NDArray[np.int32]

_CHUNK = 1_000_000
_MOST_FOR_NETWORKX = 2_000_000
"""Its links take some hundred bytes each."""
_RECURSIVE = (
    "WITH RECURSIVE reached(n) AS (SELECT {start} UNION SELECT b FROM edge "
    "JOIN reached ON a = n) SELECT count(*) FROM reached"
)


def links_of(base: Base, direction: Direction) -> tuple[Ends, Ends]:
    """Every link of the file as two arrays of things."""
    import numpy as np

    offsets = np.frombuffer(base.offsets[direction], np.int64)
    origins = np.repeat(np.arange(base.things, dtype=np.int32), np.diff(offsets))
    return origins, np.frombuffer(base.neighbours[direction], np.int32)


def rustworkx_seconds(
    base: Base, direction: Direction, start: int
) -> tuple[int, float]:
    """How many it reaches, and how long `descendants` takes; its graph is made."""
    import rustworkx

    graph = rustworkx.PyDiGraph()
    graph.add_nodes_from(range(base.things))
    origins, others = links_of(base, direction)
    for first in range(0, len(origins), _CHUNK):
        part = slice(first, first + _CHUNK)
        graph.add_edges_from_no_data(
            list(zip(origins[part].tolist(), others[part].tolist(), strict=True))
        )
    reached = len(rustworkx.descendants(graph, start) | {start})
    return reached, seconds(lambda: rustworkx.descendants(graph, start), repeats=3)


def networkx_seconds(base: Base, direction: Direction, start: int) -> float | None:
    """How long `descendants` takes; None for a graph that is too large for it."""
    if base.links > _MOST_FOR_NETWORKX:
        return None
    import networkx

    graph = networkx.DiGraph()
    origins, others = links_of(base, direction)
    graph.add_edges_from(zip(origins.tolist(), others.tolist(), strict=True))
    return seconds(lambda: networkx.descendants(graph, start), repeats=3)


def duckdb_seconds(base: Base, direction: Direction, start: int) -> tuple[int, float]:
    """How many its recursive query reaches, and how long that takes."""
    import duckdb
    import pyarrow as pa

    origins, others = links_of(base, direction)
    with duckdb.connect(config={"memory_limit": "3GB"}) as connection:
        connection.register("links", pa.table({"a": origins, "b": others}))
        connection.execute("CREATE TABLE edge AS SELECT * FROM links")
        query = _RECURSIVE.format(start=f"{start}::INTEGER")

        def asked() -> int:
            ((count,),) = connection.execute(query).fetchall()
            return int(count)

        return asked(), seconds(asked, repeats=3)


@contextlib.contextmanager
def postgres_edges(
    base: Base, direction: Direction
) -> Iterator[Callable[[int], tuple[int, float]] | None]:
    """Asks a Postgres with an index how many a thing reaches; None where none is."""
    import numpy as np

    programs = [shutil.which(name) for name in ("initdb", "postgres", "psql")]
    if not all(programs):
        yield None
        return
    with _own_folder() as (folder, become):
        initdb, postgres, psql = map(str, programs)
        data = str(folder / "data")
        made = [*become, initdb, "-D", data, "-A", "trust", "-U", "bench", "-N"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        settings = [
            f"unix_socket_directories={folder}",
            "listen_addresses=",
            "fsync=off",
        ]
        settings += [
            "shared_buffers=1GB",
            "maintenance_work_mem=512MB",
            "work_mem=256MB",
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        server = subprocess.Popen(
            [*become, postgres, "-D", data, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        asking = [psql, "-h", str(folder), "-U", "bench", "-d", "postgres", "-AtqX"]
        try:
            _wait_for(asking)
            copying = [*asking, "-c", "CREATE UNLOGGED TABLE edge (a int, b int)"]
            copying += ["-c", "COPY edge FROM STDIN (FORMAT csv)"]
            copying += ["-c", "CREATE INDEX ON edge (a) INCLUDE (b)"]
            copying += ["-c", "VACUUM ANALYZE edge"]
            with subprocess.Popen(copying, stdin=subprocess.PIPE) as copier:
                assert copier.stdin is not None
                pairs = np.column_stack(links_of(base, direction))
                for first in range(0, len(pairs), _CHUNK):
                    rows = pairs[first : first + _CHUNK].tolist()
                    copier.stdin.write("".join(f"{a},{b}\n" for a, b in rows).encode())
            yield lambda start: _ask_postgres(asking, start)
        finally:
            server.terminate()
            server.wait()


def _ask_postgres(asking: list[str], start: int) -> tuple[int, float]:
    query = _RECURSIVE.format(start=start)
    found = subprocess.run(
        [*asking, "-c", r"\timing on", *["-c", query] * 5],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    counts = re.findall(r"^(\d+)$", found, re.MULTILINE)
    times = [float(taken) for taken in re.findall(r"Time: ([\d.]+) ms", found)]
    return int(counts[-1]), sorted(times)[len(times) // 2] / 1000


def _wait_for(asking: list[str]) -> None:
    for _ in range(300):
        if subprocess.run([*asking, "-c", "SELECT 1"], capture_output=True).returncode:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("Postgres did not start")


@contextlib.contextmanager
def _own_folder() -> Iterator[tuple[Path, list[str]]]:
    """A folder for the server, and how to become somebody who may run it: not root."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        become: list[str] = []
        if os.getuid() == 0:
            user = "postgres" if _is_user("postgres") else "nobody"
            shutil.chown(name, user)
            group = pwd.getpwnam(user).pw_gid
            become = [
                "setpriv",
                f"--reuid={user}",
                f"--regid={group}",
                "--clear-groups",
            ]
        yield Path(name), become


def _is_user(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False
