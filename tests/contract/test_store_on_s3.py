"""A whole store in a bucket: founded, used by two machines, offline, and attacked."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from console.services.checkpoints import verify_log
from console.services.configuration import Configuration
from console.services.opened import OpenStore, open_store
from console.services.pipelines.cancelling import Cancelled, cancel_launch
from console.services.pipelines.launchers import launcher_of_all
from console.services.places import Places
from console.services.problems import Undecided
from console.services.signing import act_as_person, append
from policies.predicates import LineageBatch
from policies.predicates.operations import CancelResult
from store import s3_rest
from store.backend import entry_path
from store.errors import StoreDamaged, StoreUnavailable
from store.facts import Fact, FactKind
from tests.contract.s3_places import ENDPOINT, S3Place, client, real_place
from tests.pipelines import commit_all, launch_in, make_project, put_policy
from tests.worlds import World, new_world

NOON = "2026-03-01T12:00:00Z"


@pytest.fixture(params=["moto", "real"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    found = real_place() if request.param == "real" else request.getfixturevalue("moto")
    if found is None:
        pytest.skip(f"{ENDPOINT} names no S3 service")
    for name, value in found.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3_rest, "_PAUSES_SECONDS", (0.0,))
    assert isinstance(found, S3Place)
    return found


@pytest.fixture
def bucket_world(place: S3Place, tmp_path: Path) -> Iterator[World]:
    made = new_world(tmp_path / "world", address=place.address())
    yield made
    made.store.close()


def note(number: int) -> Fact:
    return Fact(kind=FactKind.TAG, subject="run:m/1", name=str(number), text="x")


def cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")


def test_two_machines_see_one_store(bucket_world: World) -> None:
    bucket_world.tell(note(1))
    bucket_world.hire("vera", "validator")
    other = bucket_world.reopened(bucket_world.elsewhere("other"))
    assert other.log.head() == bucket_world.store.log.head()
    other.projection.catch_up()
    with other.projection.reading() as connection:
        assert connection.execute("SELECT count(*) FROM tag").fetchone() == (1,)
    assert verify_log(other, deep=True).problems == ()
    other.close()


def test_a_machine_goes_on_reading_while_the_store_does_not_answer(
    bucket_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket_world.tell(note(1))
    other = bucket_world.elsewhere("other")
    bucket_world.reopened(other).close()
    cut_off(monkeypatch)
    store = bucket_world.reopened(other)
    assert not store.is_answering
    assert store.index.size == bucket_world.store.index.size
    assert store.entry(1)
    assert store.root().version == 1
    store.close()


def test_decisions_want_the_end_of_the_log_confirmed(
    bucket_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket_world.reopened().close()
    cut_off(monkeypatch)
    store = bucket_world.reopened()
    bucket_world.clock.forward(minutes=5)
    with pytest.raises(Undecided, match="does not answer; its end was last read"):
        store.require_known_types()
    store.max_age = timedelta(minutes=4)
    with pytest.raises(Undecided):
        store.require_known_types()
    store.max_age = timedelta(minutes=6)
    store.require_known_types()
    store.close()


def test_a_launch_is_ended_while_the_store_does_not_answer_and_logged_when_it_does(
    bucket_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_policy(bucket_world)
    project = make_project(tmp_path / "code")
    commit_all(project)
    launch_in(bucket_world, project, "one")

    def cancelled() -> Cancelled:
        store = bucket_world.reopened()
        with closing(store):
            return cancel_launch(
                store,
                launcher_of_all(store),
                "one",
                lambda: bucket_world.people["dana"],
                grace_seconds=1,
            )

    with monkeypatch.context() as patch:
        cut_off(patch)
        done = cancelled()
    assert done.result is CancelResult.CANCELLED
    assert done.entry is None
    assert done.unlogged
    assert cancelled().is_new


def test_a_machine_that_knows_nothing_of_it_cannot_open_it_offline(
    bucket_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(monkeypatch)
    with pytest.raises(StoreUnavailable):
        bucket_world.reopened(bucket_world.elsewhere("stranger"))


def test_an_entry_overwritten_in_the_bucket_is_found_although_a_copy_is_here(
    bucket_world: World, place: S3Place
) -> None:
    bucket_world.tell(note(1))
    bucket_world.tell(note(2))
    prefix = bucket_world.store.address.removeprefix(f"s3://{place.bucket}/")
    with closing(client(place)) as bucket:
        bucket.put_object(
            Bucket=place.bucket, Key=f"{prefix}/{entry_path(1)}", Body=b"something else"
        )
    problems = verify_log(bucket_world.store, deep=False).problems
    assert any("entry 1" in problem and "changed" in problem for problem in problems)
    stranger = bucket_world.reopened(bucket_world.elsewhere("stranger"))
    standings = [e.judgement.standing.value for e in stranger.index.entries(1)]
    assert standings == ["void", "void"], "what was signed over the old one is void"
    stranger.close()
    for remembered in bucket_world.store.folder.glob("decisions.sqlite*"):
        remembered.unlink()
    shutil.rmtree(bucket_world.store.folder / "copy")
    with pytest.raises(StoreDamaged, match="not the ones this machine has seen"):
        bucket_world.reopened()


def test_newest_entries_deleted_from_the_bucket_are_noticed(
    bucket_world: World, place: S3Place
) -> None:
    bucket_world.tell(note(1))
    last = bucket_world.store.index.size - 1
    prefix = bucket_world.store.address.removeprefix(f"s3://{place.bucket}/")
    with closing(client(place)) as bucket:
        bucket.delete_object(Bucket=place.bucket, Key=f"{prefix}/{entry_path(last)}")
    with pytest.raises(StoreDamaged, match="has seen"):
        bucket_world.reopened()


def test_the_command_line_founds_and_reads_a_store_in_a_bucket(
    place: S3Place, tmp_path: Path
) -> None:
    environment = os.environ | {"COUNTERSIGN_STORE": place.address()}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("trust", "show").returncode == 2, "there is no store yet"
    made = run("init", "--name", "Dana", "--no-passphrase")
    assert made.returncode == 0, made.stderr
    assert run("log", "verify").returncode == 0
    environment["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9"
    shown = run("trust", "show")
    assert shown.returncode == 0
    assert "does not answer; this is what this machine read 20" in shown.stderr


def _append_many(address: str, folder: str, number: int, count: int, told: str) -> None:
    """One process: append statements, and write down each that was acknowledged."""
    places = Places(Path(folder) / f"data-{number}", Path(folder) / "config")
    key = str(Path(folder) / "config" / "keys" / "dana.pem")
    store: OpenStore = open_store(address, places, Configuration())
    dana = act_as_person(store, store.state(), key, lambda _: None)
    with open(told, "a", buffering=1) as acknowledged:
        for serial in range(count):
            text = f"writer {number} statement {serial}"
            batch = LineageBatch("m", text, "0" * 64, serial, NOON)
            done = append(store, dana, batch, ("m", "0" * 64))
            acknowledged.write(f"{done.statement_id}\n")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "moto", "real"])
def test_many_processes_append_while_some_are_killed(
    kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A gapless log with every acknowledged statement in it exactly once."""
    address, most, each = str(tmp_path / "world" / "store"), 16, 12
    if kind != "folder":
        found = real_place() if kind == "real" else request.getfixturevalue("moto")
        if found is None:
            pytest.skip(f"{ENDPOINT} names no S3 service")
        for name, value in found.variables().items():
            monkeypatch.setenv(name, value)
        address, (most, each) = found.address(), (16, 6) if kind == "real" else (8, 3)
    if os.environ.get("COUNTERSIGN_TEST_APPENDS"):
        each = int(os.environ["COUNTERSIGN_TEST_APPENDS"]) // most
    world = new_world(tmp_path / "world", address=address)
    context = multiprocessing.get_context("spawn")
    writers = []
    for number in range(most):
        told = str(tmp_path / f"told-{number}")
        arguments = (address, str(world.folder), number, each, told)
        writers.append(context.Process(target=_append_many, args=arguments))
    for writer in writers:
        writer.start()
    for victim in writers[::4]:
        time.sleep(1.0)
        if victim.pid is not None and victim.is_alive():
            os.kill(victim.pid, signal.SIGKILL)
    for writer in writers:
        writer.join(600)
    survivors = [w for n, w in enumerate(writers) if n % 4]
    assert [w.exitcode for w in survivors] == [0] * len(survivors)
    store = world.reopened(world.elsewhere("auditor"))
    assert verify_log(store, deep=False).problems[:3] == ()
    accepted = [e.judgement.statement_id for e in store.index.entries()]
    assert len(accepted) == len(set(accepted)) == store.index.size
    acknowledged = [
        line
        for told in tmp_path.glob("told-*")
        for line in told.read_text().split("\n")[:-1]
    ]
    assert len(acknowledged) >= len(survivors) * each
    assert set(acknowledged) <= set(accepted)
    store.close()
