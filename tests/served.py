"""`countersign serve` as a real process, and a client of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

KEY = "a-key-of-the-senders-0123456789"


class Server:
    """One `countersign serve`, and a client of it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", port, retries=False)

    def post(
        self, body: bytes, path: str = "/api/v1/lineage", **headers: str
    ) -> urllib3.BaseHTTPResponse:
        given = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        given |= {name.replace("_", "-"): text for name, text in headers.items()}
        return self._pool.request(
            "POST",
            path,
            body=body,
            headers={name: text for name, text in given.items() if text},
        )


@contextmanager
def served(store: Path, *options: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "console", "serve", "--store", str(store)]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--bearer", "env:LINEAGE_KEY", *options],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"LINEAGE_KEY": KEY},
    )
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("listening on "):
                break
        assert said, "it said nothing"
        assert said[-1].startswith("listening on "), said
        yield Server(process, int(said[-1].rpartition(":")[2]))
    finally:
        process.kill()
        process.communicate()
