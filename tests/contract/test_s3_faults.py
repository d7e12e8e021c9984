"""What a store does when the service loses answers, is busy, or says no."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from console.services.checkpoints import verify_log
from console.services.signing import append
from policies.predicates import LineageBatch
from store import s3_rest
from store.backend import Backend, HoldsConnections, entry_path
from store.errors import NotAStore, StoreDamaged, StoreRefused, StoreUnavailable
from store.facts import Fact, FactKind
from store.opening import open_backend
from tests.contract.s3_faults import Fault, FaultyService, faulty
from tests.contract.s3_places import S3Place, client
from tests.worlds import World, new_world


@pytest.fixture
def service(moto: S3Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyService]:
    with faulty(moto.endpoint) as service:
        for name, value in moto.variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", service.endpoint)
        monkeypatch.setattr(s3_rest, "_PAUSES_SECONDS", (0.0, 0.0))
        yield service


@pytest.fixture
def backend(service: FaultyService, moto: S3Place) -> Iterator[Backend]:
    made = open_backend(moto.address())
    assert isinstance(made, HoldsConnections)
    yield made
    made.close()


@pytest.fixture
def world(service: FaultyService, moto: S3Place, tmp_path: Path) -> Iterator[World]:
    made = new_world(tmp_path / "world", address=moto.address())
    yield made
    made.store.close()


def note(number: int) -> Fact:
    return Fact(kind=FactKind.TAG, subject="run:m/1", name=str(number), text="x")


@pytest.mark.parametrize("count", [1, 2])
def test_a_statement_whose_acknowledgement_was_lost_is_in_the_log_once(
    world: World, service: FaultyService, count: int
) -> None:
    before = world.store.log.head().size
    acting = world.people["dana"]
    service.faults = [("PUT", Fault.LOSE_ANSWER)] * count
    batch = LineageBatch("m", "x", "0" * 64, 1, "2026-03-01T12:00:00Z")
    done = append(world.store, acting, batch, ("m", "0" * 64))
    assert service.faults == []
    assert world.store.log.head().size == before + 1
    assert [e.judgement.statement_id for e in world.store.index.entries(before)] == [
        done.statement_id
    ]


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.SLOW_DOWN])
def test_what_is_transient_is_tried_again(
    backend: Backend, service: FaultyService, fault: Fault
) -> None:
    service.faults = [("PUT", fault)]
    assert backend.put_if_absent(entry_path(0), b"x")
    service.faults = [("GET", fault), ("GET", fault)]
    assert backend.read(entry_path(0), at_most=10) == b"x"
    assert service.faults == []


def test_a_conflict_with_another_writer_is_tried_again(
    backend: Backend, service: FaultyService
) -> None:
    service.faults = [("PUT", Fault.CONFLICT)] * 3
    assert backend.put_if_absent(entry_path(0), b"x")
    assert service.seen.count("PUT") == 4


def test_retries_end(backend: Backend, service: FaultyService) -> None:
    service.faults = [("GET", Fault.SLOW_DOWN)] * 50
    with pytest.raises(StoreUnavailable, match="answered 503"):
        backend.read(entry_path(0), at_most=10)
    assert len(service.seen) == 3


@pytest.mark.parametrize(
    ("fault", "kind", "hint"),
    [
        (Fault.EXPIRED_TOKEN, StoreRefused, "Log in again"),
        (Fault.SKEWED, StoreRefused, "Set this machine's clock"),
        (Fault.NOT_S3, NotAStore, "AWS_ENDPOINT_URL_S3"),
    ],
)
def test_a_final_answer_is_not_tried_again_and_says_what_to_do(
    backend: Backend,
    service: FaultyService,
    fault: Fault,
    kind: type[StoreRefused],
    hint: str,
) -> None:
    service.faults = [("GET", fault)]
    with pytest.raises(kind) as caught:
        backend.read(entry_path(0), at_most=10)
    assert hint in caught.value.hint
    assert service.seen == ["GET"]


def test_without_credentials_nothing_is_asked(
    backend: Backend, service: FaultyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StoreRefused, match="no credentials"):
        backend.read(entry_path(0), at_most=10)
    with pytest.raises(StoreRefused, match="no credentials"):
        backend.put_if_absent(entry_path(0), b"x")
    assert service.seen == []


@pytest.mark.parametrize("profile", ["missing", "broken"])
def test_credentials_that_cannot_be_had_are_not_taken_for_being_offline(
    world: World,
    service: FaultyService,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    profile: str,
) -> None:
    settings = tmp_path / "settings"
    settings.write_text("[profile broken]\ncredential_process = false\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(settings))
    monkeypatch.setenv("AWS_PROFILE", profile)
    service.seen.clear()
    with pytest.raises(StoreRefused, match="cannot be had") as caught:
        world.reopened()
    assert "AWS_PROFILE" in caught.value.hint
    assert service.seen == []


def test_an_entry_in_the_copy_counts_only_while_the_store_has_it(
    world: World, moto: S3Place
) -> None:
    """A lost index is made again from the copy, and held against the store."""
    world.tell(note(1))
    last = world.store.index.size - 1
    prefix = world.store.address.removeprefix(f"s3://{moto.bucket}/")
    world.store.close()
    for remembered in world.store.folder.glob("decisions.sqlite*"):
        remembered.unlink()
    with closing(client(moto)) as bucket:
        bucket.delete_object(Bucket=moto.bucket, Key=f"{prefix}/{entry_path(last)}")
    with pytest.raises(StoreDamaged, match="has seen"):
        world.reopened()


def test_a_machine_that_joins_late_reads_ahead_and_sees_the_same(
    world: World, service: FaultyService
) -> None:
    for number in range(24):
        batch = LineageBatch("m", "x", "0" * 64, number, "2026-03-01T12:00:00Z")
        append(world.store, world.people["dana"], batch, ("m", "0" * 64))
    service.seen.clear()
    late = world.reopened(world.elsewhere("late"))
    assert service.seen.count("GET") > late.index.size + 8, "some were asked ahead"
    assert late.log.head() == world.store.log.head()
    late.close()


@pytest.fixture
def versioned(moto: S3Place) -> Iterator[S3Place]:
    """The bucket while it keeps old versions."""
    with closing(client(moto)) as bucket:
        for status in ("Enabled", "Suspended"):
            bucket.put_bucket_versioning(
                Bucket=moto.bucket, VersioningConfiguration={"Status": status}
            )
            if status == "Enabled":
                yield moto


def test_the_oldest_version_of_an_entry_is_the_entry(
    world: World, versioned: S3Place
) -> None:
    world.tell(note(1))
    last = world.store.index.size - 1
    key = world.store.address.removeprefix(f"s3://{versioned.bucket}/")
    key += f"/{entry_path(last)}"
    with closing(client(versioned)) as bucket:
        bucket.put_object(Bucket=versioned.bucket, Key=key, Body=b"overwritten")
    late = world.reopened(world.elsewhere("late"))
    problems = verify_log(late, deep=False).problems
    assert any("written over before this machine read it" in p for p in problems)
    late.close()
    here = verify_log(world.store, deep=False).problems
    assert any("changed after this machine read it" in p for p in here)
    assert not any("written over" in p for p in here)
