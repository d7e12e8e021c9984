"""The contract of schedules, over every place that keeps them itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.pipelines.planned_schedules import is_schedule, times_of
from connectors.pipelines.protocols import PipelineRun, RunState
from tests.contract.schedule_cases import CASES, NIGHTLY, ScheduleCase

ACTIVE = (RunState.PENDING, RunState.RUNNING)


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ScheduleCase]:
    found = CASES[request.param](tmp_path)
    yield found
    found.close()


def let_go(case: ScheduleCase, times_overlap: str = "Forbid") -> str:
    """The schedule `one`, held and then released; the digest of its plan."""
    keeper = case.keeper
    plan = keeper.plan(case.request(replace(NIGHTLY, overlap=times_overlap)))
    assert keeper.launch("one", plan, held=True).state is RunState.SUSPENDED
    assert keeper.release("one").state is RunState.RUNNING
    return plan.digest


def fired(case: ScheduleCase) -> list[PipelineRun]:
    return list(case.keeper.fired("one"))


def test_a_schedule_is_planned_without_a_trace_and_its_plan_says_its_times(
    case: ScheduleCase,
) -> None:
    plan = case.keeper.plan(case.request())
    assert plan == case.keeper.plan(case.request())
    assert is_schedule(plan)
    assert times_of(plan) == NIGHTLY
    assert (case.kept(), case.started()) == (0, 0)
    others = [replace(NIGHTLY, cron="0 4 * * *")]
    others += [replace(NIGHTLY, overlap=one) for one in case.overlaps[1:]]
    digests = {case.keeper.plan(case.request(other)).digest for other in others}
    assert len(digests | {plan.digest}) == len(others) + 1


def test_what_is_held_starts_nothing_and_what_is_released_starts_what_is_planned(
    case: ScheduleCase,
) -> None:
    keeper = case.keeper
    plan = keeper.plan(case.request())
    held = keeper.launch("one", plan, held=True)
    assert (held.state, held.plan_digest) == (RunState.SUSPENDED, plan.digest)
    case.come(2)
    assert (case.started(), fired(case)) == (0, [])
    assert keeper.launch("one", plan, held=True).state is RunState.SUSPENDED
    assert case.keeper.release("one").state is RunState.RUNNING
    assert case.keeper.release("one").state is RunState.RUNNING
    before = case.keeper.standing("one")
    assert before.times == NIGHTLY
    assert before.last is None
    assert before.next is not None
    case.come()
    [run] = fired(case)
    assert run.state in ACTIVE, run
    assert (run.schedule, run.plan_digest) == ("one", plan.digest)
    assert run.launch == f"one~{case.now:%Y%m%d}T0300Z" or case.now.hour < 3
    standing = case.keeper.standing("one")
    assert standing.last == before.next
    assert standing.active == 1
    assert case.kept() == 1


def test_runs_end_as_they_end_and_each_stands_for_its_time(case: ScheduleCase) -> None:
    let_go(case)
    for exit_code in (0, 3):
        case.come()
        case.end(exit_code)
    newest, oldest = fired(case)
    assert (oldest.state, newest.state) == (RunState.SUCCEEDED, RunState.FAILED)
    assert oldest.launch < newest.launch
    assert oldest.started is not None
    assert newest.ended is not None
    found = case.keeper.find(oldest.launch)
    assert found is not None
    assert found.state is RunState.SUCCEEDED
    assert case.keeper.plan_bytes(oldest.launch) == case.keeper.plan_bytes("one")


def test_while_one_runs_the_next_is_left_out_where_that_was_decided(
    case: ScheduleCase,
) -> None:
    let_go(case)
    case.come(3)
    assert len(fired(case)) == 1


def test_one_runs_beside_another_where_that_was_decided(case: ScheduleCase) -> None:
    let_go(case, "Allow")
    case.come(2)
    assert len(fired(case)) == 2


def test_cancelling_ends_it_for_good_with_all_that_runs(case: ScheduleCase) -> None:
    digest = let_go(case)
    case.come()
    done = case.keeper.cancel("one", grace_seconds=20)
    assert done.state is RunState.CANCELLED
    assert [run.state for run in fired(case)] == [RunState.CANCELLED]
    case.come(2)
    assert len(fired(case)) == 1
    assert case.keeper.cancel("one", grace_seconds=20).state is RunState.CANCELLED
    plan = case.keeper.plan(case.request())
    assert plan.digest == digest
    assert case.keeper.launch("one", plan, held=False).state is RunState.CANCELLED
    with contextlib.suppress(ConnectorRefused):
        assert case.keeper.release("one").state is RunState.CANCELLED
    before = case.started()
    case.come(2)
    assert case.started() == before
    found = case.keeper.find("one")
    assert found is not None
    assert found.state is RunState.CANCELLED


def test_what_was_never_released_is_cancelled_too(case: ScheduleCase) -> None:
    plan = case.keeper.plan(case.request())
    case.keeper.launch("one", plan, held=True)
    assert case.keeper.cancel("one", grace_seconds=1).state is RunState.CANCELLED
    with contextlib.suppress(ConnectorRefused):
        assert case.keeper.release("one").state is RunState.CANCELLED
    case.come(2)
    assert case.started() == 0


def test_one_run_is_ended_and_the_schedule_goes_on(case: ScheduleCase) -> None:
    let_go(case, "Allow")
    case.come()
    [run] = fired(case)
    ended = case.keeper.cancel(run.launch, grace_seconds=20)
    assert ended.state is RunState.CANCELLED
    case.end()
    case.come()
    newest, oldest = fired(case)
    assert (newest.state in ACTIVE, oldest.state) == (True, RunState.CANCELLED)


@pytest.mark.parametrize("what", ["image", "parameters"])
def test_a_run_that_is_not_what_is_planned_is_unknown(
    case: ScheduleCase, what: str
) -> None:
    let_go(case)
    case.forge(what)
    [run] = fired(case)
    assert run.state is RunState.UNKNOWN
    assert run.reason
    assert run.schedule == "one"


def test_a_change_of_a_schedule_is_seen(case: ScheduleCase) -> None:
    let_go(case)
    case.change()
    found = case.keeper.find("one")
    assert found is not None
    assert found.state is RunState.UNKNOWN
    assert "is not what its plan says" in found.reason
    assert case.keeper.release("one").state is RunState.UNKNOWN


def test_another_plan_under_the_same_name_is_refused(case: ScheduleCase) -> None:
    let_go(case)
    other = case.keeper.plan(case.request(replace(NIGHTLY, cron="0 4 * * *")))
    with pytest.raises(ConnectorRefused, match="another one"):
        case.keeper.launch("one", other, held=False)
    assert case.kept() == 1
    assert case.keeper.find("two") is None
    with pytest.raises(ConnectorRefused):
        case.keeper.cancel("two", grace_seconds=1)


@pytest.mark.parametrize(
    ("times", "why"),
    [
        (replace(NIGHTLY, cron="0 3 * *"), "no times"),
        (replace(NIGHTLY, cron="@every 1h"), "no times"),
        (replace(NIGHTLY, cron="TZ=UTC 0 3 * * *"), "no times"),
        (replace(NIGHTLY, cron="0 0 3 * * *"), "no times"),
        (replace(NIGHTLY, time_zone="../../etc/passwd"), "no time zone"),
        (replace(NIGHTLY, overlap="forbid"), "none of"),
        (replace(NIGHTLY, deadline_seconds=-60), "-60 seconds|deadline"),
    ],
)
def test_times_that_are_none_are_refused_by_name(
    case: ScheduleCase, times: object, why: str
) -> None:
    request = replace(case.request(), times=times)  # type: ignore[arg-type]
    with pytest.raises((MalformedInput, ConnectorRefused), match=why):
        case.keeper.plan(request)
    assert case.kept() == 0


@pytest.mark.parametrize("fault", ["reset", "lose_answer"])
def test_whatever_request_breaks_the_same_again_makes_one_schedule(
    case: ScheduleCase, fault: str
) -> None:
    """The process ends at each request in turn, and another does the same again."""
    plan = case.keeper.plan(case.request())
    number, lost, is_through = 0, 0, False
    while not is_through:
        number += 1
        launch = f"try-{number}"
        keeper = case.keeper
        with case.breaks(fault, number) as count:
            with contextlib.suppress(ConnectorUnavailable):
                keeper.launch(launch, plan, held=True)
                keeper.release(launch)
            is_through = count() < number
        _do_again(case, launch)
        found = case.keeper.find(launch)
        if found is not None and found.state is RunState.PENDING:
            case.come()
            found = case.keeper.find(launch)
        assert found is not None
        if case.gives_up and found.state is RunState.UNKNOWN:
            lost += 1
        else:
            assert found.state is RunState.RUNNING, found
        assert case.kept() == number - lost
    assert number > 3
    assert lost == (case.gives_up and fault == "reset")


@pytest.mark.parametrize("number", [2, 5, 8])
def test_a_cancel_that_breaks_off_is_gone_on_with(
    case: ScheduleCase, number: int
) -> None:
    let_go(case)
    case.come()
    keeper = case.keeper
    fault = "lose_answer" if number % 2 else "reset"
    with case.breaks(fault, number), contextlib.suppress(ConnectorError):
        keeper.cancel("one", grace_seconds=20)
    assert case.keeper.cancel("one", grace_seconds=20).state is RunState.CANCELLED
    assert [run.state for run in fired(case)] == [RunState.CANCELLED]
    case.come(2)
    assert len(fired(case)) == 1


def _do_again(case: ScheduleCase, launch: str) -> None:
    """What is not known to be done is done again, after the time that that takes."""
    plan = case.keeper.plan(case.request())
    for _ in range(3):
        try:
            case.keeper.launch(launch, plan, held=True)
            case.keeper.release(launch)
        except ConnectorError:
            case.come()
        else:
            return
