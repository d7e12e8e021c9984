"""The doctor on a bucket: what its owner has forgotten, and what cannot be told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from console.services.doctor import Health, examine
from store import s3_rest
from tests.contract.s3_faults import Fault, FaultyService, faulty
from tests.contract.s3_places import S3Place, client
from tests.worlds import World, new_world

OVERWRITING = "the bucket refuses writes to entry/ without If-None-Match"
DELETING = "the bucket refuses deletes under entry/"
KEEPING = "of two writes the first is kept"
CLOCKS = "this machine's clock agrees with the service's"


@pytest.fixture
def service(moto: S3Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyService]:
    with faulty(moto.endpoint) as service:
        for name, value in moto.variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", service.endpoint)
        monkeypatch.setattr(s3_rest, "_PAUSES_SECONDS", (0.0, 0.0))
        yield service


@pytest.fixture
def world(service: FaultyService, moto: S3Place, tmp_path: Path) -> Iterator[World]:
    made = new_world(tmp_path / "world", address=moto.address())
    yield made
    made.store.close()


def healths(world: World) -> dict[str, Health]:
    return {finding.what: finding.health for finding in examine(world.store)}


def names(world: World, moto: S3Place) -> set[str]:
    prefix = world.store.address.removeprefix(f"s3://{moto.bucket}/")
    with closing(client(moto)) as bucket:
        answer = bucket.list_objects_v2(Bucket=moto.bucket, Prefix=prefix)
    return {item["Key"] for item in answer["Contents"]}


def test_a_bucket_without_a_policy_is_warned_of_and_left_as_it_was(
    world: World, moto: S3Place
) -> None:
    before = names(world, moto)
    found = healths(world)
    assert found[KEEPING] is Health.FINE
    assert found[OVERWRITING] is found[DELETING] is Health.WARNING
    assert found[CLOCKS] is Health.FINE
    assert names(world, moto) == before


def test_the_bucket_policy_of_the_documentation_is_fine(
    world: World, service: FaultyService
) -> None:
    service.has_policy = True
    found = healths(world)
    assert found[OVERWRITING] is found[DELETING] is found[KEEPING] is Health.FINE
    assert world.store.catch_up() == 1, "the first entry is as it was"


def test_who_may_not_write_cannot_tell_what_the_policy_is(
    world: World, service: FaultyService
) -> None:
    service.is_read_only = True
    found = healths(world)
    assert found[KEEPING] is Health.WARNING
    assert found[OVERWRITING] is Health.UNKNOWN


def test_a_service_that_breaks_off_has_refused_nothing(
    world: World, service: FaultyService
) -> None:
    service.faults = [("DELETE", Fault.SLOW_DOWN)] * 50
    assert healths(world)[DELETING] is Health.UNKNOWN


def test_a_clock_that_is_off_is_told(world: World, service: FaultyService) -> None:
    service.seconds_off = 600
    assert healths(world)[CLOCKS] is Health.WARNING


def test_versioning_that_is_on_without_object_lock_is_told(
    world: World, moto: S3Place
) -> None:
    with closing(client(moto)) as bucket:
        bucket.put_bucket_versioning(
            Bucket=moto.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        told = next(
            f for f in examine(world.store) if f.what == "old versions are kept"
        )
        bucket.put_bucket_versioning(
            Bucket=moto.bucket, VersioningConfiguration={"Status": "Suspended"}
        )
    assert told.found == "versioning is on, Object Lock is not"


@pytest.mark.parametrize(
    ("address", "fault", "code", "hint"),
    [
        ("s3://no-such-bucket-here/x", None, 1, "Create it first"),
        ("s3://countersign/nothing-here", None, 1, "countersign init"),
        ("s3://countersign/x", Fault.SKEWED, 1, "Set this machine's clock"),
        ("s3://countersign/x", Fault.NOT_S3, 1, "AWS_ENDPOINT_URL_S3"),
        ("s3://countersign/x", Fault.SLOW_DOWN, 3, "Check the network"),
    ],
)
def test_a_store_that_does_not_open_is_a_finding_with_a_next_step(
    service: FaultyService, address: str, fault: Fault | None, code: int, hint: str
) -> None:
    service.faults = [("GET", fault)] * 9 if fault else []
    done = subprocess.run(
        [sys.executable, "-m", "console", "doctor", "--format", "json"],
        env=os.environ | {"COUNTERSIGN_STORE": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert len(findings) == 1
    assert hint in findings[0]["next_step"]
