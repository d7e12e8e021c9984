"""A model registry over HTTP, as its OpenAPI has it, with faults on request."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = "/api/model_registry/v1alpha3"
SHA256 = "ab" * 32
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def text(value: str) -> dict[str, str]:
    return {"metadataType": "MetadataStringValue", "string_value": value}


def _base(number: int, name: str, **more: object) -> dict[str, Any]:
    created = str(1_700_000_000_000 + number)
    times = {"createTimeSinceEpoch": created, "lastUpdateTimeSinceEpoch": created}
    return {"id": str(number), "name": name} | times | more


MODELS = [
    _base(
        1,
        "fraud",
        description="Card fraud",
        owner="ana",
        state="LIVE",
        license="apache-2.0",
        customProperties={
            "team": text("risk"),
            "tries": {"metadataType": "MetadataIntValue", "int_value": "3"},
            "share": {"metadataType": "MetadataDoubleValue", "double_value": 0.5},
            "checked": {"metadataType": "MetadataBoolValue", "bool_value": True},
            "limits": {
                "metadataType": "MetadataStructValue",
                "struct_value": "eyJhIjogMX0=",
            },
        },
    ),
    _base(2, "churn", state="ARCHIVED"),
    _base(3, "pricing", state="LIVE"),
]
VERSIONS = {
    "1": [
        _base(11, "v1", state="LIVE", author="bo", registeredModelId="1"),
        _base(12, "v2", state="LIVE", author="bo", registeredModelId="1"),
    ],
    "2": [_base(13, "v1", state="ARCHIVED", registeredModelId="2")],
    "3": [],
}
EXPERIMENTS = [_base(21, "training", owner="ana", state="LIVE")]
RUNS = [
    _base(
        31,
        "ridge",
        experimentId="21",
        owner="ana",
        status="FINISHED",
        state="LIVE",
        startTimeSinceEpoch="1700000000000",
        endTimeSinceEpoch="1700000060000",
        customProperties={"countersign.git.commit": text(COMMIT)},
    )
]
RUN_ARTIFACTS = [
    _base(
        41, "rmse", artifactType="metric", value=2.5, step=3, timestamp="1700000050000"
    ),
    _base(42, "alpha", artifactType="parameter", value="0.1", parameterType="number"),
    _base(
        43,
        "loans",
        artifactType="dataset-artifact",
        digest=f"sha256:{SHA256}",
        source="s3://user:secret@lake/loans.parquet",
        schema='[{"name": "id"}]',
    ),
    _base(
        44, "people", artifactType="dataset-artifact", digest="3f2a", uri="s3://lake/p"
    ),
    _base(45, "notes", artifactType="doc-artifact", uri="https://example.org/notes"),
]


def model_artifact(number: int, uri: str, **more: object) -> dict[str, Any]:
    return _base(
        number,
        "model",
        artifactType="model-artifact",
        uri=uri,
        modelFormatName="onnx",
        modelFormatVersion="1",
        experimentId="21",
        experimentRunId="31",
        state="LIVE",
        customProperties={"sha256": text(SHA256)},
        **more,
    )


@dataclass
class Hub:
    """What the registry holds, and how it misbehaves."""

    version_artifacts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    models: list[dict[str, Any]] = field(default_factory=lambda: list(MODELS))
    token: str = ""
    refuses: int = 0
    """Answer with this status; 0: as usual."""
    fails_first: int = 0
    delay_seconds: float = 0.0
    repeats_page: bool = False
    raw: bytes | None = None
    """Answer this, whatever is asked."""
    asked: list[str] = field(default_factory=list)
    served: list[tuple[str, Any]] = field(default_factory=list)
    """Path and body of every list that was served."""
    address: str = ""

    def items(self, path: str) -> list[dict[str, Any]] | None:
        """What is listed at a path; None where nothing is."""
        match path.split("/"):
            case ["registered_models"]:
                return self.models
            case ["registered_models", model, "versions"]:
                return VERSIONS.get(model)
            case ["model_versions", version, "artifacts"]:
                return self.version_artifacts.get(version, [])
            case ["experiments"]:
                return EXPERIMENTS
            case ["experiment_runs"]:
                return RUNS
            case ["experiment_runs", "31", "artifacts"]:
                return RUN_ARTIFACTS
        return None

    def page(self, path: str, query: dict[str, list[str]]) -> dict[str, Any] | None:
        """Two items at a time, so that every list has several pages."""
        items = self.items(path)
        if items is None:
            return None
        start = int(query.get("nextPageToken", ["0"])[0])
        size = min(int(query["pageSize"][0]), 2)
        more = start + size < len(items) or self.repeats_page
        following = start if self.repeats_page else start + size
        return {
            "items": items[start : start + size],
            "nextPageToken": str(following) if more else "",
            "pageSize": size,
            "size": len(items[start : start + size]),
        }


class _Answers(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.hub.asked.append(parts.path)
        time.sleep(self.hub.delay_seconds)
        if self.hub.raw is not None:
            return self._answer(200, self.hub.raw)
        if self.hub.fails_first:
            self.hub.fails_first -= 1
            return self._answer(503, b'{"code": "503", "message": "busy"}')
        if self.hub.refuses:
            return self._answer(self.hub.refuses, b'{"code": "", "message": "no"}')
        wanted = f"Bearer {self.hub.token}"
        if self.hub.token and self.headers.get("Authorization") != wanted:
            return self._answer(401, b'{"code": "401", "message": "who?"}')
        path = parts.path.removeprefix(API + "/")
        page = self.hub.page(path, parse_qs(parts.query))
        if page is None:
            return self._answer(404, b'{"code": "404", "message": "not found"}')
        self.hub.served.append((path, page))
        return self._answer(200, json.dumps(page).encode())

    def _answer(self, status: int, body: bytes) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        return


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The registry, answering on a port of this machine."""
    handler = type("Handler", (_Answers,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hub.address = f"kubeflow-hub+http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
