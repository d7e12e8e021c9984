"""Cancelling: the place first, the log afterwards, neither for want of the other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import PipelineRun, RunState
from console.reports.launches import check_launches
from console.reports.whole_log import WholeLog
from console.services.pipelines import sending
from console.services.pipelines.cancelling import Cancelled, cancel_launch
from console.services.pipelines.declaring import Declared
from console.services.pipelines.launch_log import LaunchRecord, known_launch
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.sending import send
from console.services.problems import Misuse, Refusal, Undecided
from console.services.signing import Acting, Appended
from console.services.words import read_words
from policies.predicates import Decision
from policies.predicates.operations import CancelResult
from store.errors import StoreUnavailable
from store.folder import FolderBackend
from tests.pipelines import (
    commit_all,
    launch_in,
    make_project,
    put_policy,
    starts,
    wait_for,
    wait_until_over,
)
from tests.worlds import World


@pytest.fixture
def project(world: World, tmp_path: Path) -> Iterator[Path]:
    """A project that waits for its release; in the end nothing of it runs, and an
    auditor finds nothing wrong with it."""
    put_policy(world)
    world.hire("olga", "operator")
    world.hire("vera", "guard")
    made = make_project(tmp_path / "code", "echo started >> {mark}; sleep 60")
    commit_all(made)
    yield made
    world.store.catch_up()
    assert check_launches(WholeLog(world.store)) == []
    launcher = launcher_of_all(world.store)
    for run in launcher.runs():
        if not run.state.is_final:
            launcher.cancel(run.launch, grace_seconds=0)


def cancel(
    world: World, launch: str = "one", *, by: str = "dana", reason: str = ""
) -> Cancelled:
    return cancel_with(world, lambda: world.people[by], launch, reason=reason)


def cancel_with(
    world: World, sign: Callable[[], Acting], launch: str = "one", *, reason: str = ""
) -> Cancelled:
    return cancel_launch(
        world.store,
        launcher_of_all(world.store),
        launch,
        sign,
        reason=reason,
        grace_seconds=1,
    )


def record_of(world: World, launch: str = "one") -> LaunchRecord:
    return known_launch(world.store, launch, world.store.state())


def state_of(world: World, launch: str = "one") -> RunState:
    run = open_launcher(world.store).find(launch)
    assert run is not None
    return run.state


def start(world: World, project: Path) -> None:
    """A launch that vera released and that runs."""
    launch_in(world, project, "one")
    decided = Decided(Decision.APPROVE, "fit to run")
    launcher = open_launcher(world.store)
    release(world.store, world.people["vera"], launcher, "one", decided)
    release(world.store, world.people["dana"], launcher, "one", None)
    wait_for(launcher, "one", lambda _: starts(project) == 1)


def test_who_ended_it_when_and_why_is_in_the_log_once(
    world: World, project: Path
) -> None:
    start(world, project)
    done = cancel(world, "on", by="olga", reason="the data is wrong")
    assert (done.launch, done.result) == ("one", CancelResult.CANCELLED)
    assert done.run is not None
    assert done.run.state is RunState.CANCELLED
    assert (done.is_new, done.unlogged) == (True, "")
    [(entry, said)] = record_of(world).cancellations
    assert (entry.index, entry.statement.by) == (done.entry, world.people["olga"].id)
    assert read_words(world.store, said.reason) == "the data is wrong"
    assert said.intent == record_of(world).entry.id
    again = cancel(world, by="dana", reason="once more")
    assert (again.entry, again.is_new) == (done.entry, False)
    assert again.result is CancelResult.WAS_CANCELLED
    assert len(record_of(world).cancellations) == 1


def test_a_held_one_is_cancelled_and_never_released(
    world: World, project: Path
) -> None:
    launch_in(world, project, "one")
    assert cancel(world).result is CancelResult.CANCELLED
    decided = Decided(Decision.APPROVE, "fit to run")
    with pytest.raises(Refusal, match="cancelled"):
        release(
            world.store,
            world.people["vera"],
            open_launcher(world.store),
            "one",
            decided,
        )


def fails() -> Acting:
    raise Misuse("there is no key to sign with", hint="Make one.")


def is_broken_off() -> Acting:
    raise KeyboardInterrupt


def is_not_read() -> Acting:
    raise OSError("the agent is gone")


def is_closed() -> Acting:
    raise EOFError


@pytest.mark.parametrize("sign", [fails, is_broken_off, is_not_read, is_closed])
def test_a_key_that_does_not_open_stops_nobody_from_ending_it(
    world: World, project: Path, sign: Callable[[], Acting]
) -> None:
    launch_in(world, project, "one")
    done = cancel_with(world, sign)
    assert done.result is CancelResult.CANCELLED
    assert state_of(world) is RunState.CANCELLED
    assert (done.entry, bool(done.unlogged)) == (None, True)
    assert "countersign pipeline cancel one" in done.hint
    later = cancel(world)
    assert (later.result, later.is_new) == (CancelResult.WAS_CANCELLED, True)
    [(_, said)] = record_of(world).cancellations
    assert said.read_back.startswith("local one cancelled")


def test_who_has_no_role_ends_it_and_another_logs_that(
    world: World, project: Path
) -> None:
    launch_in(world, project, "one")
    done = cancel(world, by="vera")
    assert state_of(world) is RunState.CANCELLED
    assert "operator" in done.unlogged
    assert record_of(world).cancellations == []
    assert cancel(world, by="olga").is_new


def test_a_log_that_takes_nothing_stops_nobody_from_ending_it(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_in(world, project, "one")

    def refuse(*_: object) -> bool:
        raise StoreUnavailable("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(FolderBackend, "put_if_absent", refuse)
        done = cancel(world, reason="why not")
    assert state_of(world) is RunState.CANCELLED
    assert "the disk is away" in done.unlogged
    assert cancel(world).is_new


def test_a_store_that_cannot_be_read_stops_nobody_from_ending_what_runs_here(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_in(world, project, "one")

    def refuse(*_: object, **__: object) -> bytes:
        raise StoreUnavailable("the share is away")

    with monkeypatch.context() as patch:
        patch.setattr(FolderBackend, "read", refuse)
        done = cancel(world)
        with pytest.raises(StoreUnavailable):
            cancel(world, "elsewhere")
    assert state_of(world) is RunState.CANCELLED
    assert "the share is away" in done.unlogged
    assert cancel(world).is_new


def test_a_machine_that_was_never_told_whom_to_trust_ends_it_and_signs_nothing(
    world: World, project: Path
) -> None:
    launch_in(world, project, "one")
    (world.store.folder / "anchor").unlink()
    done = cancel(world)
    assert state_of(world) is RunState.CANCELLED
    assert "which trust root to trust" in done.unlogged


def test_what_its_place_does_not_tell_is_logged_as_not_known_once(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_in(world, project, "one")

    def silent(*_: object, **__: object) -> PipelineRun:
        raise ConnectorUnavailable("no answer", hint="Ask again.")

    with monkeypatch.context() as patch:
        patch.setattr(LocalLauncher, "cancel", silent)
        first, second = cancel(world), cancel(world)
        patch.setattr(LocalLauncher, "find", silent)
        third = cancel(world)
    assert first.result is second.result is third.result is CancelResult.UNKNOWN
    assert first.entry == second.entry == third.entry
    assert (first.is_new, second.is_new, first.hint) == (True, False, "Ask again.")
    assert record_of(world).cancelled is None
    assert cancel(world).result is CancelResult.CANCELLED
    results = [said.result for _, said in record_of(world).cancellations]
    assert results == [CancelResult.UNKNOWN, CancelResult.CANCELLED]


def test_a_place_that_refuses_is_told_and_nothing_is_logged(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_in(world, project, "one")

    def refuse(*_: object, **__: object) -> PipelineRun:
        raise ConnectorRefused("it is not yours")

    with monkeypatch.context() as patch:
        patch.setattr(LocalLauncher, "cancel", refuse)
        with pytest.raises(ConnectorRefused, match="not yours"):
            cancel(world)
    assert record_of(world).cancellations == []


def test_what_another_machine_runs_is_not_said_to_be_gone(
    world: World, project: Path
) -> None:
    launch_in(world, project, "one")
    there = world.reopened(world.elsewhere("other"))
    with pytest.raises(ConnectorRefused):
        cancel_launch(there, launcher_of_all(there), "one", fails, grace_seconds=0)


def test_what_had_ended_before_is_logged_as_that(world: World, tmp_path: Path) -> None:
    launch_in(world, make_project(tmp_path / "code"), "one")
    ended = wait_until_over(world.store, "one")
    assert ended.state is RunState.SUCCEEDED
    done = cancel(world)
    assert (done.result, done.run) == (CancelResult.ENDED, ended)
    assert (cancel(world).entry, record_of(world).cancelled) == (done.entry, None)
    assert check_launches(WholeLog(world.store)) == []


def test_two_who_cancel_at_once_are_one_entry(world: World, project: Path) -> None:
    launch_in(world, project, "one")

    def overtaken() -> Acting:
        cancel(world, by="olga")
        return world.people["dana"]

    done = cancel_with(world, overtaken)
    [(entry, _)] = record_of(world).cancellations
    assert (done.entry, done.is_new) == (entry.index, False)
    assert entry.statement.by == world.people["olga"].id


def test_killed_between_place_and_log_it_is_logged_when_asked_again(
    world: World, project: Path
) -> None:
    launch_in(world, project, "one")
    launcher_of_all(world.store).cancel("one", grace_seconds=0)
    assert record_of(world).cancellations == []
    assert cancel(world, by="olga", reason="said late").is_new
    [(_, said)] = record_of(world).cancellations
    assert said.result is CancelResult.WAS_CANCELLED


def test_what_the_log_knows_as_cancelled_is_launched_by_nobody(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where its outcome was never said, and nothing of it is left."""

    def lost(*_: object, **__: object) -> Appended:
        raise StoreUnavailable("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(sending, "end_launch", lost)
        with pytest.raises(StoreUnavailable):
            launch_in(world, project, "one")
    assert record_of(world).ended is None
    cancel(world)
    found = launch_in(world, project, "one")
    assert (found.run.state, found.outcome) == (RunState.CANCELLED, None)
    assert launch_in(world, project).run.launch != "one"
    shutil.rmtree(world.store.folder / "launches" / "one")
    with pytest.raises(Refusal, match="it was cancelled"):
        launch_in(world, project, "one")
    assert len(record_of(world).intents) == 1


def test_what_is_read_back_before_others_cancel_it_is_read_back_again(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(world, project)
    entry, intent = record_of(world).entry, record_of(world).intent
    launcher = open_launcher(world.store)
    running, plan = launcher.find("one"), read_plan(launcher.plan_bytes("one"))
    assert running is not None
    assert running.state is RunState.RUNNING
    cancel(world, by="olga")
    declared = Declared(Appended(entry.index, entry.id), intent, None)
    with monkeypatch.context() as patch:
        patch.setattr(LocalLauncher, "launch", lambda *_, **__: running)
        done = send(world.store, world.people["dana"], launcher, plan, declared)
        patch.setattr(LocalLauncher, "find", lambda *_: running)
        with pytest.raises(Undecided, match="its place does not"):
            send(world.store, world.people["dana"], launcher, plan, declared)
    assert done.run.state is RunState.CANCELLED
    said = record_of(world).outcomes[-1][1]
    assert said.read_back.startswith("local one cancelled")
