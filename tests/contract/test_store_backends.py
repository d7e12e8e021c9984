"""Every place a store can be in keeps the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store.backend import Backend, CanRemove, entry_path, object_path
from store.errors import NotAStore, StoreDamaged, StoreRefused, StoreUnavailable
from store.objects import Objects
from store.opening import create_backend, open_backend
from tests.contract.s3_places import ENDPOINT, S3Place, client, moto_place, real_place


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Place]:
    with moto_place(tmp_path_factory.mktemp("moto")) as place:
        yield place


@pytest.fixture
def s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    """The service that a test's parameter names."""
    place = real_place() if request.param == "real" else request.getfixturevalue("moto")
    if place is None:
        pytest.skip(f"{ENDPOINT} names no S3 service")
    for name, value in place.variables().items():
        monkeypatch.setenv(name, value)
    assert isinstance(place, S3Place)
    return place


@pytest.fixture(params=["folder", "moto", "real"])
def address(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Somewhere a store could be made."""
    if request.param == "folder":
        return str(tmp_path / "store")
    place = real_place() if request.param == "real" else request.getfixturevalue("moto")
    if place is None:
        pytest.skip(f"{ENDPOINT} names no S3 service")
    for name, value in place.variables().items():
        monkeypatch.setenv(name, value)
    return str(place.address())


@pytest.fixture
def backend(address: str) -> Backend:
    return create_backend(address)


services = pytest.mark.parametrize("s3", ["moto", "real"], indirect=True)


def test_what_was_put_is_read_back_whole(backend: Backend) -> None:
    for path, data in (
        (entry_path(0), b""),
        (entry_path(1), b"\x00\xff" * 5000),
        (object_path("a" * 64), b"x" * 3_000_000),
    ):
        assert backend.read(path, at_most=4_000_000) is None
        assert backend.put_if_absent(path, data)
        assert backend.read(path, at_most=4_000_000) == data


def test_the_first_of_two_writes_stays(backend: Backend) -> None:
    assert backend.put_if_absent(entry_path(7), b"first")
    assert not backend.put_if_absent(entry_path(7), b"second")
    assert backend.read(entry_path(7), at_most=64) == b"first"


def test_of_writers_at_once_exactly_one_wins(backend: Backend) -> None:
    def put(number: int) -> bool:
        return backend.put_if_absent(entry_path(3), b"writer %d" % number)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(put, range(8)))
    assert won.count(True) == 1
    kept = backend.read(entry_path(3), at_most=64)
    assert kept == b"writer %d" % won.index(True)


def test_names_are_those_under_a_prefix(backend: Backend) -> None:
    for number in (0, 1, 1500):
        backend.put_if_absent(entry_path(number), b"x")
    backend.put_if_absent("checkpoint/000", b"x")
    assert sorted(backend.names("entry/")) == sorted(map(entry_path, (0, 1, 1500)))
    assert list(backend.names("nothing/")) == []


def test_reading_is_bounded(backend: Backend) -> None:
    backend.put_if_absent(entry_path(0), b"x" * 1000)
    with pytest.raises(StoreDamaged, match="larger than 999"):
        backend.read(entry_path(0), at_most=999)
    assert backend.read(entry_path(0), at_most=1000) == b"x" * 1000


def test_what_is_removed_is_gone_and_may_be_gone_already(backend: Backend) -> None:
    assert isinstance(backend, CanRemove)
    digest = Objects(backend).put(b"words")
    backend.remove(object_path(digest))
    backend.remove(object_path(digest))
    assert Objects(backend).find(digest) is None


def test_a_second_store_in_the_same_place_is_refused(address: str) -> None:
    create_backend(address).put_if_absent(entry_path(0), b"x")
    with pytest.raises(StoreRefused, match="holds a store already"):
        create_backend(address)


@pytest.mark.parametrize(
    "wrong", ["s3://", "s3:///x", "s3://bucket//x/y", "s3://bucket/../x/y", "gs://b/x"]
)
def test_an_address_that_names_no_place_is_refused(wrong: str) -> None:
    with pytest.raises(NotAStore):
        open_backend(wrong).read(entry_path(0), at_most=10)


@services
def test_a_bucket_that_is_not_there_is_told(s3: S3Place) -> None:
    backend = open_backend("s3://no-such-bucket-here/store")
    with pytest.raises(NotAStore, match="no bucket"):
        backend.read(entry_path(0), at_most=10)
    with pytest.raises((NotAStore, StoreRefused)):
        backend.put_if_absent(entry_path(0), b"x")


@pytest.mark.parametrize("s3", ["real"], indirect=True)
def test_a_wrong_secret_is_refused_and_never_shown(
    s3: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret-4711")
    backend = open_backend(s3.address())
    for attempt in (
        lambda: backend.read(entry_path(0), at_most=10),
        lambda: backend.put_if_absent(entry_path(0), b"x"),
    ):
        with pytest.raises(StoreRefused, match="SignatureDoesNotMatch") as caught:
            attempt()
        assert "secret key is wrong" in caught.value.hint
        assert "4711" not in str(caught.value) + repr(vars(backend))


@services
def test_a_service_that_is_down_is_unavailable_and_says_where(
    s3: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from store import s3_rest

    monkeypatch.setattr(s3_rest, "_PAUSES_SECONDS", (0.0,))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    backend = open_backend(s3.address())
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9 does not answer"):
        backend.read(entry_path(0), at_most=10)


@services
def test_names_with_odd_characters_are_signed_right(s3: S3Place) -> None:
    backend = open_backend(f"s3://{s3.bucket}/a b+c=d/ü~(1)/store")
    assert backend.put_if_absent("entry/000", b"x")
    assert backend.read("entry/000", at_most=10) == b"x"
    found = client(s3).get_object(Bucket=s3.bucket, Key="a b+c=d/ü~(1)/store/entry/000")
    assert found["Body"].read() == b"x"
