"""CSV files are told by what is in them, and no value of a row becomes a name."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from connectors import data_csv
from connectors.opening import open_sources
from store.facts import Fact, FactKind
from tests.unit.connectors.facts import of_kind, told_by

ROWS = b'id,name,amount\n1,"Ann\nLee",2.5\n2,,3\n3,Bo,\n'


def version_of(path: Path) -> Fact:
    (source,) = open_sources(str(path))
    told = told_by(source)
    assert not source.tally.refused, source.tally.refused
    (version,) = of_kind(told, FactKind.DATASET_VERSION)
    return version


def columns_of(fact: Fact) -> list[tuple[str, str]]:
    return [(c["name"], c["type"]) for c in json.loads(fact.text or "")]


def refusal_of(path: Path) -> str:
    (source,) = open_sources(str(path))
    assert not of_kind(told_by(source), FactKind.DATASET_VERSION)
    (refused,) = source.tally.refused
    return refused.why


@pytest.mark.parametrize("name", ["loans.csv", "loans.csv.gz"])
def test_rows_types_and_digest_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(ROWS) if name.endswith(".gz") else ROWS)
    version = version_of(path)
    assert (version.name, version.number) == ("loans", 3.0)
    assert version.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert columns_of(version) == [
        ("id", "int64"),
        ("name", "string"),
        ("amount", "double"),
    ]


def test_profile_counts_what_is_missing_and_different(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(ROWS)
    (source,) = open_sources(str(path))
    (profile,) = of_kind(told_by(source), FactKind.DATA_PROFILE)
    amount = json.loads(profile.text or "")["columns"][2]
    assert (amount["missing"], amount["distinct"], amount["most"]) == (1, 2, "3.0")


def test_type_that_only_the_last_row_shows_holds_for_the_column(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_bytes(b"n\n" + b"1\n" * 500_000 + b"x\n")
    assert columns_of(version_of(path)) == [("n", "string")]


def test_first_line_of_values_names_no_column(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"Ann Lee,1970,ill\nBo Berg,1980,well\n")
    version = version_of(path)
    assert version.number == 2.0
    assert "Ann" not in (version.text or "")


def test_index_column_without_a_name_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "frame.csv"
    path.write_bytes(b",a\n0,1\n1,2\n")
    assert columns_of(version_of(path)) == [("", "int64"), ("a", "int64")]


def test_file_too_large_for_a_profile_is_counted_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_csv, "MOST_PROFILED_BYTES", 1_000)
    path = tmp_path / "long.csv"
    path.write_bytes(b"id,text\n" + b'7,"two\nlines"\n' * 20_000)
    (source,) = open_sources(str(path))
    told = told_by(source)
    (version,) = of_kind(told, FactKind.DATASET_VERSION)
    assert version.number == 20_000.0
    assert columns_of(version) == [("id", "string"), ("text", "string")]
    assert not of_kind(told, FactKind.DATA_PROFILE)


def test_file_that_unpacks_without_end_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_csv, "MOST_PROFILED_BYTES", 1_000)
    monkeypatch.setattr(data_csv, "MOST_BYTES", 1_000_000)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"1\n" * 5_000_000))
    assert "unpacks to more than" in refusal_of(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("blank.csv", b"\n \n"),
        ("uneven.csv", b"a,b\n1,2\n3\n"),
        ("latin.csv.gz", b"a,b\n1,2\n"),
        ("cut.csv.gz", gzip.compress(ROWS, mtime=0)[:-12]),
        ("wide.csv", b",".join([b"c"] * 10_001) + b"\n"),
    ],
)
def test_what_is_no_csv_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert name in refusal_of(path)


def test_refusal_cites_no_row(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"name,illness\nAnn Lee,flu\nBo Berg,cough,secret\n")
    why = refusal_of(path)
    assert not any(word in why for word in ("Ann", "Berg", "secret"))
