"""A Kubeflow Hub is read to its last page, and nothing it says is taken on trust."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.mlflow import client as http_client
from connectors.opening import open_sources
from connectors.protocols import FactSource
from store.facts import Fact, FactKind, Relation
from store.identifiers import (
    commit_key,
    dataset_version_key,
    model_key,
    model_version_key,
    run_key,
)
from tests.contract.kubeflow_hub_server import (
    API,
    COMMIT,
    SHA256,
    Hub,
    model_artifact,
    serving,
)
from tests.contract.s3_places import S3Place, client
from tests.unit.connectors.facts import of_kind, told_by

SOURCE = "127-0-0-1"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(http_client, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.delenv("KUBEFLOW_HUB_TOKEN", raising=False)
    artifacts = {"11": [model_artifact(51, "pvc://volume/fraud")]}
    with serving(Hub(version_artifacts=artifacts)) as running:
        yield running


def source_of(hub: Hub) -> FactSource:
    (source,) = open_sources(hub.address)
    return source


def told(hub: Hub) -> list[Fact]:
    return told_by(source_of(hub))


def tags_of(facts: list[Fact], subject: str) -> dict[str, str]:
    return {
        f.name: f.text or ""
        for f in of_kind(facts, FactKind.TAG)
        if f.subject == subject
    }


def test_every_model_and_version_on_every_page_is_told(hub: Hub) -> None:
    source = source_of(hub)
    facts = told_by(source)
    assert {f.name for f in of_kind(facts, FactKind.MODEL)} == {
        "fraud",
        "churn",
        "pricing",
    }
    assert {f.subject for f in of_kind(facts, FactKind.MODEL_VERSION)} == {
        model_version_key(SOURCE, "fraud", "v1"),
        model_version_key(SOURCE, "fraud", "v2"),
        model_version_key(SOURCE, "churn", "v1"),
    }
    assert source.tally.accepted == 4


def test_custom_properties_are_tags_and_own_fields_are_set_apart(hub: Hub) -> None:
    assert tags_of(told(hub), model_key(SOURCE, "fraud")) == {
        "team": "risk",
        "tries": "3",
        "share": "0.5",
        "checked": "true",
        "limits": '{"a": 1}',
        "hub.state": "LIVE",
        "hub.owner": "ana",
        "hub.license": "apache-2.0",
    }


def test_version_leads_to_its_run_commit_and_data(hub: Hub) -> None:
    facts = told(hub)
    run, version = run_key(SOURCE, "31"), model_version_key(SOURCE, "fraud", "v1")
    strong = dataset_version_key("loans", f"sha256:{SHA256}")
    weak = dataset_version_key("people", "kubeflow-hub:3f2a")
    assert {(f.subject, f.name, f.object) for f in of_kind(facts, FactKind.EDGE)} == {
        (run, Relation.PRODUCED.value, version),
        (run, Relation.USED.value, commit_key(COMMIT)),
        (run, Relation.READ.value, strong),
        (run, Relation.READ.value, weak),
    }
    (metric,) = of_kind(facts, FactKind.METRIC)
    assert (metric.name, metric.text, metric.step) == ("rmse", "2.5", 3)
    (param,) = of_kind(facts, FactKind.PARAM)
    assert (param.name, param.text) == ("alpha", "0.1")
    assert "secret" not in repr(facts)


def test_artifact_of_a_version_is_told_by_place_format_and_properties(hub: Hub) -> None:
    facts = told(hub)
    key = model_version_key(SOURCE, "fraud", "v1")
    version = next(
        f for f in of_kind(facts, FactKind.MODEL_VERSION) if f.subject == key
    )
    assert version.location == "pvc://volume/fraud"
    assert version.digest == ""
    tags = tags_of(facts, key)
    assert tags["hub.modelFormatName"] == "onnx"
    assert tags["artifact.sha256"] == SHA256
    (problem,) = [f for f in of_kind(facts, FactKind.VIOLATION) if f.subject == key]
    assert "pvc:" in (problem.text or "")


@pytest.mark.peer
def test_model_in_a_bucket_is_hashed_and_the_registry_chooses_no_service(
    hub: Hub, moto: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto.variables().items():
        monkeypatch.setenv(name, value)
    key = f"{secrets.token_hex(4)}/model"
    client(moto).put_object(Bucket=moto.bucket, Key=f"{key}/model.onnx", Body=b"onnx")
    uri = f"s3://{moto.bucket}/{key}?endpoint=http://127.0.0.1:9&defaultRegion=x"
    hub.version_artifacts = {"12": [model_artifact(52, uri)]}
    (file,) = of_kind(told(hub), FactKind.FILE)
    assert (file.name, file.digest) == (
        "model.onnx",
        hashlib.sha256(b"onnx").hexdigest(),
    )


def test_registry_names_no_file_of_this_machine(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"mine")
    for uri in (tmp_path.as_uri(), str(tmp_path), f"mlflow-artifacts:{tmp_path}"):
        hub.version_artifacts = {"11": [model_artifact(51, uri)]}
        assert not of_kind(told(hub), FactKind.FILE)


def test_newest_of_several_artifacts_is_the_model(hub: Hub) -> None:
    hub.version_artifacts = {
        "11": [
            model_artifact(53, "pvc://newest"),
            model_artifact(51, "pvc://old"),
            {"id": "9", "artifactType": "doc-artifact", "uri": "https://example.org"},
        ]
    }
    places = {f.location for f in of_kind(told(hub), FactKind.MODEL_VERSION)}
    assert places == {"pvc://newest", ""}


def test_token_is_sent_and_never_told(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "s3cr3t-token"
    with pytest.raises(ConnectorRefused) as caught:
        told(hub)
    assert "KUBEFLOW_HUB_TOKEN" in caught.value.hint
    monkeypatch.setenv("KUBEFLOW_HUB_TOKEN", hub.token)
    assert hub.token not in repr(told(hub))
    hub.refuses = 403
    with pytest.raises(ConnectorRefused) as caught:
        told(hub)
    assert hub.token not in str(caught.value) + caught.value.hint


def test_registry_that_is_busy_is_asked_again(hub: Hub) -> None:
    hub.fails_first = 2
    assert of_kind(told(hub), FactKind.MODEL)


def test_registry_that_is_down_is_unavailable(hub: Hub) -> None:
    hub.refuses = 503
    with pytest.raises(ConnectorUnavailable):
        told(hub)


def test_registry_without_that_api_is_refused(hub: Hub) -> None:
    hub.refuses = 404
    with pytest.raises(ConnectorRefused):
        told(hub)


def test_page_that_comes_again_and_again_ends_the_import(hub: Hub) -> None:
    hub.repeats_page = True
    with pytest.raises(ConnectorRefused, match="again and again"):
        told(hub)


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"no JSON",
        b'{"items": 7}',
        b'{"items": [7]}',
        b'{"items": [{"name": "no id"}]}',
        b'{"items": [{"id": 5}]}',
        b'{"items": [{"id": "1", "name": {}}]}',
        b'{"items": [{"id": "1", "customProperties": {"a": {}}}]}',
        b'{"items": [{"id": "1", "customProperties": [1]}]}',
        b'{"items": [{"id": "1", "startTimeSinceEpoch": "soon"}]}',
        b'{"items": [{"id": "1", "artifactType": "metric", "value": "x"}]}',
        b'{"items": [{"id": "1"}], "nextPageToken": 7}',
    ],
)
def test_odd_answers_are_malformed(hub: Hub, raw: bytes) -> None:
    hub.raw = raw
    with pytest.raises(MalformedInput):
        told(hub)


@pytest.mark.parametrize(
    "address",
    [
        "kubeflow-hub+",
        "kubeflow-hub+ftp://host",
        "kubeflow-hub+http://user:password@host",
        "kubeflow-hub+http://[",
    ],
)
def test_odd_addresses_are_errors_with_a_next_step(address: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        open_sources(address)
    assert "password@" not in str(caught.value)


def test_what_the_tests_answer_with_is_what_the_published_document_allows(
    hub: Hub,
) -> None:
    specifications = os.environ.get("COUNTERSIGN_TEST_SPECS", "")
    if not specifications:
        pytest.skip("peer: COUNTERSIGN_TEST_SPECS names no folder")
    path = Path(specifications) / "kubeflow-hub" / "model-registry.openapi.yaml"
    document = _by_discriminator(yaml.safe_load(path.read_text()))
    told(hub)
    assert len({path for path, _ in hub.served}) > 6
    for place, page in hub.served:
        _schema_of(document, place).validate(page)


def _by_discriminator(node: Any) -> Any:
    """An OpenAPI document as JSON Schema reads it: one property says which schema."""
    if isinstance(node, list):
        return [_by_discriminator(item) for item in node]
    if not isinstance(node, dict):
        return node
    told = {name: _by_discriminator(value) for name, value in node.items()}
    mapping = told.get("discriminator", {}).get("mapping")
    if "oneOf" not in told or not mapping:
        return told
    field = told.pop("discriminator")["propertyName"]
    told.pop("oneOf")
    told["required"] = [field]
    told["properties"] = {field: {"enum": sorted(mapping)}}
    told["allOf"] = [
        {"if": {"properties": {field: {"const": value}}}, "then": {"$ref": schema}}
        for value, schema in mapping.items()
    ]
    return told


def _schema_of(document: dict[str, Any], place: str) -> jsonschema.Draft202012Validator:
    """What the document says of the answer to a list."""
    for template, methods in document["paths"].items():
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", template)
        if re.fullmatch(pattern, f"{API}/{place}"):
            answer = methods["get"]["responses"]["200"]["$ref"].rpartition("/")[2]
            break
    else:
        raise AssertionError(f"{place} is not in the document")
    content = document["components"]["responses"][answer]["content"]
    reference = content["application/json"]["schema"]["$ref"]
    registry: Registry[Any] = Registry().with_resource(
        "urn:hub", Resource.from_contents(document, default_specification=DRAFT202012)
    )
    return jsonschema.Draft202012Validator(
        {"$ref": f"urn:hub{reference}"}, registry=registry
    )
