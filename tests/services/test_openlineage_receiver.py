"""The receiver of events, as a real process: what it answered 201 to is not lost."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from console.server.patience import SLOWEST_HEAD_SECONDS
from console.services.configuration import Configuration
from console.services.opened import open_store
from console.services.places import standard_places
from store.facts import FactKind
from store.projection.schema import table_name
from store.queries.runs import list_runs
from tests.served import KEY, Server, served

PASSWORD = "hunter2-in-an-address"


def event(run_id: str, **changed: Any) -> dict[str, Any]:
    return {
        "eventTime": "2026-01-02T03:04:05Z",
        "eventType": "COMPLETE",
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": run_id},
        "job": {"namespace": "n", "name": "j"},
        "outputs": [{"namespace": f"postgres://u:{PASSWORD}@h", "name": "scores"}],
        **changed,
    }


def send(server: Server, run_id: str, **changed: Any) -> int:
    return server.post(json.dumps(event(run_id, **changed)).encode()).status


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    given = ["init", "--store", str(folder), "--name", "Ana", "--no-passphrase"]
    assert main(given) == 0
    return folder


def logged(store: Path, kind: FactKind, column: str = "subject") -> list[str]:
    """One column of every row of a kind: a doubled fact would stand twice."""
    opened = open_store(str(store), standard_places(), Configuration())
    try:
        opened.projection.catch_up()
        with opened.projection.reading() as connection:
            sql = f"SELECT {column} FROM {table_name(kind)}"
            return [row[0] for row in connection.execute(sql).fetchall()]
    finally:
        opened.close()


def spool_of(store: Path) -> Path:
    (found,) = (standard_places().data / "spool").iterdir()
    return found / "events.sqlite"


def test_an_event_is_in_the_log_within_ten_seconds_and_once(store: Path) -> None:
    run = str(uuid.uuid4())
    with served(store) as server:
        sent = time.monotonic()
        assert send(server, run) == 201
        assert send(server, run) == 201
        while not logged(store, FactKind.RUN):
            assert time.monotonic() - sent < 10
            time.sleep(0.3)
        server.process.terminate()
        assert server.process.wait(20) == 0
    assert len(logged(store, FactKind.RUN)) == 1


def test_what_was_answered_survives_being_killed_again_and_again(store: Path) -> None:
    acknowledged: list[str] = []
    for turn in range(4):
        with served(store) as server:
            begun = time.monotonic()
            while time.monotonic() - begun < 0.4 + 1.3 * turn:
                run = str(uuid.uuid4())
                assert send(server, run) == 201
                acknowledged.append(run)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
    with served(store) as server:
        server.process.terminate()
        assert server.process.wait(60) == 0
    runs = logged(store, FactKind.RUN)
    assert len(acknowledged) > 20
    assert len(runs) == len(set(runs)) == len(acknowledged)


def test_events_of_one_run_add_up_over_several_batches(store: Path) -> None:
    run = str(uuid.uuid4())
    for kind, hour in (("COMPLETE", 5), ("START", 4)):
        with served(store) as server:
            moment = f"2026-01-02T0{hour}:00:00Z"
            assert send(server, run, eventType=kind, eventTime=moment) == 201
            server.process.terminate()
            assert server.process.wait(30) == 0
    opened = open_store(str(store), standard_places(), Configuration())
    opened.projection.catch_up()
    with opened.projection.reading() as connection:
        (found,) = list_runs(connection, limit=5)
    opened.close()
    assert found.status == "FINISHED"
    assert found.started is not None
    assert found.started.hour == 4


def test_the_log_being_away_only_makes_events_wait(store: Path) -> None:
    away = store.with_name("away")
    run = str(uuid.uuid4())
    with served(store) as server:
        store.rename(away)
        assert send(server, run) == 201
        server.process.terminate()
        assert server.process.wait(30) == 0
    away.rename(store)
    assert logged(store, FactKind.RUN) == []
    with served(store) as server:
        server.process.terminate()
        assert server.process.wait(30) == 0
    assert len(logged(store, FactKind.RUN)) == 1


def test_bad_requests_are_told_apart_and_never_a_fault_of_the_server(
    store: Path,
) -> None:
    good = json.dumps(event(str(uuid.uuid4()))).encode()
    bomb = gzip.compress(b" " * 40_000_000)
    deep = b'{"run":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    nested = json.loads(good)
    for _ in range(200):
        nested["run"]["facets"] = {"x": nested["run"].get("facets")}
    batch = "/api/v1/lineage/batch"
    with served(store) as server:
        post = server.post
        answers = [
            (post(good), 201),
            (post(gzip.compress(good), Content_Encoding="gzip"), 201),
            (post(b"[" + good + b"]", batch), 201),
            (post(b"[]", batch), 201),
            (post(b"[" + good + b",{}]", batch), 200),
            (post(b"[{},7]", batch), 400),
            (post(good, batch), 400),
            (post(b""), 400),
            (post(b"[]"), 400),
            (post(b"\xff\xfe"), 400),
            (post(deep), 400),
            (post(json.dumps(nested).encode()), 400),
            (post(good.replace(b'"runId": "', b'"runId": "x')), 400),
            (post(gzip.compress(good)[:-9], Content_Encoding="gzip"), 400),
            (post(gzip.compress(good) + b"x", Content_Encoding="gzip"), 400),
            (post(good, Content_Encoding="gzip"), 400),
            (post(good, Authorization=""), 401),
            (post(good, Authorization=f"Bearer {KEY}x"), 401),
            (post(good, Authorization=f"Basic {KEY}"), 401),
            (post(b"x", "/api/v1/nothing", Authorization=""), 401),
            (post(b"x", "/api/v1/nothing"), 404),
            (post(b"x" * 5_000_000), 413),
            (post(bomb, Content_Encoding="gzip"), 413),
            (post(good, Content_Encoding="br"), 415),
            (post(good, Content_Type="text/plain"), 415),
            (post(good, "/healthz"), 405),
        ]
        for position, (answer, expected) in enumerate(answers):
            assert answer.status == expected, (position, answer.data)
            if expected >= 400:
                kind = answer.headers["Content-Type"]
                assert kind.startswith("application/problem+json"), position
                assert json.loads(answer.data)["status"] == expected
        assert answers[16][0].headers["WWW-Authenticate"] == "Bearer"
        assert send(server, str(uuid.uuid4())) == 201


def test_secrets_are_on_no_disk_and_in_no_message(store: Path, tmp_path: Path) -> None:
    secret = "s3cret-value-of-a-param"
    facets = {
        "executionParameters": {
            "parameters": [
                {"key": "db_password", "value": secret},
                {"key": "rate", "value": "0.1"},
            ]
        },
        "custom": {"url": f"https://h/x?token={secret}", "api_key": secret},
    }
    run = str(uuid.uuid4())
    with served(store) as server:
        assert send(server, run, run={"runId": run, "facets": facets}) == 201
        kept = sqlite3.connect(spool_of(store)).execute("SELECT body FROM event")
        assert b'"0.1"' in kept.fetchone()[0]
        for path in tmp_path.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert PASSWORD.encode() not in data, path
                assert secret.encode() not in data, path
                assert KEY.encode() not in data, path
        server.process.terminate()
        _, said = server.process.communicate(timeout=30)
    assert KEY not in said
    assert secret not in said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--listen", "0.0.0.0:0"], "no bearer key"),
        (["--listen", "[::]:0"], "no bearer key"),
        (["--listen", "example.org:80"], "no bearer key"),
        (["--listen", "127.0.0.1"], "no HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], "no HOST:PORT"),
        (["--bearer", KEY], "by reference"),
        (["--bearer", "env:NOWHERE_SET"], "missing"),
        (["--bearer", "file:/nowhere/at/all"], "cannot read"),
    ],
)
def test_serve_refuses_what_would_be_unsafe(
    store: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--store", str(store), *options]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert KEY not in said


def test_who_never_finishes_a_request_loses_the_connection_and_nobody_else(
    store: Path,
) -> None:
    with served(store) as server:
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.sendall(b"POST /api/v1/lineage HTTP/1.1\r\nHost: h\r\n")
        begun = time.monotonic()
        assert send(server, str(uuid.uuid4())) == 201
        slow.settimeout(SLOWEST_HEAD_SECONDS + 20)
        with contextlib.suppress(ConnectionError):
            assert slow.recv(1) == b""
        assert time.monotonic() - begun >= SLOWEST_HEAD_SECONDS - 1
        slow.close()
        assert send(server, str(uuid.uuid4())) == 201


def test_changed_real_events_are_taken_or_refused_and_never_a_fault_of_the_server(
    store: Path,
) -> None:
    corpora = os.environ.get("COUNTERSIGN_TEST_CORPORA")
    if not corpora:
        pytest.skip("peer: COUNTERSIGN_TEST_CORPORA names no folder")
    paths = sorted((Path(corpora) / "openlineage-events").rglob("*.json"))
    chance = random.Random(3)  # noqa: S311 - a repeatable test, no secret
    statuses: Counter[int] = Counter()
    with served(store) as server:
        for path in paths[:60] * 4:
            text = json.dumps(_changed(json.loads(path.read_text()), chance))
            for old, new in (('"eventTime"', '"run"'), ("COMPLETE", "\\ud800")):
                if chance.random() < 0.1:
                    text = text.replace(old, new, 1)
            if chance.random() < 0.1:
                text = text[: chance.randrange(len(text))]
            statuses[server.post(text.encode()).status] += 1
        server.process.terminate()
        _, said = server.process.communicate(timeout=60)
    assert set(statuses) == {201, 400}
    assert min(statuses.values()) > 20
    assert "Traceback" not in said


def _changed(value: Any, chance: random.Random) -> Any:
    """A value in which something here and there is something else."""
    odd: list[Any] = [
        None,
        7,
        1e300,
        -(10**40),
        "",
        "x" * 100_000,
        "\x00\x1b[31m\u202e",
    ]
    odd += [[], {}, [[]], {"name": 7}, True, "\ud800"]
    if chance.random() < 0.01:
        return chance.choice(odd)
    if isinstance(value, list):
        return [_changed(inner, chance) for inner in value]
    if isinstance(value, dict):
        return {name: _changed(inner, chance) for name, inner in value.items()}
    return value


def test_two_servers_never_share_a_spool(store: Path) -> None:
    with served(store):
        command = [sys.executable, "-m", "console", "serve", "--store", str(store)]
        again = subprocess.run(
            [*command, "--listen", "127.0.0.1:0"], capture_output=True, text=True
        )
    assert again.returncode == 2
    assert "another program serves" in again.stderr


CLIENT = """
import sys
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Dataset, InputDataset, Job, Run, RunEvent
from openlineage.client.event_v2 import RunState

url, key, run_id = sys.argv[1:]
auth = {"type": "api_key", "apiKey": key}
transport = {"type": "http", "url": url, "auth": auth, "compression": "gzip"}
client = OpenLineageClient(config={"transport": transport})
for state in (RunState.START, RunState.COMPLETE):
    client.emit(RunEvent(
        eventType=state, eventTime="2026-01-02T03:04:05Z", run=Run(runId=run_id),
        job=Job(namespace="n", name="j"), producer="https://example.org",
        inputs=[InputDataset(namespace="s3://b", name="loans")],
    ))
client.close()
"""


def test_the_client_of_openlineage_delivers_into_it(store: Path) -> None:
    python = os.environ.get("COUNTERSIGN_TEST_OPENLINEAGE_PYTHON", "")
    if not Path(python).is_file():
        pytest.skip("peer: COUNTERSIGN_TEST_OPENLINEAGE_PYTHON names no interpreter")
    run = str(uuid.uuid4())
    with served(store) as server:
        address = f"http://127.0.0.1:{server.port}"
        sent = [python, "-c", CLIENT, address, KEY, run]
        subprocess.run(sent, check=True, timeout=60)
        server.process.terminate()
        assert server.process.wait(30) == 0
    assert set(logged(store, FactKind.RUN, "status")) == {"FINISHED"}
    assert logged(store, FactKind.DATASET, "name") == ["s3://b/loans"]
