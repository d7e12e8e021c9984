"""Webhooks: a signed hint brings the next import forward, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import ConnectorUnavailable
from console.cli import main
from console.server.problems import RequestProblem
from console.server.webhooks import Deliveries
from console.services import polling
from console.services.configuration import Configuration, SourceSetting
from console.services.opened import OpenStore, open_store
from console.services.places import standard_places
from console.services.polling import Polls
from store.facts import FactKind
from store.projection.schema import table_name
from tests.mlflow_folders import Registry
from tests.served import KEY, Server, served
from tests.worlds import Clock, World

SECRET = "webhook-secret-of-dev-0123456789"
PATH = "/api/v1/webhooks/mlflow/dev"
MOVED = json.dumps(
    {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": "2026-11-24T00:00:00+00:00",
        "data": {"name": "fraud", "alias": "champion", "version": "2"},
    }
).encode()


def signed(
    body: bytes = MOVED,
    *,
    secret: str = SECRET,
    delivery: str = "",
    age: float = 0,
    stated: str = "",
) -> dict[str, str]:
    """The headers that MLflow sends with a body."""
    delivery = delivery or str(uuid.uuid4())
    seconds = stated or str(int(time.time() - age))
    text = f"{delivery}.{seconds}.".encode() + body
    digest = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return {
        "X_MLflow_Signature": f"v1,{base64.b64encode(digest).decode()}",
        "X_MLflow_Timestamp": seconds,
        "X_MLflow_Delivery_Id": delivery,
        "Authorization": "",
    }


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "mlruns")
    made.version("fraud", 1)
    made.version("fraud", 2)
    return made


@pytest.fixture
def configured(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A store, and a configuration in which `dev` has a webhook secret."""
    store = tmp_path / "store"
    given = ["init", "--store", str(store), "--name", "Ana", "--no-passphrase"]
    assert main(given) == 0
    path = tmp_path / "countersign.toml"
    path.write_text(
        f'[sources.dev]\naddress = "{registry.path}"\n'
        'webhook_secret = "env:DEV_WEBHOOK"\n'
        f'[sources.silent]\naddress = "{registry.path}"\n'
    )
    monkeypatch.setenv("COUNTERSIGN_CONFIG", str(path))
    monkeypatch.setenv("DEV_WEBHOOK", SECRET)
    return store


def aliases(store: Path) -> list[str]:
    opened = open_store(str(store), standard_places(), Configuration())
    try:
        opened.projection.catch_up()
        with opened.projection.reading() as connection:
            sql = f"SELECT name FROM {table_name(FactKind.ALIAS)}"
            return [row[0] for row in connection.execute(sql).fetchall()]
    finally:
        opened.close()


def stopped(server: Server) -> str:
    """End a server; what it said."""
    server.process.terminate()
    _, said = server.process.communicate(timeout=30)
    return said


def test_a_signed_webhook_brings_the_import_and_a_second_delivery_nothing(
    configured: Path, registry: Registry
) -> None:
    registry.point("fraud", {"champion": 2})
    with served(configured) as server:
        headers = signed()
        first = server.post(MOVED, PATH, **headers)
        again = server.post(MOVED, PATH, **headers)
        assert (first.status, again.status) == (202, 202)
        assert json.loads(first.data) == {"status": "the source is read soon"}
        assert json.loads(again.data) == {"status": "was taken before"}
        sent = time.monotonic()
        while not aliases(configured):
            assert time.monotonic() - sent < 20
            time.sleep(0.3)
        said = stopped(server)
    assert aliases(configured) == ["champion"]
    assert said.count("dev after a webhook: entry") == 1
    assert SECRET not in said


def test_what_a_webhook_tells_is_never_taken_for_true(
    configured: Path, registry: Registry
) -> None:
    with served(configured) as server:
        assert server.post(MOVED, PATH, **signed()).status == 202
        assert server.process.stderr is not None
        lines = iter(server.process.stderr)
        assert any(line.startswith("dev after a webhook") for line in lines)
    assert aliases(configured) == []


def test_what_is_not_signed_recent_and_well_formed_is_refused(configured: Path) -> None:
    other = b'{"entity": "registered_model"}'
    deep = b'{"entity":' + b"[" * 90_000 + b"]" * 90_000 + b"}"
    large = b'{"entity":"' + b"x" * 300_000 + b'"}'
    unsigned = signed() | {"X_MLflow_Signature": ""}
    bare = signed()["X_MLflow_Signature"].removeprefix("v1,")
    cases: list[tuple[bytes, str, dict[str, str], int]] = [
        (MOVED, PATH, signed(), 202),
        (b'{"entity": "prompt"}', PATH, signed(b'{"entity": "prompt"}'), 202),
        (other, PATH, signed(MOVED), 401),
        (MOVED, PATH, signed(secret="another-secret-0123456789"), 401),
        (MOVED, PATH, unsigned, 401),
        (MOVED, PATH, signed() | {"X_MLflow_Signature": bare}, 401),
        (MOVED, PATH, signed() | {"X_MLflow_Signature": f"v2,{bare}"}, 401),
        (MOVED, PATH, signed() | {"X_MLflow_Signature": "v1,"}, 401),
        (MOVED, PATH, signed() | {"X_MLflow_Signature": "v1,%%%"}, 401),
        (MOVED, PATH, signed() | {"X_MLflow_Signature": "v1,\xff"}, 401),
        (MOVED, PATH, signed() | {"X_MLflow_Delivery_Id": "another"}, 401),
        (MOVED, PATH, signed(age=301), 401),
        (MOVED, PATH, signed(age=-400), 401),
        (MOVED, PATH, signed(stated="0"), 401),
        (MOVED, PATH, signed(stated="9" * 400), 400),
        (MOVED, PATH, signed(stated="1e9"), 400),
        (MOVED, PATH, signed(stated="-5"), 400),
        (MOVED, PATH, signed(delivery="x" * 129), 400),
        (MOVED, PATH, signed(delivery="a b"), 400),
        (MOVED, PATH, signed() | {"X_MLflow_Delivery_Id": ""}, 400),
        (b"", PATH, signed(b""), 400),
        (b"[]", PATH, signed(b"[]"), 400),
        (b"{}", PATH, signed(b"{}"), 400),
        (b'{"entity": 7}', PATH, signed(b'{"entity": 7}'), 400),
        (b"\xff", PATH, signed(b"\xff"), 400),
        (deep, PATH, signed(deep), 400),
        (large, PATH, signed(large), 413),
        (MOVED, PATH, signed() | {"Content_Type": "text/plain"}, 415),
        (MOVED, PATH, signed() | {"Content_Encoding": "gzip"}, 415),
        (MOVED, "/api/v1/webhooks/mlflow/silent", signed(), 404),
        (MOVED, "/api/v1/webhooks/mlflow/nobody", signed(), 404),
        (MOVED, "/api/v1/webhooks/other/dev", signed(), 401),
        (MOVED, "/api/v1/webhooks/mlflow/dev/more", signed(), 401),
        (MOVED, "/api/v1/webhooks/mlflow/../../lineage", signed(), 401),
        (MOVED, "/api/v1/webhooks/mlflow/%2e%2e%2flineage", signed(), 404),
        (MOVED, "/api/v1/lineage", signed(), 401),
    ]
    with served(configured) as server:
        for position, (body, path, headers, expected) in enumerate(cases):
            answer = server.post(body, path, **headers)
            assert answer.status == expected, (position, answer.status, answer.data)
            assert SECRET.encode() not in answer.data
        assert server.post(MOVED, PATH, **signed()).status == 202


def test_a_delivery_is_remembered_while_it_could_be_replayed_and_no_longer() -> None:
    deliveries = Deliveries(at_most=2)
    assert deliveries.is_new("dev", "a", 1_000)
    assert not deliveries.is_new("dev", "a", 1_599)
    assert deliveries.is_new("other", "a", 1_000)
    with pytest.raises(RequestProblem) as refused:
        deliveries.is_new("dev", "b", 1_599)
    assert refused.value.status == 429
    assert deliveries.is_new("dev", "b", 1_601)


class Asked:
    """Polls on a clock of the test's own, counting what is read."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock(datetime(2026, 3, 1, tzinfo=UTC))
        self.read: list[str] = []
        self.said: list[str] = []
        self.is_away = False
        self.polls = Polls(world.reopened, self.clock)

        def import_address(store: OpenStore, acting: object, source: str) -> list[None]:
            self.read.append(source)
            if self.is_away:
                raise ConnectorUnavailable(f"{source} does not answer")
            return []

        monkeypatch.setattr(polling, "import_address", import_address)

    def after(self, span: timedelta) -> list[str]:
        self.clock.now += span
        self.read.clear()
        self.polls.turn(self.said.append)
        return list(self.read)


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(world, monkeypatch)


def test_hints_that_come_together_make_one_import(asked: Asked) -> None:
    for source in ("dev", "prod", "dev", "dev"):
        asked.polls.ask(source)
    assert asked.after(timedelta(seconds=1)) == []
    assert asked.after(timedelta(seconds=1)) == ["dev", "prod"]
    assert asked.after(timedelta(hours=1)) == []


def test_a_stream_of_hints_reads_a_source_no_more_often_than_apart(
    asked: Asked,
) -> None:
    count = 0
    for _ in range(120):
        asked.polls.ask("dev")
        count += len(asked.after(timedelta(seconds=1)))
    assert 6 <= count <= 9


def test_a_source_that_is_away_is_read_again_later(asked: Asked) -> None:
    asked.is_away = True
    asked.polls.ask("dev")
    assert asked.after(polling.QUIET) == ["dev"]
    assert asked.after(timedelta(seconds=59)) == []
    asked.is_away = False
    assert asked.after(timedelta(seconds=1)) == ["dev"]
    assert asked.after(timedelta(hours=1)) == []
    assert "dev does not answer" in asked.said[0]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (SECRET, "by reference"),
        ("env:", "by reference"),
        ("env:NOWHERE_SET", "missing"),
        ("env:TOO_SHORT", "not 16 to"),
        ("file:/nowhere/at/all", "cannot read"),
    ],
)
def test_a_secret_that_is_none_ends_serve_at_once(
    configured: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    told: str,
) -> None:
    monkeypatch.setenv("TOO_SHORT", "short")
    text = (tmp_path / "countersign.toml").read_text()
    (tmp_path / "countersign.toml").write_text(text.replace("env:DEV_WEBHOOK", setting))
    assert main(["serve", "--store", str(configured)]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert SECRET not in said


def test_a_file_in_a_parent_folder_may_not_name_a_secret(
    configured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTERSIGN_CONFIG")
    monkeypatch.chdir(tmp_path)
    assert main(["config", "validate"]) == 2


def test_a_setting_shows_where_the_secret_is_and_not_the_secret(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert "env:DEV_WEBHOOK" in shown
    assert SECRET not in shown + KEY + repr(SourceSetting("a", "", "env:X"))
