"""Data in a bucket is told as it is in a folder, and with what the bucket promises."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.artifacts import LocalArtifacts
from connectors.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from connectors.opening import open_sources
from connectors.s3_artifacts import PlacedArtifacts
from store.facts import Fact, FactKind
from tests.contract.s3_places import S3Place, client
from tests.unit.connectors.facts import of_kind, told_by
from tests.unit.connectors.test_mlflow_database import OLD_SCHEMA, change

pytestmark = pytest.mark.peer
TABLES = Path(__file__).parents[1] / "tables"
CSV = b"id,amount\n1,2.5\n2,3.5\n"


@pytest.fixture
def place(moto: S3Place, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    for name, value in moto.variables().items():
        monkeypatch.setenv(name, value)
    return moto


@pytest.fixture
def prefix() -> str:
    return secrets.token_hex(6)


def put(place: S3Place, key: str, data: bytes) -> None:
    client(place).put_object(Bucket=place.bucket, Key=key, Body=data)


def put_folder(place: S3Place, folder: Path, prefix: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            put(place, key, path.read_bytes())


def told_at(address: str, *, name: str = "") -> list[Fact]:
    facts: list[Fact] = []
    for source in open_sources(address, name=name):
        facts += told_by(source)
        assert not source.tally.refused, source.tally.refused
    return facts


def versions_at(address: str, *, name: str = "") -> list[Fact]:
    return of_kind(told_at(address, name=name), FactKind.DATASET_VERSION)


def tags_of(facts: list[Fact]) -> dict[str, str]:
    return {fact.name: fact.text or "" for fact in of_kind(facts, FactKind.TAG)}


@pytest.mark.parametrize("form", ["delta", "iceberg"])
def test_table_in_a_bucket_is_the_table_in_a_folder(
    place: S3Place, prefix: str, form: str
) -> None:
    put_folder(place, TABLES / form / "orders", f"{prefix}/orders")
    there = versions_at(f"s3://{place.bucket}/{prefix}/orders")
    here = versions_at(str(TABLES / form / "orders"))
    assert [(f.digest, f.number, f.text) for f in there] == [
        (f.digest, f.number, f.text) for f in here
    ]
    assert there[0].location == f"s3://{place.bucket}/{prefix}/orders"


def test_part_of_a_bucket_is_its_files_and_its_folders(
    place: S3Place, prefix: str
) -> None:
    put_folder(place, TABLES, f"{prefix}/lake/tables")
    put_folder(place, TABLES / "delta" / "orders", f"{prefix}/lake/orders")
    put(place, f"{prefix}/lake/loans.csv", CSV)
    put(place, f"{prefix}/lake/more/people.csv", CSV)
    put(place, f"{prefix}/lake/notes.txt", b"x")
    names = [s.name for s in open_sources(f"s3://{place.bucket}/{prefix}/lake/")]
    assert names == ["lake", "more", "orders"]


def test_single_object_is_told_by_its_bytes_and_where_it_lies(
    place: S3Place, prefix: str
) -> None:
    put(place, f"{prefix}/loans of 2026.csv", CSV)
    address = f"s3://{place.bucket}/{prefix}/loans of 2026.csv"
    (version,) = versions_at(address)
    assert version.digest == f"sha256:{hashlib.sha256(CSV).hexdigest()}"
    assert (version.name, version.number) == ("loans of 2026", 2.0)
    assert version.location == address


def test_object_larger_than_memory_allows_is_read_from_a_copy(
    place: S3Place, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.s3_files.MOST_IN_MEMORY", 1_000)
    data = b"id\n" + b"123\n" * 700_000
    put(place, f"{prefix}/long.csv", data)
    (version,) = versions_at(f"s3://{place.bucket}/{prefix}/long.csv")
    assert version.number == 700_000.0
    assert version.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_object_larger_than_the_disk_is_refused(
    place: S3Place, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.s3_files.MOST_IN_MEMORY", 10)
    monkeypatch.setattr("connectors.s3_files._SPARE_BYTES", 2**62)
    put(place, f"{prefix}/loans.csv", CSV)
    with pytest.raises(ConnectorRefused) as caught:
        versions_at(f"s3://{place.bucket}/{prefix}/loans.csv")
    assert "TMPDIR" in caught.value.hint


@pytest.fixture
def locked(place: S3Place, prefix: str) -> str:
    """A bucket with versions and Object Lock."""
    name = f"locked-{prefix}"
    client(place).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


UNTIL = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)


def lock(
    place: S3Place,
    bucket: str,
    key: str,
    data: bytes,
    *,
    mode: str = "COMPLIANCE",
    until: datetime = UNTIL,
    hold: str = "OFF",
) -> str:
    answer = client(place).put_object(
        Bucket=bucket,
        Key=key,
        Body=data,
        ObjectLockMode=mode,
        ObjectLockRetainUntilDate=until,
        ObjectLockLegalHoldStatus=hold,
    )
    return str(answer["VersionId"])


def test_version_and_lock_of_an_object_are_told(place: S3Place, locked: str) -> None:
    version = lock(place, locked, "loans.csv", CSV, hold="ON")
    assert tags_of(told_at(f"s3://{locked}/loans.csv")) == {
        "s3.version": version,
        "s3.lock": "COMPLIANCE until 2040-01-02T03:04:05Z",
        "s3.legal-hold": "on",
    }


def test_object_without_versions_has_no_tags(place: S3Place, prefix: str) -> None:
    put(place, f"{prefix}/loans.csv", CSV)
    assert not tags_of(told_at(f"s3://{place.bucket}/{prefix}/loans.csv"))


def test_table_is_kept_as_long_as_the_first_file_that_may_go(
    place: S3Place, locked: str
) -> None:
    folder = TABLES / "iceberg" / "orders"
    for number, path in enumerate(sorted(folder.rglob("*.*"))):
        is_weak = path.name.endswith(".parquet")
        lock(
            place,
            locked,
            f"orders/{path.relative_to(folder).as_posix()}",
            path.read_bytes(),
            mode="GOVERNANCE" if is_weak and number % 2 else "COMPLIANCE",
            until=UNTIL + timedelta(days=number),
        )
    told = told_at(f"s3://{locked}/orders")
    (last,) = of_kind(told, FactKind.DATASET_VERSION)[-1:]
    tags = tags_of([fact for fact in told if fact.subject == last.subject])
    assert tags["s3.lock"].startswith("GOVERNANCE until 2040-01-02T03:04:05Z")
    assert not {"s3.version", "s3.legal-hold"} & set(tags)


@pytest.mark.parametrize(
    "address",
    ["s3://no-such-bucket-at-all/x", "s3://", "s3:///x", "s3://{bucket}/none/here"],
)
def test_places_without_data_are_errors_with_a_next_step(
    place: S3Place, address: str
) -> None:
    with pytest.raises(ConnectorError) as caught:
        open_sources(address.format(bucket=place.bucket))
    assert caught.value.hint


def test_service_that_does_not_answer_is_unavailable(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ConnectorUnavailable):
        open_sources(f"s3://{place.bucket}/x")


def test_model_files_in_a_bucket_are_hashed_like_those_in_a_folder(
    place: S3Place, prefix: str, tmp_path: Path
) -> None:
    for name in ("MLmodel", "data/model.bin", "data/a b%20c.txt"):
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_bytes(name.encode() * 1000)
    put_folder(place, tmp_path / "m", f"{prefix}/m")
    put(place, f"{prefix}/m-other/file", b"not of this model")
    put(place, f"{prefix}/m/folder/", b"")
    reader = PlacedArtifacts(LocalArtifacts(None))
    there, here = f"s3://{place.bucket}/{prefix}/m", f"{(tmp_path / 'm').as_uri()}"
    assert reader.files(there) == reader.files(here)
    assert reader.read(there, "MLmodel", at_most=7_000) == b"MLmodel" * 1000
    assert b"".join(reader.pieces(there, "MLmodel")) == b"MLmodel" * 1000
    with pytest.raises(ConnectorRefused):
        reader.read(there, "MLmodel", at_most=6_999)
    for path in ("../m-other/file", "/etc/passwd", "none"):
        with pytest.raises(ConnectorError):
            reader.read(there, path, at_most=100)


def test_key_that_leads_out_of_the_model_is_refused(
    place: S3Place, prefix: str
) -> None:
    put(place, f"{prefix}/m/../x", b"x")
    reader = PlacedArtifacts(LocalArtifacts(None))
    with pytest.raises(ConnectorError):
        reader.files(f"s3://{place.bucket}/{prefix}/m")


def test_bucket_that_refused_is_not_asked_for_every_version(place: S3Place) -> None:
    reader = PlacedArtifacts(LocalArtifacts(None))
    raised = []
    for version in ("1", "2"):
        with pytest.raises(ConnectorError) as caught:
            reader.files(f"s3://no-such-bucket-at-all/{version}")
        raised.append(caught.value)
    assert raised[0] is raised[1]


def test_empty_place_of_one_version_says_nothing_of_the_next(
    place: S3Place, prefix: str
) -> None:
    put(place, f"{prefix}/2/MLmodel", b"x")
    reader = PlacedArtifacts(LocalArtifacts(None))
    with pytest.raises(ConnectorUnavailable):
        reader.files(f"s3://{place.bucket}/{prefix}/1")
    (file,) = reader.files(f"s3://{place.bucket}/{prefix}/2")
    assert file.path == "MLmodel"


def test_registry_whose_models_lie_in_a_bucket_is_read_with_their_files(
    place: S3Place, prefix: str, tmp_path: Path
) -> None:
    put(place, f"{prefix}/m/MLmodel", b"flavors: {}\n")
    location = f"s3://{place.bucket}/{prefix}/m"
    database = tmp_path / "mlflow.db"
    change(database, OLD_SCHEMA)
    change(database, f"UPDATE model_versions SET source = '{location}'")
    files = of_kind(told_at(str(database)), FactKind.FILE)
    assert {(f.name, f.digest) for f in files} == {
        ("MLmodel", hashlib.sha256(b"flavors: {}\n").hexdigest())
    }
