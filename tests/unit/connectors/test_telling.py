"""From MLflow's rows to facts, where a real server cannot easily be led."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from connectors.artifacts import LocalArtifacts
from connectors.errors import ConnectorUnavailable, MalformedInput
from connectors.mlflow.meanings import LONGEST_TAG
from connectors.mlflow.mlmodel import read_signature
from connectors.mlflow.rows import (
    ExperimentRow,
    MetricRow,
    ModelRow,
    RunRow,
    VersionRow,
)
from connectors.mlflow.telling import MlflowSource, moment_of
from connectors.protocols import ArtifactFile
from store.facts import FactKind
from store.manifest import manifest_digest
from tests.unit.connectors.facts import of_kind, told_by


class Rows:
    """A reader of given rows."""

    def __init__(self, *runs: RunRow, versions: tuple[VersionRow, ...] = ()) -> None:
        self._runs, self._versions = runs, versions

    def experiments(self) -> Iterator[ExperimentRow]:
        return iter(())

    def runs(self) -> Iterator[RunRow]:
        return iter(self._runs)

    def models(self) -> Iterator[ModelRow]:
        return iter(())

    def versions(self) -> Iterator[VersionRow]:
        return iter(self._versions)


class Files:
    """An artifact reader with given files."""

    def __init__(self, **files: bytes) -> None:
        self._given = files

    def files(self, location: str) -> list[ArtifactFile]:
        if not self._given:
            raise ConnectorUnavailable(f"{location} holds no files")
        return [ArtifactFile(n, "ab" * 32, len(d)) for n, d in self._given.items()]

    def read(self, location: str, path: str, *, at_most: int) -> bytes:
        return self._given[path]

    def pieces(self, location: str, path: str) -> Iterator[bytes]:
        yield self._given[path]


def run(**changed: object) -> RunRow:
    row = RunRow("r", "1", "n", "ann", "FINISHED", 1, 2, "active", "a")
    for name, value in changed.items():
        setattr(row, name, value)
    return row


def version(**changed: object) -> VersionRow:
    row = VersionRow("m", "1", 1, "READY", "None", "mlflow-artifacts:/x", "r")
    for name, value in changed.items():
        setattr(row, name, value)
    return row


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.7976931348623157e308, "inf"), (-1.7976931348623157e308, "-inf"), (0.1, "0.1")],
)
def test_largest_double_is_what_mlflow_keeps_for_infinity(
    value: float, text: str
) -> None:
    rows = Rows(run(metrics=[MetricRow("m", value, 1, 0)]))
    (metric,) = of_kind(told_by(MlflowSource("m", rows, None)), FactKind.METRIC)
    assert (metric.text, metric.number) == (text, float(text))


def test_long_tags_are_cut_and_noted_and_internal_ones_dropped() -> None:
    tags = {"long": "x" * (LONGEST_TAG + 1), "mlflow.log-model.history": "[]"}
    facts = told_by(MlflowSource("m", Rows(run(tags=tags)), None))
    (tag,) = of_kind(facts, FactKind.TAG)
    assert tag.text == "x" * LONGEST_TAG
    assert [f.name for f in of_kind(facts, FactKind.VIOLATION)] == ["tag too long"]


def test_manifest_digest_is_that_of_the_files() -> None:
    reader = Files(MLmodel=b"{}", data=b"x")
    facts = told_by(MlflowSource("m", Rows(versions=(version(),)), reader))
    (told,) = of_kind(facts, FactKind.MODEL_VERSION)
    pairs = [(f.name, f.digest) for f in of_kind(facts, FactKind.FILE)]
    assert told.digest == manifest_digest(pairs)
    assert len(told.digest) == 64


def test_model_without_mlmodel_has_no_signature_and_breaks_no_rule() -> None:
    facts = told_by(MlflowSource("m", Rows(versions=(version(),)), Files(model=b"x")))
    assert of_kind(facts, FactKind.SIGNATURE) == []
    assert of_kind(facts, FactKind.VIOLATION) == []


@pytest.mark.parametrize(
    "hostile",
    [
        b"!!python/object/apply:os.system ['true']",
        b"a: &x [1]\nsignature: *x",
        b"[" * 5000,
        b"- a list",
        b"\xff\xfe\x00",
        b"a: b: c",
        b"signature: !!timestamp 99999-99-99",
    ],
)
def test_hostile_mlmodel_is_noted_and_the_files_still_count(hostile: bytes) -> None:
    reader = Files(MLmodel=hostile)
    facts = told_by(MlflowSource("m", Rows(versions=(version(),)), reader))
    (violation,) = of_kind(facts, FactKind.VIOLATION)
    assert violation.name == "MLmodel not readable"
    (told,) = of_kind(facts, FactKind.MODEL_VERSION)
    assert told.digest


def test_version_without_location_or_files_is_told_without_a_digest() -> None:
    for row, reader in ((version(location=""), Files(x=b"")), (version(), Files())):
        facts = told_by(MlflowSource("m", Rows(versions=(row,)), reader))
        (told,) = of_kind(facts, FactKind.MODEL_VERSION)
        assert told.digest == ""
        names = [f.name for f in of_kind(facts, FactKind.VIOLATION)]
        assert names == ["artifact not readable"]


def test_deleted_version_is_told_as_gone_and_nothing_else() -> None:
    rows = Rows(versions=(version(is_deleted=True, run_id="REDACTED-RUN-ID"),))
    facts = told_by(MlflowSource("m", rows, LocalArtifacts(None)))
    assert [f.kind for f in facts] == [FactKind.DELETION]


def test_signature_is_json_and_missing_one_is_empty() -> None:
    assert read_signature(b"signature: {inputs: '[]'}") == '{"inputs": "[]"}'
    assert read_signature(b"flavors: {}") == ""


def test_misshapen_rows_are_malformed() -> None:
    rows = Rows(run(metrics=[MetricRow("m", "x", 1, 0)]))  # type: ignore[arg-type]
    with pytest.raises(MalformedInput):
        told_by(MlflowSource("m", rows, None))


@pytest.mark.parametrize(
    ("milliseconds", "moment"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_700_000_000_123, datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        (2**62, None),
        (-(2**62), None),
        (None, None),
    ],
)
def test_milliseconds_become_times(
    milliseconds: int | None, moment: datetime | None
) -> None:
    assert moment_of(milliseconds) == moment
