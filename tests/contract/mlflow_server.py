"""A real MLflow server for the contract tests, and a history to put on it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOSTILE_NAMES = (
    "[/x] {not} markup",
    "\x1b]52;c;aGk=\x07 clipboard",
    "\u202egnp.exe\u2066 turned",
    "名前 モデル 🦊",
    "'; DROP TABLE runs; --",
    "../../etc/passwd",
    "=HYPERLINK(1)",
    "a\nb\tc",
    "x" * 240,
)
MODEL_FILE = b"weights \x00\x01\x02"
MLMODEL = b"""flavors: {}
signature:
  inputs: '[{"type": "double", "name": "age"}]'
  outputs: '[{"type": "long"}]'
"""
COMMIT = "c0ffee" * 6 + "beef"
SHA256 = "ab" * 32
START_SECONDS = 180.0


@dataclass(slots=True)
class Server:
    """A started server and where it keeps things."""

    address: str
    folder: Path
    process: subprocess.Popen[bytes]
    ids: dict[str, str] = field(default_factory=dict)
    """Native ids of what was seeded, by a name of the tests' own."""

    @property
    def database(self) -> Path:
        """The backend database, when it has one."""
        return self.folder / "mlflow.db"

    @property
    def mlruns(self) -> Path:
        """The file store, when it has one."""
        return self.folder / "mlruns"

    @property
    def artifacts(self) -> Path:
        """Where it keeps artifacts."""
        return self.folder / "mlartifacts"

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Call the REST API."""
        data = None if body is None else json.dumps(body).encode()
        answer = self.send(method, f"/api/2.0/mlflow/{path}", data)
        return dict(json.loads(answer or b"{}"))

    def send(self, method: str, path: str, data: bytes | None) -> bytes:
        """Send raw bytes."""
        request = urllib.request.Request(  # noqa: S310 - our own server
            self.address + path,
            data=data,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as cause:
            told = cause.read()[:500]
            raise AssertionError(f"{method} {path}: {cause.code} {told!r}") from cause

    def upload(self, path: str, data: bytes) -> None:
        """Put an artifact through the server."""
        self.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", data)


@contextlib.contextmanager
def running(python: str, *, backend: str) -> Iterator[Server]:
    """Start a server on `sqlite`, `file` or a database's address, and stop it."""
    with tempfile.TemporaryDirectory(prefix="contract-") as name:
        folder = Path(name)
        port = _free_port()
        store = f"sqlite:///{folder}/mlflow.db"
        if backend == "file":
            (folder / "mlruns").mkdir()
            store = (folder / "mlruns").as_uri()
        elif backend != "sqlite":
            store = backend
        command = [python, "-m", "mlflow", "server", "--backend-store-uri", store]
        command += ["--serve-artifacts", "--artifacts-destination"]
        command += [str(folder / "mlartifacts"), "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        with open(folder / "server.log", "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "MLFLOW_ALLOW_FILE_STORE": "true",
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                },
            )
        server = Server(f"http://127.0.0.1:{port}", folder, process)
        try:
            _wait(server)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, AssertionError):
            server.send("GET", "/health", None)
            return
        if server.process.poll() is not None:
            break
        time.sleep(0.2)
    log = (server.folder / "server.log").read_text(errors="replace")[-2000:]
    raise AssertionError(f"the MLflow server did not start: {log}")


def seed(server: Server) -> None:
    """Put a small history with awkward corners on a fresh server."""
    call = server.call
    experiment = call("POST", "experiments/create", {"name": "credit"})["experiment_id"]
    server.ids["experiment"] = experiment
    gone = call("POST", "experiments/create", {"name": "gone"})["experiment_id"]
    _runs(server, experiment)
    run_in_gone = call("POST", "runs/create", {"experiment_id": gone, "start_time": 5})
    server.ids["run in gone"] = run_in_gone["run"]["info"]["run_id"]
    call("POST", "experiments/delete", {"experiment_id": gone})
    _models(server, experiment)


def _runs(server: Server, experiment: str) -> None:
    call = server.call
    for number, name in enumerate(HOSTILE_NAMES):
        body = {"experiment_id": experiment, "run_name": name, "start_time": number + 1}
        info = call("POST", "runs/create", body)["run"]["info"]
        tag = {"key": "note", "value": name}
        call("POST", "runs/set-tag", {"run_id": info["run_id"], **tag})
    parent = _run(server, experiment, "parent", [])
    sha_tag = "countersign.dataset.loans.sha256"
    tags = [
        {"key": "mlflow.user", "value": "ann"},
        {"key": "mlflow.parentRunId", "value": parent},
        {"key": "countersign.git.commit", "value": COMMIT},
        {"key": sha_tag, "value": SHA256},
        {"key": "countersign.dataset.unlogged.sha256", "value": SHA256},
        {"key": "countersign.dataset.broken.sha256", "value": "not hex"},
    ]
    run = _run(server, experiment, "train", tags)
    metrics = [
        ("auc", 0.1 + 0.2, 0),
        ("auc", 0.9, 1),
        ("loss", "NaN", 0),
        ("high", "Infinity", 0),
        ("low", "-Infinity", 0),
        ("tiny", 5e-324, 3),
        ("early", 1.0, -2),
    ]
    call(
        "POST",
        "runs/log-batch",
        {
            "run_id": run,
            "metrics": [
                {"key": k, "value": v, "timestamp": 1000 + i, "step": s}
                for i, (k, v, s) in enumerate(metrics)
            ],
            "params": [
                {"key": "depth", "value": "3"},
                {"key": "group/rate", "value": "0.5 🦊"},
            ],
        },
    )
    context = [{"key": "mlflow.data.context", "value": "training"}]
    datasets = [
        {"tags": context, "dataset": _dataset("loans")},
        {"tags": [], "dataset": _dataset("holdout [/x]")},
    ]
    call("POST", "runs/log-inputs", {"run_id": run, "datasets": datasets})
    end = {"run_id": run, "status": "FINISHED", "end_time": 1_700_000_000_123}
    call("POST", "runs/update", end)
    bad = [{"key": "mlflow.source.git.commit", "value": "--upload-pack=x"}]
    deleted = _run(server, experiment, "deleted", bad)
    call("POST", "runs/delete", {"run_id": deleted})
    server.ids |= {"parent": parent, "run": run, "deleted": deleted}


def _run(server: Server, experiment: str, name: str, tags: list[dict[str, str]]) -> str:
    body = {
        "experiment_id": experiment,
        "run_name": name,
        "start_time": 1_700_000_000_000,
        "user_id": "somebody",
        "tags": tags,
    }
    return str(server.call("POST", "runs/create", body)["run"]["info"]["run_id"])


def _dataset(name: str) -> dict[str, str]:
    return {
        "name": name,
        "digest": "12345678",
        "source_type": "local",
        "source": json.dumps({"uri": "loans.parquet"}),
        "schema": json.dumps({"mlflow_colspec": []}),
    }


def _models(server: Server, experiment: str) -> None:
    call, run = server.call, server.ids["run"]
    body = {"experiment_id": experiment, "name": "m", "source_run_id": run}
    model = call("POST", "logged-models", body)["model"]["info"]["model_id"]
    server.ids["logged model"] = model
    for top in (f"models/{model}/artifacts", f"{run}/artifacts/model"):
        server.upload(f"{experiment}/{top}/MLmodel", MLMODEL)
        server.upload(f"{experiment}/{top}/data/model.bin", MODEL_FILE)
    ready = {"model_id": model, "status": "LOGGED_MODEL_READY"}
    call("PATCH", f"logged-models/{model}", ready)
    call("POST", "registered-models/create", {"name": "fraud", "description": "d [/x]"})
    tag = {"name": "fraud", "key": "owner", "value": "risk 🦊"}
    call("POST", "registered-models/set-tag", tag)
    by_run = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
    empty = f"mlflow-artifacts:/{experiment}/{run}/artifacts/nothing"
    for source, extra in (
        (f"models:/{model}", {"model_id": model}),
        (by_run, {}),
        (empty, {}),
        (by_run, {}),
    ):
        version = {"name": "fraud", "source": source, "run_id": run, **extra}
        call("POST", "model-versions/create", version)
    named = {"name": "fraud", "version": "2"}
    call(
        "POST",
        "model-versions/set-tag",
        {**named, "key": "note", "value": "\x1b[31m red"},
    )
    call(
        "POST",
        "model-versions/transition-stage",
        {**named, "stage": "Production", "archive_existing_versions": False},
    )
    call("DELETE", "model-versions/delete", {"name": "fraud", "version": "4"})
    for alias, number in (("champion", "1"), ("challenger", "2")):
        alias_body = {"name": "fraud", "alias": alias, "version": number}
        call("POST", "registered-models/alias", alias_body)
    call("POST", "registered-models/create", {"name": "empty model"})
