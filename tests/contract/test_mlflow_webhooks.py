"""A real MLflow server signs its webhooks as they are checked here."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from console.cli import main
from tests.contract.conftest import mlflow_python
from tests.contract.mlflow_server import running
from tests.served import served

pytestmark = [pytest.mark.peer, pytest.mark.slow]
SECRET = "webhook-secret-of-mlflow-0123456789"


def test_an_alias_moved_on_the_server_is_in_the_log_seconds_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    monkeypatch.setenv("DEV_WEBHOOK", SECRET)
    store = tmp_path / "store"
    given = ["init", "--store", str(store), "--name", "Ana", "--no-passphrase"]
    assert main(given) == 0
    with running(mlflow_python(), backend="sqlite") as mlflow:
        path = tmp_path / "countersign.toml"
        path.write_text(
            f'[sources.dev]\naddress = "{mlflow.address}"\n'
            'webhook_secret = "env:DEV_WEBHOOK"\n'
        )
        monkeypatch.setenv("COUNTERSIGN_CONFIG", str(path))
        mlflow.call("POST", "registered-models/create", {"name": "fraud"})
        version = {"name": "fraud", "source": "s3://nowhere/m"}
        mlflow.call("POST", "model-versions/create", version)
        with served(store) as server:
            address = f"http://127.0.0.1:{server.port}/api/v1/webhooks/mlflow/dev"
            event = {"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}
            hook = {"name": "h", "url": address, "secret": SECRET, "events": [event]}
            mlflow.call("POST", "webhooks", hook)
            alias = {"name": "fraud", "alias": "champion", "version": "1"}
            mlflow.call("POST", "registered-models/alias", alias)
            said = server.process.stderr
            assert said is not None
            begun, line = time.monotonic(), ""
            while "after a webhook" not in line:
                assert time.monotonic() - begun < 30
                line = said.readline()
            assert "dev after a webhook: entry" in line
    assert main(["history", "model:fraud", "--store", str(store)]) == 0
