"""What every launcher must do, whatever it launches on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import (
    CanCancel,
    CanFindSome,
    CanHold,
    CanLaunch,
    CanSample,
    CanStreamLogs,
    LaunchPlan,
    PipelineRun,
    RunState,
)
from tests.contract.launcher_cases import ALIKE, CASES, REAL, SECRET, LauncherCase
from tests.pipelines import wait_for


@pytest.fixture(
    params=[
        *(
            pytest.param(name, marks=pytest.mark.slow if name in ALIKE else ())
            for name in sorted(CASES)
        ),
        *(pytest.param(name, marks=pytest.mark.peer) for name in sorted(REAL)),
    ]
)
def case(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LauncherCase]:
    monkeypatch.setenv("CONTRACT_TOKEN", SECRET)
    made = {**CASES, **REAL}[request.param](tmp_path)
    try:
        yield made
        if isinstance(made.launcher, CanCancel):
            for run in made.launcher.runs():
                if not run.state.is_final:
                    made.launcher.cancel(run.launch, grace_seconds=0)
    finally:
        made.close()


def is_final(run: PipelineRun) -> bool:
    return run.state.is_final


def require_logs(launcher: CanLaunch) -> None:
    if not isinstance(launcher, CanStreamLogs):
        pytest.skip(f"{launcher.backend} tells of no log that could be read")


def test_planning_starts_nothing_and_says_the_same_twice(case: LauncherCase) -> None:
    plan = case.launcher.plan(case.request("quick"))
    assert plan == case.launcher.plan(case.request("quick"))
    assert case.starts() == 0
    assert list(case.launcher.runs()) == []
    assert read_plan(plan.to_bytes()) == plan


def test_a_launched_pipeline_runs_to_its_end(case: LauncherCase) -> None:
    plan = case.launcher.plan(case.request("quick", "talks"))
    case.launcher.launch("one", plan, held=False)
    run = wait_for(case.launcher, "one", is_final)
    assert (run.state, run.plan_digest) == (RunState.SUCCEEDED, plan.digest)
    assert [step.name for step in run.steps] == case.steps("quick", "talks")
    assert {step.state for step in run.steps} == {RunState.SUCCEEDED}
    assert run.started is not None
    assert run.ended is not None
    assert run.claimed <= run.started <= run.ended
    assert case.launcher.plan_bytes("one") == plan.to_bytes()


def test_some_are_found_by_name_and_a_sample_tells_how_long_they_took(
    case: LauncherCase,
) -> None:
    launcher = case.launcher
    assert isinstance(launcher, CanFindSome)
    assert isinstance(launcher, CanSample)
    assert list(launcher.some(["one"])) == list(launcher.sample(5)) == []
    launcher.launch("one", launcher.plan(case.request("quick")), held=False)
    run = wait_for(launcher, "one", is_final)
    assert list(launcher.some(["another", "one"])) == [run]
    [seen] = launcher.sample(5)
    assert (seen.launch, seen.pipeline, seen.state) == ("one", run.pipeline, run.state)
    assert [step.name for step in seen.steps] == [step.name for step in run.steps]
    assert seen.started is not None
    assert seen.ended == run.ended


def test_a_failed_step_fails_the_run_and_starts_no_other(case: LauncherCase) -> None:
    plan = case.launcher.plan(case.request("fails", "quick"))
    case.launcher.launch("one", plan, held=False)
    run = wait_for(case.launcher, "one", is_final)
    assert run.state is RunState.FAILED
    assert "fails" in run.reason
    assert [s.state for s in run.steps] == [RunState.FAILED, RunState.PENDING]
    assert case.starts() == 1


def test_the_same_id_again_starts_nothing(case: LauncherCase) -> None:
    plan = case.launcher.plan(case.request("quick"))
    for launcher in (case.launcher, case.another(), case.launcher):
        launcher.launch("one", plan, held=False)
    wait_for(case.launcher, "one", is_final)
    again = case.another().launch("one", plan, held=False)
    assert again.state is RunState.SUCCEEDED
    assert case.starts() == 1


def test_many_at_once_with_one_id_start_it_once(case: LauncherCase) -> None:
    plan = case.launcher.plan(case.request("quick"))
    problems: list[Exception] = []

    def launch() -> None:
        try:
            case.another().launch("one", plan, held=False)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=launch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(case.launcher, "one", is_final)
    assert problems == []
    assert case.starts() == 1


def test_an_id_stands_for_one_plan(case: LauncherCase) -> None:
    case.launcher.launch("one", case.launcher.plan(case.request("quick")), held=False)
    other = case.launcher.plan(case.request("fails"))
    with pytest.raises(ConnectorRefused, match="another one"):
        case.launcher.launch("one", other, held=False)
    wait_for(case.launcher, "one", is_final)
    assert case.starts() == 1


def test_a_plan_for_another_place_is_refused(case: LauncherCase) -> None:
    plan = replace(case.launcher.plan(case.request("quick")), place="elsewhere")
    with pytest.raises(ConnectorRefused):
        case.launcher.launch("one", plan, held=False)
    assert case.launcher.find("one") is None


@pytest.mark.parametrize("launch", ["", "../up", "a/b", "-x", "a" * 200, "a\nb", "é"])
def test_an_id_that_is_none_is_refused(case: LauncherCase, launch: str) -> None:
    plan = case.launcher.plan(case.request("quick"))
    with pytest.raises(ConnectorError):
        case.launcher.launch(launch, plan, held=False)
    assert case.starts() == 0


def test_what_is_held_starts_once_it_is_released_and_only_once(
    case: LauncherCase,
) -> None:
    launcher = case.launcher
    assert isinstance(launcher, CanHold)
    plan = launcher.plan(case.request("quick"))
    assert launcher.launch("one", plan, held=True).state is RunState.SUSPENDED
    assert launcher.launch("one", plan, held=True).state is RunState.SUSPENDED
    assert launcher.launch("one", plan, held=False).state is RunState.SUSPENDED
    assert case.starts() == 0
    launcher.release("one")
    launcher.release("one")
    run = wait_for(launcher, "one", is_final)
    assert run.state is RunState.SUCCEEDED
    assert launcher.release("one").state is RunState.SUCCEEDED
    assert case.starts() == 1


def test_what_is_cancelled_while_held_never_starts(case: LauncherCase) -> None:
    launcher = case.launcher
    assert isinstance(launcher, CanHold)
    assert isinstance(launcher, CanCancel)
    launcher.launch("one", launcher.plan(case.request("quick")), held=True)
    assert launcher.cancel("one", grace_seconds=1).state is RunState.CANCELLED
    assert launcher.release("one").state is RunState.CANCELLED
    assert case.starts() == 0


def test_cancelled_means_gone(case: LauncherCase) -> None:
    launcher = case.launcher
    assert isinstance(launcher, CanCancel)
    launcher.launch("one", launcher.plan(case.request("waits", "quick")), held=False)
    wait_for(launcher, "one", lambda _: case.starts() == 1)
    wait_for(launcher, "one", lambda run: run.steps[0].state is RunState.RUNNING)
    run = launcher.cancel("one", grace_seconds=5)
    assert run.state is RunState.CANCELLED
    assert run.ended is not None
    assert [s.state for s in run.steps] == [RunState.CANCELLED, RunState.PENDING]
    assert launcher.cancel("one", grace_seconds=5) == run
    assert case.starts() == 1


def test_what_has_ended_stays_as_it_ended_when_it_is_cancelled(
    case: LauncherCase,
) -> None:
    launcher = case.launcher
    assert isinstance(launcher, CanCancel)
    launcher.launch("one", launcher.plan(case.request("quick")), held=False)
    ended = wait_for(launcher, "one", is_final)
    assert launcher.cancel("one", grace_seconds=1) == ended


def test_logs_are_followed_to_the_end(case: LauncherCase) -> None:
    launcher = case.launcher
    require_logs(launcher)
    assert isinstance(launcher, CanStreamLogs)
    launcher.launch("one", launcher.plan(case.request("quick", "fails")), held=False)
    lines = list(launcher.log_lines("one", follow=True))
    first, second = case.log_steps("quick", "fails")
    assert [(x.step, x.stream, x.text) for x in lines] == [
        (first, "out", "hello"),
        (second, case.error_stream, "broken"),
    ]
    assert lines == list(launcher.log_lines("one"))


def test_following_ends_when_it_is_told_to(case: LauncherCase) -> None:
    launcher = case.launcher
    require_logs(launcher)
    assert isinstance(launcher, CanStreamLogs)
    launcher.launch("one", launcher.plan(case.request("waits")), held=False)
    seen: list[str] = []
    for line in launcher.log_lines("one", follow=True, stop=lambda: bool(seen)):
        seen.append(line.text)
    assert seen == ["waiting"]


def test_a_passed_secret_is_in_no_plan_log_or_error(
    case: LauncherCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not case.is_given_secrets:
        pytest.skip("no variable of whoever launches is passed on there")
    launcher = case.launcher
    assert isinstance(launcher, CanStreamLogs)
    plan = launcher.plan(case.request("talks"))
    assert SECRET.encode() not in plan.to_bytes()
    assert SECRET not in repr(plan)
    launcher.launch("one", plan, held=False)
    texts = [line.text for line in launcher.log_lines("one", follow=True)]
    assert texts == ["the token is ***"]
    monkeypatch.delenv("CONTRACT_TOKEN")
    with pytest.raises(ConnectorError) as caught:
        launcher.plan(case.request("talks"))
    assert SECRET not in str(caught.value)


def test_runs_are_listed_newest_first(case: LauncherCase) -> None:
    plan: LaunchPlan = case.launcher.plan(case.request("quick"))
    for launch in ("b", "a"):
        case.launcher.launch(launch, plan, held=False)
        wait_for(case.launcher, launch, is_final)
        time.sleep(case.pause_seconds)
    assert [run.launch for run in case.another().runs()] == ["a", "b"]


def test_an_unknown_id_is_found_nowhere(case: LauncherCase) -> None:
    launcher: CanLaunch = case.launcher
    assert launcher.find("nothing") is None
    with pytest.raises(ConnectorError):
        launcher.plan_bytes("nothing")
