"""HTTP to MLflow: bounded and patient, and silent about credentials."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.mlflow import client as client_module
from connectors.mlflow.client import MlflowClient, Secret, authorisation_from
from connectors.mlflow.registry import MlflowRegistry
from connectors.mlflow.rest import MlflowRest
from connectors.mlflow.served_artifacts import ServedArtifacts
from connectors.mlflow.telling import MlflowSource
from tests.unit.connectors.facts import told_by

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the test says, and remembers what was asked."""

    protocol_version = "HTTP/1.1"
    answers: list[Answer]
    asked: list[tuple[str, str, dict[str, str]]]

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.asked.append((self.command, self.path, dict(self.headers)))
        first = self.answers[0]
        if len(self.answers) > 1:
            self.answers.pop(0)
        first(self)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class QuietServer(ThreadingHTTPServer):
    """Threads that a client left alone say nothing about it."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """The client went away, as some tests want."""


class Stub:
    """A server with switches."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.answers: list[Answer] = []
        given = {"answers": self.answers, "asked": self.asked}
        handler = type("Given", (Handler,), given)
        self._server = QuietServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def say(self, *answers: Answer) -> None:
        self.answers[:] = answers

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setattr(client_module, "FIRST_PAUSE_SECONDS", 0.001)
    server = Stub()
    yield server
    server.stop()


def answer(
    body: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def send(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return send


def cut(handler: Handler) -> None:
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


def hang(handler: Handler) -> None:
    time.sleep(0.6)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """One byte at a time, each soon enough for a time-out of its own."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(40):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_question_is_repeated_while_the_trouble_is_transient(
    stub: Stub, status: int
) -> None:
    stub.say(answer({}, status), answer({}, status), answer({"ok": 1}))
    assert MlflowClient(stub.address).get("/x") == {"ok": 1}
    stub.say(answer({}, status))
    with pytest.raises(ConnectorUnavailable):
        MlflowClient(stub.address).search("/x", {})
    assert len(stub.asked) == 6


def test_change_is_sent_once(stub: Stub) -> None:
    stub.say(answer({}, 503))
    with pytest.raises(ConnectorUnavailable):
        MlflowRegistry(MlflowClient(stub.address)).set_alias("m", "a", "1")
    assert len(stub.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 409])
def test_refusal_is_final(stub: Stub, status: int) -> None:
    moved = (("Location", "http://127.0.0.1:9/"),)
    stub.say(answer({"message": "no"}, status, moved))
    with pytest.raises(ConnectorRefused) as caught:
        MlflowClient(stub.address).get("/x")
    assert len(stub.asked) == 1
    if status in (401, 403):
        assert "MLFLOW_TRACKING_TOKEN" in caught.value.hint


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"7", b"\xff\xfe", b'{"a": ' + b"[" * 100_000, b'{"a": 1'],
)
def test_what_is_no_json_object_is_malformed(stub: Stub, body: bytes) -> None:
    stub.say(answer(body))
    with pytest.raises(MalformedInput):
        MlflowClient(stub.address).get("/x")


@pytest.mark.parametrize("trouble", [cut, hang, drip])
def test_server_that_does_not_finish_is_unavailable_soon(
    stub: Stub, trouble: Answer
) -> None:
    stub.say(trouble)
    started = time.monotonic()
    with pytest.raises(ConnectorUnavailable):
        MlflowClient(stub.address, timeout_seconds=0.3).get("/x")
    assert time.monotonic() - started < 5


def test_answers_are_bounded_even_when_compressed(stub: Stub) -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    stub.say(answer(bomb, 200, (("Content-Encoding", "gzip"),)))
    with pytest.raises(ConnectorRefused, match="more than 1000 bytes"):
        MlflowClient(stub.address).read("/x", at_most=1000)


@pytest.mark.parametrize(
    ("environment", "header"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "hunter2"}, "Bearer hunter2"),
        (
            {
                "MLFLOW_TRACKING_USERNAME": "ann",
                "MLFLOW_TRACKING_PASSWORD": "hunter2",
            },
            "Basic " + base64.b64encode(b"ann:hunter2").decode(),
        ),
        ({}, None),
    ],
)
def test_credentials_go_into_the_header_only(
    stub: Stub, environment: dict[str, str], header: str | None
) -> None:
    found = authorisation_from(environment)
    secret = header.split(" ")[1] if header else "unused"
    stub.say(answer(f"you sent {header}".encode(), 400))
    asker = MlflowClient(stub.address, authorisation=found)
    with pytest.raises(ConnectorRefused) as caught:
        asker.get("/x")
    assert stub.asked[0][2].get("Authorization") == header
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert secret not in shown
    assert "hunter2" not in repr(asker.__dict__) + repr(found())


def test_secret_shows_itself_to_nobody() -> None:
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert secret.reveal() == "hunter2"


@pytest.mark.parametrize("address", ["http://ann:hunter2@h", "http://[bad"])
def test_odd_addresses_are_refused_without_being_shown(address: str) -> None:
    with pytest.raises(ConnectorRefused) as caught:
        MlflowClient(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://", "http://h:99999", "http://\x00/"])
def test_impossible_addresses_are_errors_of_connectors(address: str) -> None:
    with pytest.raises(ConnectorError):
        MlflowClient(address, timeout_seconds=1).get("/x")


@pytest.mark.parametrize(
    "page",
    [
        {"experiments": [{}]},
        {"experiments": [7]},
        {"experiments": 7},
        {"experiments": [{"experiment_id": 7}]},
        {"experiments": [], "next_page_token": ["x"]},
        {"experiments": [], "next_page_token": "same"},
    ],
)
def test_unexpected_answers_are_malformed(stub: Stub, page: object) -> None:
    stub.say(answer({}, 404), answer(page))
    source = MlflowSource("m", MlflowRest(MlflowClient(stub.address)), None)
    with pytest.raises(MalformedInput):
        told_by(source)


def test_every_workspace_is_read_and_named(stub: Stub) -> None:
    def reply(handler: Handler) -> None:
        workspace = handler.headers.get("X-MLFLOW-WORKSPACE")
        bodies = {
            "/api/3.0/mlflow/server-info": {"workspaces_enabled": True},
            "/api/3.0/mlflow/workspaces": {
                "workspaces": [{"name": "default"}, {"name": "risk"}]
            },
        }
        path = handler.path.partition("?")[0]
        models = {"registered_models": [{"name": "m", "description": workspace}]}
        if path.endswith("registered-models/search"):
            bodies[path] = models
        answer(bodies.get(path, {}))(handler)

    stub.say(reply)
    rest = MlflowRest(MlflowClient(stub.address))
    found = [(model.name, model.description) for model in rest.models()]
    assert found == [("m", "default"), ("risk/m", "risk")]
    MlflowRegistry(MlflowClient(stub.address)).set_alias("risk/m", "a", "1")
    assert stub.asked[-1][2]["X-MLFLOW-WORKSPACE"] == "risk"


@pytest.mark.parametrize("listed", ["../x", "a/b", "..", "", None, 7])
def test_listed_file_names_are_not_trusted(stub: Stub, listed: object) -> None:
    stub.say(answer({"files": [{"path": listed, "is_dir": False}]}))
    with pytest.raises(ConnectorError):
        ServedArtifacts(MlflowClient(stub.address)).files("mlflow-artifacts:/1/m")


def test_endless_folders_are_refused(stub: Stub) -> None:
    stub.say(answer({"files": [{"path": "a", "is_dir": True}]}))
    with pytest.raises(ConnectorRefused, match="nested"):
        ServedArtifacts(MlflowClient(stub.address)).files("mlflow-artifacts:/1/m")


@pytest.mark.parametrize(
    "location", ["s3://b/x", "mlflow-artifacts:/1/../2", "mlflow-artifacts:/%2e%2e/x"]
)
def test_other_locations_are_refused(stub: Stub, location: str) -> None:
    with pytest.raises(ConnectorRefused):
        ServedArtifacts(MlflowClient(stub.address)).files(location)
    assert stub.asked == []
