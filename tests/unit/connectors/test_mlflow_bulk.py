"""Runs read in bulk tell the same facts as runs read row by row, whatever they hold."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.mlflow import bulk_memory, bulk_reading, bulk_runs
from connectors.mlflow.bulk_reading import DatabaseParts
from connectors.mlflow.columns import RunColumns
from connectors.mlflow.database import MlflowDatabase
from connectors.mlflow.engines import SQLITE
from connectors.mlflow.meanings import LONGEST_TAG
from connectors.mlflow.rows import UnusualValue
from connectors.mlflow.telling import MlflowSource
from connectors.protocols import KnownState, PartMemory
from store.facts import COLUMNS, TIME_COLUMNS, Fact, FactKind, fact_id
from store.projection.batches import batch_schema

KNOWN = KnownState(datetime(2026, 11, 24, tzinfo=UTC))
SCHEMA = """
CREATE TABLE alembic_version (version_num);
CREATE TABLE experiments (experiment_id INTEGER, name);
CREATE TABLE runs (run_uuid PRIMARY KEY, name, user_id, status, start_time, end_time,
    lifecycle_stage, artifact_uri, experiment_id);
CREATE TABLE tags (key, value, run_uuid, PRIMARY KEY (key, run_uuid));
CREATE TABLE params (key, value, run_uuid, PRIMARY KEY (key, run_uuid));
CREATE TABLE latest_metrics (key, value, timestamp, step, is_nan, run_uuid,
    PRIMARY KEY (key, run_uuid));
CREATE TABLE registered_models (name, description);
CREATE TABLE model_versions (name, version, creation_time, current_stage, source,
    run_id, status);
CREATE TABLE datasets (dataset_uuid, name, digest, dataset_source, dataset_schema);
CREATE TABLE inputs (input_uuid, source_type, source_id, destination_type,
    destination_id);
CREATE TABLE input_tags (input_uuid, name, value);
"""
HEX = "0123456789abcdef"
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
RUN_IDS = st.one_of(
    st.text(HEX, min_size=32, max_size=32),
    st.text(HEX.upper(), min_size=32, max_size=32),
    st.uuids().map(str),
    ANY_TEXT.filter(bool),
)
DATA_NAMES = st.sampled_from(["sales", "a/b c", "x.sha256", "näme\n"])
TAG_NAMES = st.one_of(
    st.sampled_from(
        [
            "mlflow.user",
            "mlflow.parentRunId",
            "mlflow.source.git.commit",
            "countersign.git.commit",
            "mlflow.loggedModels",
            "mlflow.log-model.history",
        ]
    ),
    DATA_NAMES.map(lambda name: f"countersign.dataset.{name}.sha256"),
    ANY_TEXT,
)
TAG_VALUES = st.one_of(
    st.none(),
    ANY_TEXT,
    st.sampled_from(["", "ab" * 20, "AB" * 20, "cd" * 32, "CD" * 32, "0" * 40 + "\n"]),
    st.integers(LONGEST_TAG - 1, LONGEST_TAG + 1).map(lambda n: "🦊" * n),
)
MOMENTS = st.one_of(
    st.none(),
    st.integers(0, 2_000_000_000_000),
    st.sampled_from(
        [-62_135_596_800_001, -62_135_596_800_000, 253_402_300_799_999, 2**62]
    ),
)
NUMBERS = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(2**60), 2**60),
    st.just(1.7976931348623157e308),
)
RUN = st.fixed_dictionaries(
    {
        "name": st.one_of(st.none(), ANY_TEXT),
        "user": st.one_of(st.none(), ANY_TEXT),
        "status": st.sampled_from(["FINISHED", None]),
        "start": MOMENTS,
        "end": MOMENTS,
        "lifecycle": st.sampled_from(["active", "deleted", None]),
        "experiment": st.integers(0, 3),
        "tags": st.dictionaries(TAG_NAMES, TAG_VALUES, max_size=5),
        "params": st.dictionaries(ANY_TEXT, st.one_of(st.none(), ANY_TEXT), max_size=3),
        "metrics": st.dictionaries(
            ANY_TEXT,
            st.tuples(
                NUMBERS, MOMENTS, st.one_of(st.none(), st.integers(0, 9)), st.booleans()
            ),
            max_size=3,
        ),
        "inputs": st.lists(
            st.tuples(DATA_NAMES, ANY_TEXT, st.one_of(st.none(), ANY_TEXT)), max_size=3
        ),
    }
)


def write(path: Path, runs: dict[str, dict[str, Any]], first: int = 0) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        if not first:
            connection.executescript(SCHEMA)
        insert = connection.executemany
        many = first
        for run, of in runs.items():
            row: tuple[Any, ...]
            row = (run, of["name"], of["user"], of["status"], of["start"], of["end"])
            row += (of["lifecycle"], "s3://a", of["experiment"])
            insert("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?)", [row])
            for table in ("tags", "params"):
                rows = [(k, v, run) for k, v in of[table].items()]
                insert(f"INSERT INTO {table} VALUES (?,?,?)", rows)
            metrics = [
                (k, v, at, s, n, run) for k, (v, at, s, n) in of["metrics"].items()
            ]
            insert("INSERT INTO latest_metrics VALUES (?,?,?,?,?,?)", metrics)
            for name, digest, context in of["inputs"]:
                many += 1
                data = (
                    f"d{many}",
                    name,
                    digest,
                    "s3://lake",
                    None if many % 2 else "{}",
                )
                insert("INSERT INTO datasets VALUES (?,?,?,?,?)", [data])
                link = (f"i{many}", "DATASET", f"d{many}", "RUN", run)
                insert("INSERT INTO inputs VALUES (?,?,?,?,?)", [link])
                tag = (f"i{many}", "mlflow.data.context", context)
                insert("INSERT INTO input_tags VALUES (?,?,?)", [tag])


def change(path: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(script)


def as_facts(source: MlflowSource, known: KnownState = KNOWN) -> list[Fact]:
    facts = []
    for table in source.tables(known):
        assert table.schema == batch_schema()
        for row in table.to_pylist():
            for name in TIME_COLUMNS:
                row[name] = row[name] and row[name].replace(tzinfo=UTC)
            kind = FactKind(row.pop("kind"))
            facts.append(
                Fact(kind=kind, **{k: v for k, v in row.items() if k in COLUMNS})
            )
    return facts


def told(path: Path) -> tuple[set[str], set[str], int, int]:
    """Ids by row, ids in bulk, and how many inputs each took."""
    # Raises where it would not be used.
    list(MlflowDatabase(path).run_tables("m/ü", PartMemory()))
    by_row = MlflowSource("m/ü", MlflowDatabase(path), None)
    in_bulk = MlflowSource("m/ü", MlflowDatabase(path), None)
    ours = {fact_id("m", fact) for fact in as_facts(in_bulk)}
    theirs = {fact_id("m", fact) for fact in by_row.facts(KNOWN)}
    return theirs, ours, by_row.tally.accepted, in_bulk.tally.accepted


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(runs=st.dictionaries(RUN_IDS, RUN, max_size=4))
def test_bulk_tells_what_row_by_row_tells(
    runs: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    write(path, runs)
    by_row, in_bulk, rows, bulk = told(path)
    assert in_bulk == by_row
    assert rows == bulk == len(runs)


CHANGES = st.one_of(
    st.sampled_from(
        [
            "DELETE FROM params",
            "DELETE FROM latest_metrics WHERE rowid % 2",
            "DELETE FROM runs WHERE rowid = 1",
            "UPDATE runs SET status = 'KILLED', lifecycle_stage = 'deleted'",
            "UPDATE runs SET user_id = 'someone' WHERE rowid = 2",
            "UPDATE tags SET value = 'ana' WHERE key = 'mlflow.user'",
            f"UPDATE tags SET value = '{'ef' * 32}' WHERE key LIKE '%.sha256'",
            "UPDATE latest_metrics SET value = 0.5, step = 77",
            "UPDATE datasets SET digest = 'other'",
            "UPDATE input_tags SET value = 'training'",
            "INSERT OR IGNORE INTO tags SELECT 'mlflow.user', 'bo', run_uuid FROM runs",
            "VACUUM",
        ]
    ),
    st.dictionaries(st.uuids().map(lambda u: u.hex), RUN, min_size=1, max_size=2),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    runs=st.dictionaries(RUN_IDS, RUN, max_size=4),
    changes=st.lists(CHANGES, max_size=4),
)
def test_what_has_changed_is_told_again_whatever_it_is(
    runs: dict[str, dict[str, Any]],
    changes: list[str | dict[str, dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    source = MlflowSource("m", MlflowDatabase(path), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk_reading, "ROWS_AT_ONCE", 2)
        patch.setattr(bulk_runs, "_DATASETS_AT_ONCE", 2)
        write(path, runs)
        memory = PartMemory()
        told = {fact_id("m", f) for f in as_facts(source, known(memory))}
        for number, step in enumerate(changes):
            if isinstance(step, str):
                change(path, step)
            else:
                write(path, step, first=1000 * (number + 1))
            memory = PartMemory(frozenset(memory.now))
            told |= {fact_id("m", f) for f in as_facts(source, known(memory))}
            assert {fact_id("m", fact) for fact in as_facts(source)} <= told


def known(memory: PartMemory) -> KnownState:
    return KnownState(KNOWN.now, parts=memory)


def test_nothing_is_told_of_parts_that_are_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    sha = {"countersign.dataset.sales.sha256": "ab" * 32, "mlflow.user": "ana"}
    write(path, {f"r{n}": run_with(params={"a": "1"}, tags=sha) for n in range(3)})
    source = MlflowSource("m", MlflowDatabase(path), None)
    memory = PartMemory()
    assert len(as_facts(source, known(memory))) > 3 * 4
    again = as_facts(source, known(PartMemory(frozenset(memory.now))))
    assert again == []
    assert source.tally.accepted == 6


def test_a_digest_hangs_on_what_a_part_says_and_on_nothing_beneath_its_nulls() -> None:
    def part(beneath: int, last: int) -> pa.Table:
        valid = pa.py_buffer(bytes([0b101 | last << 3]))
        numbers = b"".join(n.to_bytes(8, "little") for n in (1, beneath, 3))
        data = [valid, pa.py_buffer(numbers)]
        column = pa.Array.from_buffers(pa.int64(), 3, data)
        return pa.table({"n": column, "t": ["a", None, ""], "b": [True, None, False]})

    digest = bulk_memory.part_digest
    assert part(7, 0).equals(part(9, 1))
    assert digest(part(7, 0), "x") == digest(part(9, 1), "x")
    assert digest(part(7, 0), "x") != digest(part(7, 0), "y")
    others = [
        pa.table({"n": [1, 0, 3], "t": ["a", None, ""], "b": [True, None, False]}),
        pa.table({"n": [1, None, 3], "t": ["a", "", ""], "b": [True, None, False]}),
        pa.table({"n": [1, None, 3], "t": ["a", None, ""], "b": [True, False, False]}),
        pa.table({"n": [1, None, 3], "t": ["", None, "a"], "b": [True, None, False]}),
    ]
    digests = {digest(other, "x") for other in (part(7, 0), *others)}
    assert len(digests) == 5


def test_one_new_tag_tells_its_run_and_nothing_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_reading, "ROWS_AT_ONCE", 2)
    path = tmp_path / "mlflow.db"
    write(path, {f"r{n}": run_with(tags={"a": "1", "b": "2"}) for n in range(4)})
    source, memory = MlflowSource("m", MlflowDatabase(path), None), PartMemory()
    list(source.tables(known(memory)))
    change(path, "INSERT INTO tags VALUES ('mlflow.user', 'ana', 'r1')")
    again = as_facts(source, known(PartMemory(frozenset(memory.now))))
    assert {fact.subject for fact in again} == {"run:m/r1"}
    assert {(f.kind, f.actor) for f in again} == {
        (FactKind.TAG, ""),
        (FactKind.RUN, "ana"),
    }


def test_other_code_tells_everything_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mlflow.db"
    write(path, {"r1": run_with(params={"a": "1"})})
    source, memory = MlflowSource("m", MlflowDatabase(path), None), PartMemory()
    first = as_facts(source, known(memory))
    monkeypatch.setattr(bulk_memory, "_telling_code", lambda: "another version")
    assert as_facts(source, known(PartMemory(frozenset(memory.now)))) == first


def run_with(**changes: Any) -> dict[str, Any]:
    one: dict[str, Any] = dict.fromkeys(("name", "user", "status", "start", "end"))
    one |= {"lifecycle": "active", "experiment": 1, "inputs": []}
    return one | {"tags": {}, "params": {}, "metrics": {}} | changes


def test_tables_longer_than_one_part_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_reading, "ROWS_AT_ONCE", 2)
    metrics = {f"m{n}": (n / 3, 5, n, False) for n in range(5)}
    tags = {f"countersign.dataset.d{n}.sha256": f"{n:064x}" for n in range(5)}
    runs = {f"{n:032x}": run_with(metrics=metrics, tags=tags) for n in range(4)}
    write(tmp_path / "mlflow.db", runs)
    by_row, in_bulk, rows, bulk = told(tmp_path / "mlflow.db")
    assert in_bulk == by_row
    assert (rows, bulk) == (4, 4)
    assert len(in_bulk) > 4 * 15


@pytest.mark.parametrize(
    "unusual",
    [
        "INSERT INTO params VALUES ('p', CAST(x'fffe41' AS TEXT), 'r1')",
        "INSERT INTO latest_metrics VALUES ('m', '1.5', 3, 0, 0, 'r1')",
        "INSERT INTO runs (run_uuid, experiment_id) VALUES (x'00ff', 1)",
        "INSERT INTO runs (run_uuid, experiment_id) VALUES (17, 1)",
    ],
    ids=["text that is no UTF-8", "number as text", "binary run id", "number as id"],
)
def test_what_mlflow_never_writes_is_left_to_the_slow_reader(
    tmp_path: Path, unusual: str
) -> None:
    path = tmp_path / "mlflow.db"
    write(path, {"r1": run_with(params={"a": "1"})})
    change(path, unusual)
    with pytest.raises(UnusualValue):
        list(MlflowDatabase(path).run_tables("m", PartMemory()))
    source = MlflowSource("m", MlflowDatabase(path), None)
    in_bulk = {fact_id("m", fact) for fact in as_facts(source)}
    by_row = MlflowSource("m", MlflowDatabase(path), None).facts(KNOWN)
    assert in_bulk == {fact_id("m", fact) for fact in by_row}


def test_a_server_can_write_between_two_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_reading, "ROWS_AT_ONCE", 2)
    path = tmp_path / "mlflow.db"
    write(path, {f"r{n}": run_with(params={"a": "1"}) for n in range(6)})
    database = MlflowDatabase(path)
    reading = bulk_runs.tell_runs(
        "m", DatabaseParts(path), RunColumns(SQLITE), database._columns_of, PartMemory()
    )
    next(reading)
    change(path, "INSERT INTO params VALUES ('late', '1', 'r5')")
    names = [n for table, _ in reading for n in table["name"].to_pylist()]
    assert "late" in names


def test_both_copies_of_sqlite_never_have_a_file_open_together(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    write(path, {"r1": run_with(params={"a": "1"})})
    found: list[int] = []
    with bulk_reading.one_library:
        reader = threading.Thread(
            target=lambda: found.append(len(list(MlflowDatabase(path).runs())))
        )
        reader.start()
        reader.join(0.3)
        assert found == []
    reader.join(10)
    assert found == [1]


def test_numbers_are_written_as_python_writes_them(tmp_path: Path) -> None:
    values = [1e16, 1e15, 1e-5, 0.0001, 1e22, 5e-324, 0.1 + 0.2, -0.0, math.pi * 1e100]
    metrics = {f"m{n}": (value, 1, 0, False) for n, value in enumerate(values)}
    write(tmp_path / "mlflow.db", {"r1": run_with(metrics=metrics)})
    source = MlflowSource("m", MlflowDatabase(tmp_path / "mlflow.db"), None)
    texts = {f.name: f.text for f in as_facts(source) if f.kind == FactKind.METRIC}
    assert texts == {f"m{n}": repr(value) for n, value in enumerate(values)}
