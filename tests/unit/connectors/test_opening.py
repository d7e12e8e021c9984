"""What is at an address is recognised by what it is, and named plainly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.data import DataSource
from connectors.errors import ConnectorError, MalformedInput
from connectors.git import GitSource
from connectors.mlflow.telling import MlflowSource
from connectors.opening import open_sources
from connectors.openlineage import OpenLineageSource
from store.facts import FactKind
from store.identifiers import dataset_version_key, run_key
from tests.unit.connectors.facts import of_kind, told_by
from tests.unit.connectors.test_mlflow_database import OLD_SCHEMA, change
from tests.unit.connectors.test_openlineage import RUN, event

DIGEST_LENGTH = len("sha256:") + 64


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    folder = tmp_path / "history"
    (folder / "datasets").mkdir(parents=True)
    (folder / "mlartifacts" / "1").mkdir(parents=True)
    change(folder / "mlflow.db", OLD_SCHEMA)
    (folder / "openlineage.ndjson").write_text(json.dumps(event()))
    (folder / "mlartifacts" / "1" / "input_example.json").write_text("{}")
    (folder / "package.json").write_text("{}")
    (folder / "readme.md").write_text("x")
    table(folder / "datasets" / "loans.parquet")
    repository = folder / "code"
    repository.mkdir()
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    return folder


def table(path: Path) -> None:
    pq.write_table(pa.table({"age": [1, 2, 3], "name": ["a", "b", "c"]}), path)


def test_folder_of_several_things_is_all_of_them(mixed: Path) -> None:
    found = {type(source): source.name for source in open_sources(str(mixed))}
    assert found == {
        GitSource: "code",
        DataSource: "datasets",
        MlflowSource: "mlflow",
        OpenLineageSource: "openlineage",
    }


def test_events_beside_a_registry_speak_of_its_runs(mixed: Path) -> None:
    (events,) = (
        s for s in open_sources(str(mixed)) if isinstance(s, OpenLineageSource)
    )
    (run,) = of_kind(told_by(events), FactKind.RUN)
    assert run.subject == run_key("mlflow", RUN)


@pytest.mark.parametrize(
    ("inside", "kind", "name"),
    [
        ("mlflow.db", MlflowSource, "mlflow"),
        ("openlineage.ndjson", OpenLineageSource, "openlineage"),
        ("package.json", OpenLineageSource, "package"),
        ("datasets", DataSource, "datasets"),
        ("datasets/loans.parquet", DataSource, "loans"),
        ("code", GitSource, "code"),
    ],
)
def test_single_things_are_named_after_themselves(
    mixed: Path, inside: str, kind: type, name: str
) -> None:
    (source,) = open_sources(str(mixed / inside))
    assert (type(source), source.name) == (kind, name)
    (named,) = open_sources(str(mixed / inside), name="given")
    assert named.name == "given"


def test_addresses_of_other_forms_are_taken(mixed: Path) -> None:
    for address in (f"sqlite:///{mixed}/mlflow.db", (mixed / "mlflow.db").as_uri()):
        assert [s.name for s in open_sources(address)] == ["mlflow"]
    (server,) = open_sources("http://mlflow.example.org:5000")
    assert (type(server), server.name) == (MlflowSource, "mlflow-example-org")


def test_folder_of_events_in_folders_is_one_source(tmp_path: Path) -> None:
    (tmp_path / "events" / "a").mkdir(parents=True)
    (tmp_path / "events" / "a" / "1.json").write_text(json.dumps(event()))
    (source,) = open_sources(str(tmp_path / "events"))
    told_by(source)
    assert (source.name, source.tally.accepted) == ("events", 1)


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_what_cannot_be_read_is_malformed_and_says_what_can(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "thing"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MalformedInput) as caught:
        open_sources(str(path))
    assert "OpenLineage" in caught.value.hint


@pytest.mark.parametrize("address", ["x\x00y", "", "~nobody-at-all/x", "a" * 5000])
def test_odd_addresses_are_errors_of_connectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConnectorError):
        open_sources(address)


def test_parquet_is_told_with_digest_rows_and_schema(tmp_path: Path) -> None:
    table(tmp_path / "loans.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 rubbish PAR1")
    (tmp_path / "linked.parquet").symlink_to(tmp_path / "loans.parquet")
    (source,) = open_sources(str(tmp_path))
    (version,) = of_kind(told_by(source), FactKind.DATASET_VERSION)
    assert version.subject == dataset_version_key("loans", version.digest)
    assert len(version.digest) == DIGEST_LENGTH
    assert (version.number, version.location) == (3.0, "loans.parquet")
    assert json.loads(version.text or "")[0] == {"name": "age", "type": "int64"}
    assert source.tally.accepted == 1
    assert [r.where for r in source.tally.refused] == ["broken.parquet"]


def test_opening_imports_nothing_heavy() -> None:
    program = (
        "import sys, connectors.opening, connectors.openlineage, connectors.git,"
        "connectors.mlflow.rest, connectors.mlflow.database, connectors.mlflow.telling;"
        "print({'pyarrow', 'duckdb', 'yaml', 'urllib3', 'textual', 'mlflow'} "
        "& set(sys.modules))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert finished.stdout.strip() == "set()"
