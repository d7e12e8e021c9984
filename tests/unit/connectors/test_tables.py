"""Delta and Iceberg tables, written by their own libraries, told version by version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError
from connectors.opening import open_sources
from connectors.protocols import FactSource
from store.facts import Fact, FactKind, Strength
from tests.unit.connectors.facts import of_kind, told_by

TABLES = Path(__file__).parents[2] / "tables"
ROWS = {"delta": [3, 6, 5, 5, 5, 8], "iceberg": [3, 6, 5, 8]}


@pytest.fixture(params=["delta", "iceberg"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def table(form: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(TABLES / form / "orders", tmp_path / "orders"))


def source_at(path: Path) -> FactSource:
    (source,) = open_sources(str(path))
    return source


def versions_of(path: Path) -> list[Fact]:
    source = source_at(path)
    told = of_kind(told_by(source), FactKind.DATASET_VERSION)
    assert not source.tally.refused, source.tally.refused
    return told


def tags_of(facts: list[Fact], subject: str) -> dict[str, str]:
    return {
        f.name: f.text or ""
        for f in of_kind(facts, FactKind.TAG)
        if f.subject == subject
    }


def test_every_version_has_its_rows_time_and_schema(form: str, table: Path) -> None:
    told = versions_of(table)
    assert [fact.number for fact in told] == ROWS[form]
    times = [fact.started for fact in told if fact.started is not None]
    assert len(times) == len(told)
    assert times == sorted(times)
    names = [[c["name"] for c in json.loads(fact.text or "")] for fact in told]
    assert set(names[0]) == {"number", "country", "amount"}
    assert set(names[-1]) == {"number", "country", "amount", "note"}


def test_versions_whose_bytes_are_at_hand_are_reread(form: str, table: Path) -> None:
    told = versions_of(table)
    strong = [fact.strength == Strength.REREAD.value for fact in told]
    # The second version of the Delta table has a file that was vacuumed away.
    assert strong == [
        not (form == "delta" and position == 1) for position in range(len(told))
    ]
    for fact, is_strong in zip(told, strong, strict=True):
        assert fact.digest.startswith("sha256:" if is_strong else "delta-manifest:")


def test_versions_name_the_one_before(table: Path) -> None:
    told = told_by(source_at(table))
    first, *_, last = of_kind(told, FactKind.DATASET_VERSION)
    assert "table.parent" not in tags_of(told, first.subject)
    before = tags_of(told, last.subject)["table.parent"]
    known = {f"orders@{f.digest}" for f in of_kind(told, FactKind.DATASET_VERSION)}
    assert before in known
    assert before != f"orders@{last.digest}"


def test_copy_elsewhere_is_the_same_data(table: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "far" / "orders"
    shutil.copytree(table, elsewhere)
    assert versions_of(elsewhere) == versions_of(table)


def test_tables_lie_side_by_side(tmp_path: Path) -> None:
    for form in ROWS:
        shutil.copytree(TABLES / form / "orders", tmp_path / "lake" / form)
    names = [source.name for source in open_sources(str(tmp_path / "lake"))]
    assert names == ["delta", "iceberg"]


def newest_data_file(table: Path) -> Path:
    written = [p for p in table.rglob("*.parquet") if "checkpoint" not in p.name]
    told = told_by(source_at(table))
    assert told
    return max(written, key=lambda path: path.stat().st_size)


def test_file_of_another_size_refuses_the_versions_that_hold_it(table: Path) -> None:
    victim = newest_data_file(table)
    victim.write_bytes(victim.read_bytes() + b"x")
    source = source_at(table)
    told_by(source)
    assert source.tally.refused
    assert any(victim.name in refused.why for refused in source.tally.refused)


def test_changed_bytes_are_another_version(table: Path) -> None:
    before = {fact.digest for fact in versions_of(table)}
    victim = newest_data_file(table)
    data = bytearray(victim.read_bytes())
    data[8] ^= 1
    victim.write_bytes(data)
    after = {fact.digest for fact in versions_of(table)}
    assert after != before


def test_file_that_is_a_link_is_refused(table: Path, tmp_path: Path) -> None:
    victim = newest_data_file(table)
    elsewhere = tmp_path / "elsewhere.parquet"
    victim.rename(elsewhere)
    victim.symlink_to(elsewhere)
    source = source_at(table)
    told_by(source)
    assert any("symbolic link" in refused.why for refused in source.tally.refused)


def change_lines(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line)
    path.write_text("\n".join(json.dumps(line) for line in lines))


def delta_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TABLES / "delta" / "orders", tmp_path / "orders"))


@pytest.mark.parametrize(
    "path",
    [
        "../outside.parquet",
        "a/../../outside.parquet",
        "%2E%2E/outside.parquet",
        "/etc/passwd",
        "file:///etc/passwd",
        "s3://elsewhere/data.parquet",
        "a%00b",
    ],
)
def test_delta_file_outside_of_the_table_is_refused(tmp_path: Path, path: str) -> None:
    table = delta_copy(tmp_path)

    def lead_out(action: dict[str, Any]) -> None:
        if "add" in action:
            action["add"]["path"] = path

    change_lines(table / "_delta_log" / f"{0:020}.json", lead_out)
    with pytest.raises(ConnectorError, match=r"outside|leads out"):
        told_by(source_at(table))


def test_delta_table_begins_at_a_checkpoint_where_commits_are_gone(
    tmp_path: Path,
) -> None:
    table = delta_copy(tmp_path)
    whole = versions_of(table)
    for number in (0, 1):
        (table / "_delta_log" / f"{number:020}.json").unlink()
    told = versions_of(table)
    assert [fact.digest for fact in told] == [fact.digest for fact in whole[1:]]


def test_delta_table_with_a_gap_is_refused(tmp_path: Path) -> None:
    table = delta_copy(tmp_path)
    for number in (0, 3):
        (table / "_delta_log" / f"{number:020}.json").unlink()
    with pytest.raises(ConnectorError, match="begins at version 4"):
        told_by(source_at(table))


def test_delta_feature_that_is_not_known_is_refused(tmp_path: Path) -> None:
    table = delta_copy(tmp_path)

    def need_more(action: dict[str, Any]) -> None:
        if "protocol" in action:
            action["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": ["deletionVectors", "rowsOfTomorrow"],
                "writerFeatures": ["deletionVectors", "rowsOfTomorrow"],
            }

    change_lines(table / "_delta_log" / f"{0:020}.json", need_more)
    with pytest.raises(ConnectorError, match="rowsOfTomorrow"):
        told_by(source_at(table))


def test_rows_that_a_vector_deletes_change_the_identity(tmp_path: Path) -> None:
    table = delta_copy(tmp_path)
    (last,) = versions_of(table)[-1:]

    def delete_one(action: dict[str, Any]) -> None:
        if "add" in action:
            action["add"]["deletionVector"] = {
                "storageType": "i",
                "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
                "sizeInBytes": 40,
                "cardinality": 1,
            }

    commit = table / "_delta_log" / f"{5:020}.json"
    change_lines(commit, delete_one)
    added = sum('"add"' in line for line in commit.read_text().splitlines())
    (changed,) = versions_of(table)[-1:]
    assert changed.digest != last.digest
    assert (last.number or 0) - (changed.number or 0) == added


@pytest.mark.parametrize(
    "content",
    [b"", b"not JSON", b"[]", b'{"add": 7}', b'{"add": {"path": "x"}}', b"\xff\xfe{"],
)
def test_damaged_delta_log_is_malformed(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "orders" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_bytes(content)
    source = source_at(tmp_path / "orders")
    with pytest.raises(ConnectorError):
        told_by(source)


def iceberg_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TABLES / "iceberg" / "orders", tmp_path / "orders"))


def newest(table: Path) -> Path:
    return sorted((table / "metadata").glob("*.metadata.json"))[-1]


def test_iceberg_table_is_read_as_the_metadata_file_given_tells_it(
    tmp_path: Path,
) -> None:
    table = iceberg_copy(tmp_path)
    early = sorted((table / "metadata").glob("*.metadata.json"))[1]
    assert [fact.number for fact in versions_of(early)] == [3.0]


def test_two_newest_metadata_files_need_a_choice(tmp_path: Path) -> None:
    table = iceberg_copy(tmp_path)
    number = newest(table).name.partition("-")[0]
    other = "9" * 8 + "-1111-4111-8111-" + "1" * 12
    shutil.copy(
        newest(table), newest(table).with_name(f"{number}-{other}.metadata.json")
    )
    with pytest.raises(ConnectorError) as caught:
        source_at(table)
    assert "import that file" in caught.value.hint


@pytest.mark.parametrize(
    "location",
    ["s3://warehouse/shop/other", "s3://elsewhere/shop/orders", "file:///shop/orders"],
)
def test_iceberg_files_outside_of_the_location_are_refused(
    tmp_path: Path, location: str
) -> None:
    table = iceberg_copy(tmp_path)
    told = json.loads(newest(table).read_text())
    newest(table).write_text(json.dumps(told | {"location": location}))
    source = source_at(table)
    assert not of_kind(told_by(source), FactKind.DATASET_VERSION)
    assert len(source.tally.refused) == len(ROWS["iceberg"])
    assert "lies outside of the table" in source.tally.refused[0].why


def test_iceberg_manifest_that_is_gone_refuses_its_snapshots(tmp_path: Path) -> None:
    table = iceberg_copy(tmp_path)
    for path in (table / "metadata").glob("snap-*.avro"):
        path.unlink()
        break
    source = source_at(table)
    assert len(of_kind(told_by(source), FactKind.DATASET_VERSION)) == 3
    assert len(source.tally.refused) == 1


@pytest.mark.parametrize("cut", [0, 3, 20, 200, 1_000, -1, -17])
def test_damaged_iceberg_manifest_is_refused_whatever_is_cut(
    tmp_path: Path, cut: int
) -> None:
    table = iceberg_copy(tmp_path)
    for path in (table / "metadata").glob("*.avro"):
        path.write_bytes(path.read_bytes()[:cut])
    source = source_at(table)
    assert not of_kind(told_by(source), FactKind.DATASET_VERSION)
    assert len(source.tally.refused) == len(ROWS["iceberg"])
