"""Data checks and units from real imports, judged on what a request would freeze."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from connectors.data import DataSource
from connectors.data_files import LocalFiles
from connectors.data_profile import MOST_COLUMNS
from connectors.openlineage import OpenLineageSource
from console.services.importing import import_source
from policies.evidence import item_bytes
from policies.verdict import Verdict
from store.facts import Fact, FactKind
from tests.services.test_provenance import RUN, evidence_of, service, trained, verdict
from tests.worlds import World

YES, NO, UNKNOWN = Verdict.YES, Verdict.NO, Verdict.UNKNOWN
RUN_ID = "01995b2e-0000-7000-8000-000000000001"


def snapshot(path: Path, frame: pl.DataFrame) -> str:
    frame.write_parquet(path)
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def people(**columns: list[object]) -> pl.DataFrame:
    told = {"id": [1, 2, 3, 4], "age": [18.5, 90.25, None, float("nan")]}
    return pl.DataFrame(told | columns)


def checked(digest: str, name: str, *, success: object) -> str:
    facets = {
        "version": {"datasetVersion": digest},
        "dataQualityAssertions": {
            "assertions": [{"assertion": name, "success": success, "column": "id"}]
        },
    }
    return json.dumps(
        {
            "eventTime": "2026-02-27T12:00:00Z",
            "eventType": "COMPLETE",
            "producer": "https://example.org/checks",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
            "run": {"runId": RUN_ID},
            "job": {"namespace": "checks", "name": "check"},
            "inputs": [{"namespace": "file", "name": "people", "facets": facets}],
        }
    )


@pytest.fixture
def train(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "train.parquet"


def told_of(world: World, train: Path, digest: str, **tags: str) -> None:
    world.tell(*trained("c" * 40, digest, "sha256:" + "7" * 64, **tags))
    import_source(
        world.store, service(world), DataSource("data", LocalFiles(train.parent))
    )


JUDGED = {
    'check = "null_rate"\ncolumn = "age"\nat_most = "0.5"': YES,
    'check = "null_rate"\ncolumn = "age"\nat_most = "0.49"': NO,
    'check = "row_count"\nat_least = "4"\nat_most = "4"': YES,
    'check = "range"\ncolumn = "age"\nat_least = "18.5"': YES,
    'check = "range"\ncolumn = "age"\nat_most = "90.2"': NO,
    'check = "unique"\ncolumn = "id"': YES,
    'check = "unique"\ncolumn = "age"': NO,
    'check = "columns"\ncolumns = ["id:int64", "age:double"]': YES,
    'check = "columns"\ncolumns = ["id:int64"]': NO,
    'check = "columns"\nsame_as = "evaluation"': UNKNOWN,
    'check = "assertion"\nname = "fresh"': UNKNOWN,
}


def test_an_imported_file_is_judged_by_its_rows(world: World, train: Path) -> None:
    told_of(world, train, snapshot(train, people()))
    evidence = evidence_of(world)
    found = {
        fields: verdict(evidence, "data_check", f'dataset = "training"\n{fields}')
        for fields in JUDGED
    }
    assert found == JUDGED


def test_the_same_bytes_are_told_the_same_and_other_bytes_not_at_all(
    world: World, train: Path
) -> None:
    digest = snapshot(train, people())
    told_of(world, train, digest)
    before = item_bytes(evidence_of(world).data)
    copy = train.parent / "copy"
    copy.mkdir()
    (copy / "other_name.parquet").write_bytes(train.read_bytes())
    snapshot(copy / "train.parquet", people(id=[1, 1, 1, 1]))
    import_source(world.store, service(world), DataSource("again", LocalFiles(copy)))
    assert item_bytes(evidence_of(world).data) == before


def test_a_run_of_bytes_that_nobody_read_is_unknown(world: World, train: Path) -> None:
    snapshot(train, people())
    told_of(world, train, "sha256:" + "9" * 64)
    fields = 'dataset = "training"\ncheck = "unique"\ncolumn = "id"'
    assert verdict(evidence_of(world), "data_check", fields) is UNKNOWN


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ([True], YES),
        ([False], NO),
        ([True, False], NO),
        ([False, True], NO),
        (["yes"], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_a_check_that_failed_once_is_failed(
    world: World, train: Path, answers: list[object], wanted: Verdict
) -> None:
    digest = snapshot(train, people())
    told_of(world, train, digest)
    events = train.parent / "events.ndjson"
    events.write_text(
        "\n".join(checked(digest, "not_null", success=a) for a in answers)
    )
    import_source(world.store, service(world), OpenLineageSource("ol", events))
    fields = 'dataset = "train"\ncheck = "assertion"\nname = "not_null"\ncolumn = "id"'
    assert verdict(evidence_of(world), "data_check", fields) is wanted


def test_odd_columns_are_counted_or_left_unknown(world: World, train: Path) -> None:
    frame = people(
        nested=[[1], [2], [1], []],
        empty=[None] * 4,
        far=[float("inf"), 1.0, 2.0, 3.0],
        words=["a", "a", "b", None],
    )
    told_of(world, train, snapshot(train, frame))
    found = evidence_of(world).data.profiles[0]
    columns = {column.name: column for column in found.columns}
    assert columns["empty"].missing == 4
    assert columns["far"].most == "inf"
    assert (columns["words"].distinct, columns["words"].least) == (2, "")
    assert b'"b"' not in item_bytes(evidence_of(world).data)


def test_a_file_too_wide_has_no_profile(world: World, train: Path) -> None:
    wide = pl.DataFrame({f"c{n}": [1] for n in range(MOST_COLUMNS + 1)})
    told_of(world, train, snapshot(train, wide))
    assert evidence_of(world).data.profiles == ()


@pytest.mark.parametrize(("unit", "wanted"), [("percent", YES), ("ratio", NO)])
def test_a_unit_is_read_from_the_tag_of_the_run(
    world: World, train: Path, unit: str, wanted: Verdict
) -> None:
    world.tell(
        Fact(kind=FactKind.METRIC, subject=RUN, name="auc", text="91.5", number=91.5)
    )
    told_of(world, train, snapshot(train, people()), **{"countersign.unit.auc": unit})
    fields = 'metric = "auc"\nat_least = "90"\nunit = "percent"'
    assert verdict(evidence_of(world), "metric", fields) is wanted
