"""Recurring runs of Kubeflow Pipelines: sent once, in their own words, never again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.kubeflow.access import endpoint
from connectors.kubeflow.client import Json, KfpClient
from connectors.kubeflow.recurring import RecurringApi, recurring_from
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kfp_sending import Clock
from connectors.pipelines.plan_contradictions import contradiction
from connectors.pipelines.planned_schedules import times_of
from connectors.pipelines.protocols import LaunchPlan, PipelineRun, RunState
from tests.contract.kfp_launching import FAST, KeptHolds
from tests.contract.kfp_server import recurring
from tests.contract.kfp_server.faults import Fault
from tests.contract.kfp_server.installation import Object
from tests.contract.kubernetes_launching import KeptPlans
from tests.contract.schedule_cases import NIGHTLY, OTHER_IMAGE, KfpScheduleCase


@pytest.fixture
def case(tmp_path: Path) -> Iterator[KfpScheduleCase]:
    found = KfpScheduleCase(tmp_path)
    yield found
    found.close()


def let_go(case: KfpScheduleCase) -> LaunchPlan:
    keeper = case.keeper
    plan = keeper.plan(case.request())
    keeper.launch("one", plan, held=True)
    keeper.release("one")
    return plan


def only(case: KfpScheduleCase) -> Object:
    [found] = case.here.recurring.values()
    return found


def found(case: KfpScheduleCase) -> PipelineRun:
    run = case.keeper.find("one")
    assert run is not None
    return run


def sent(plan: LaunchPlan) -> Json:
    told = json.loads("\n".join(plan.manifest))
    assert isinstance(told, dict)
    return told


def test_it_is_made_enabled_when_it_is_released_and_says_exactly_what_is_planned(
    case: KfpScheduleCase,
) -> None:
    keeper = case.keeper
    plan = keeper.plan(case.request())
    keeper.launch("one", plan, held=True)
    case.come(3)
    assert case.here.faults.seen.count("create recurring") == 0
    released_at = case.here.stamp()
    keeper.release("one")
    made = only(case)
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert (made["max_concurrency"], made["no_catchup"]) == ("1", True)
    assert (made["mode"], made["display_name"]) == ("ENABLE", "one")
    assert made["description"] == f"countersign launch one plan {plan.digest}"
    assert made["pipeline_version_reference"]["pipeline_version_id"]
    assert made["created_at"] >= released_at
    assert recurring.tick(case.here) == []
    assert "enable recurring" not in case.here.faults.seen


def test_one_that_is_made_disabled_starts_what_passed_once_it_is_enabled(
    case: KfpScheduleCase,
) -> None:
    """Why none is: its controller counts from when it was made."""
    let_go(case)
    made = only(case)
    made.update(mode="DISABLE", status="DISABLED")
    case.come(2)
    assert case.started() == 0
    made.update(mode="ENABLE", status="ENABLED")
    assert len(recurring.tick(case.here)) == 1


@pytest.mark.parametrize("cron", ["0 3 31 2 *", "0 3 30 feb *", "0 3 31 4,6 ?"])
def test_times_that_never_come_are_refused(case: KfpScheduleCase, cron: str) -> None:
    """Its controller would look for the last of them for ever."""
    with pytest.raises(ConnectorRefused, match="never comes"):
        case.keeper.plan(case.request(replace(NIGHTLY, cron=cron)))
    leap_days = replace(NIGHTLY, cron="0 3 29 2 *")
    assert times_of(case.keeper.plan(case.request(leap_days))) == leap_days


def test_after_a_silence_only_the_last_time_is_made_up_for(
    case: KfpScheduleCase,
) -> None:
    let_go(case)
    case.here.forward(5 * 24 * 3600)
    assert len(recurring.tick(case.here)) == 1
    case.end()
    case.end()
    assert recurring.tick(case.here) == []
    [run] = case.keeper.fired("one")
    assert run.launch == f"one~{case.now:%Y%m%d}T0300Z"


def test_a_controller_that_keeps_another_zone_is_found_out(
    case: KfpScheduleCase,
) -> None:
    case.here.zone = "Asia/Tokyo"
    let_go(case)
    case.come()
    [run] = case.keeper.fired("one")
    assert run.state is RunState.UNKNOWN
    assert "T18:00:00Z, which is none of the planned times" in run.reason
    assert run.launch.startswith("one~")
    assert not run.launch.endswith("Z")


def test_two_runs_for_one_time_have_names_of_their_own(case: KfpScheduleCase) -> None:
    let_go(case)
    case.come()
    [first] = case.keeper.fired("one")
    at = case.now.replace(hour=3, minute=0, second=0, microsecond=0)
    other = recurring.start(case.here, only(case), at).told["run_id"]
    assert [run.launch for run in case.keeper.fired("one")] == [
        f"one~{other}",
        first.launch,
    ]


Change = Callable[[Object], None]


def _put(**fields: object) -> Change:
    return lambda made: made.update(fields)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_put(mode="DISABLE", status="DISABLED"), "mode"),
        (_put(max_concurrency="10"), "max_concurrency"),
        (_put(no_catchup=False), "no_catchup"),
        (_put(runtime_config={"parameters": {"mark": "y"}}), "parameters"),
        (
            _put(
                runtime_config={"parameters": {"mark": "x"}, "pipeline_root": "s3://x"}
            ),
            "pipeline_root",
        ),
        (_put(plugins_input={"mlflow": {"experiment_name": "x"}}), "plugins_input"),
        (
            _put(
                trigger={
                    "cron_schedule": {
                        "cron": "0 0 3 * * *",
                        "end_time": "2030-01-01T00:00:00Z",
                    }
                }
            ),
            "trigger",
        ),
        (_put(trigger={"periodic_schedule": {"interval_second": "60"}}), "cron"),
    ],
    ids=["mode", "most", "catchup", "parameters", "root", "plugins", "end", "period"],
)
def test_one_that_says_otherwise_than_its_plan_is_unknown(
    case: KfpScheduleCase, change: Change, where: str
) -> None:
    let_go(case)
    change(only(case))
    run = found(case)
    assert run.state is RunState.UNKNOWN
    assert run.reason == f"its {where} is not what its plan says"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_put(service_account="admin"), "service account"),
        (_put(scheduled_at="2026-11-27T03:00:30Z"), "none of the planned times"),
        (_put(scheduled_at="1970-01-01T00:00:00Z"), "no time"),
        (
            _put(
                runtime_config={"parameters": {"mark": "x"}, "pipeline_root": "s3://x"}
            ),
            "keeps what it makes",
        ),
    ],
    ids=["account", "second", "never", "root"],
)
def test_a_run_that_is_otherwise_than_planned_is_unknown(
    case: KfpScheduleCase, change: Change, why: str
) -> None:
    let_go(case)
    case.come()
    [run] = case.here.runs.values()
    change(run.told)
    case.end()
    [shown] = case.keeper.fired("one")
    assert shown.state is RunState.UNKNOWN
    assert why in shown.reason


def test_a_planned_account_is_compared_too(case: KfpScheduleCase) -> None:
    client = KfpClient(endpoint(case.here.address), bounds=FAST)
    plans, holds = KeptPlans(), KeptHolds()
    keeper = KfpLauncher(client, plans, holds, service_account="trainer").schedules()
    keeper.launch("one", keeper.plan(case.request()), held=False)
    run = keeper.find("one")
    assert run is not None
    assert run.state is RunState.RUNNING
    only(case)["service_account"] = "pipeline-runner"
    changed = keeper.find("one")
    assert changed is not None
    assert "service_account" in changed.reason
    client.close()


def test_two_with_its_marks_are_unknown_and_both_are_ended(
    case: KfpScheduleCase,
) -> None:
    let_go(case)
    twin = dict(only(case)) | {"recurring_run_id": "00000000-twin"}
    case.here.recurring["00000000-twin"] = twin
    case.come()
    assert found(case).state is RunState.UNKNOWN
    assert "2 recurring runs have its marks" in found(case).reason
    assert case.keeper.cancel("one", grace_seconds=20).state is RunState.CANCELLED
    assert {one["status"] for one in case.here.recurring.values()} == {"DISABLED"}
    assert {one.told["state"] for one in case.here.runs.values()} == {"FAILED"}


def test_one_that_somebody_enables_again_after_it_was_cancelled_is_told(
    case: KfpScheduleCase,
) -> None:
    let_go(case)
    case.keeper.cancel("one", grace_seconds=1)
    only(case).update(mode="ENABLE", status="ENABLED")
    assert (found(case).state, found(case).reason) == (
        RunState.UNKNOWN,
        "it was cancelled, and is enabled",
    )
    case.keeper.cancel("one", grace_seconds=1)
    assert found(case).state is RunState.CANCELLED


def test_what_was_sent_and_does_not_show_is_never_sent_again(
    case: KfpScheduleCase,
) -> None:
    """Its server may keep it all the same: no list shows what it lost the row of."""
    keeper = case.keeper
    plan = keeper.plan(case.request())
    keeper.launch("one", plan, held=True)
    case.here.faults.pending = [("create recurring", Fault.UNAVAILABLE)]
    with pytest.raises(ConnectorUnavailable):
        keeper.release("one")
    assert found(case).state is RunState.PENDING
    with pytest.raises(ConnectorUnavailable):
        case.keeper.launch("one", plan, held=False)
    case.here.forward(3600)
    assert found(case).state is RunState.UNKNOWN
    assert "ScheduledWorkflows" in found(case).reason
    with pytest.raises(ConnectorUnavailable, match="not sent again"):
        case.keeper.launch("one", plan, held=False)
    assert case.keeper.cancel("one", grace_seconds=1).state is RunState.UNKNOWN
    assert case.here.faults.seen.count("create recurring") == 1
    assert case.kept() == 0


def test_of_many_who_release_it_at_once_one_makes_it(case: KfpScheduleCase) -> None:
    keepers = [case.keeper for _ in range(4)]
    plan = keepers[0].plan(case.request())
    gate = threading.Barrier(len(keepers))

    def release(position: int) -> None:
        gate.wait()
        try:
            keepers[position].launch("one", plan, held=False)
        except ConnectorError as problem:
            problems.append(problem)

    problems: list[ConnectorError] = []
    threads = [threading.Thread(target=release, args=(i,)) for i in range(len(keepers))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert case.kept() == 1
    assert found(case).state is RunState.RUNNING
    assert all(isinstance(one, ConnectorUnavailable) for one in problems)


def test_a_plan_of_a_run_is_no_schedule_and_that_of_a_schedule_no_run(
    case: KfpScheduleCase,
) -> None:
    client = KfpClient(endpoint(case.here.address), bounds=FAST)
    clock = Clock(case.wait, case.monotonic)
    launcher = KfpLauncher(client, KeptPlans(), KeptHolds(), clock=clock)
    keeper = launcher.schedules()
    schedule = keeper.plan(case.request())
    once = launcher.plan(replace(case.request(), times=None))
    with pytest.raises(ConnectorRefused):
        launcher.launch("one", schedule, held=False)
    with pytest.raises(ConnectorRefused):
        keeper.launch("one", once, held=False)
    with pytest.raises(ConnectorRefused, match="--cron"):
        launcher.plan(case.request())
    assert (case.kept(), case.started()) == (0, 0)
    client.close()


def test_a_plan_that_says_otherwise_than_it_sends_is_refused(
    case: KfpScheduleCase,
) -> None:
    plan = case.keeper.plan(case.request())
    assert contradiction(plan) == ""
    text = "\n".join(plan.manifest)
    for was, now in (
        (plan.images[0], OTHER_IMAGE),
        ('"mark": "x"', '"mark": "y"'),
        ('"0 0 3 * * *"', '"0 0 3 * *"'),
        ('"0 0 3 * * *"', '"30 0 3 * * *"'),
        ('"no_catchup": true', '"no_catchup": false'),
        ('"mode": "ENABLE"', '"mode": "DISABLE"'),
        ('"time_zone": "Etc/UTC"', '"time_zone": "Etc/UTC", "more": 1'),
        ('"max_concurrency": "1"', '"max_concurrency": "2"'),
    ):
        assert was in text
        forged = replace(plan, manifest=tuple(text.replace(was, now).split("\n")))
        assert contradiction(forged)
        with pytest.raises((ConnectorRefused, MalformedInput)):
            case.keeper.launch("one", forged, held=False)
    assert case.kept() == 0


def test_one_that_cannot_be_shown_is_not_taken_for_none(case: KfpScheduleCase) -> None:
    def hidden(here: object, call: object) -> Object:
        error = {"code": 13, "message": "Failed to parse runtime config"}
        return {"recurringRuns": [{"recurring_run_id": "x", "error": error}]}

    client = KfpClient(endpoint(case.here.address), bounds=FAST)
    api = RecurringApi(client)
    client.get = lambda path, query=None: hidden(path, query)  # type: ignore[method-assign]
    with pytest.raises(ConnectorUnavailable, match="cannot show"):
        api.named("one")
    client.close()


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"recurring_run_id": ""},
        {"recurring_run_id": 7},
        {"recurring_run_id": "x", "trigger": "daily"},
        {"recurring_run_id": "x", "trigger": {"cron_schedule": ["0"]}},
        {"recurring_run_id": "x", "runtime_config": {"parameters": 7}},
        {"recurring_run_id": "x", "created_at": "yesterday"},
        {"recurring_run_id": "x", "pipeline_version_reference": [1]},
    ],
    ids=str,
)
def test_what_is_no_recurring_run_is_malformed(raw: Json) -> None:
    with pytest.raises(MalformedInput):
        recurring_from(raw)


def test_a_name_with_the_marks_of_another_is_not_taken_for_it(
    case: KfpScheduleCase,
) -> None:
    plan = let_go(case)
    only(case)["description"] = f"countersign launch two plan {plan.digest}"
    assert case.keeper.find("two") is None
    # Its own claim says that it was sent; what is there is not of it.
    assert found(case).state is RunState.PENDING
    only(case)["description"] = "\x1b]52;c;\x07 countersign launch one"
    assert found(case).state is RunState.PENDING


def test_the_time_of_the_server_tells_when_it_is_due_next(
    case: KfpScheduleCase,
) -> None:
    let_go(case)
    due = case.keeper.standing("one").next
    tomorrow = case.now.replace(hour=3, minute=0, second=0, microsecond=0)
    assert isinstance(due, datetime)
    assert due == tomorrow + timedelta(days=1)
    assert case.keeper.standing("one").times == NIGHTLY
