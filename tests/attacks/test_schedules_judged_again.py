"""Forged histories of schedules: what verification makes of plans that hold one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.kubernetes.client import Json
from connectors.pipelines.kfp_schedule_plans import plan_recurring
from connectors.pipelines.kubernetes_cron import plan_schedule
from connectors.pipelines.protocols import (
    Code,
    LaunchPlan,
    LaunchRequest,
    PlannedStep,
    Times,
)
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.verification import Verified, verify_file
from console.services.checkpoints import make_checkpoint
from console.services.founding import activate_policy
from console.services.pipelines.launch_evidence import CommitTold
from console.services.pipelines.launch_judging import LogMoment, judge_launch
from console.services.signing import sign_statement
from policies.predicates import OutcomeKind
from policies.predicates.operations import LaunchIntent, LaunchOutcome
from store.backend import entry_path
from tests.contract.kfp_launching import write_package
from tests.contract.kubernetes_flavours import workflow
from tests.contract.kubernetes_launching import IMAGE, manifest_of_steps
from tests.pipelines import POLICY
from tests.worlds import World

OTHER = "registry.example/miner:latest"
PLACE = "https://cluster.example/namespaces/training"
UNSEEN = (
    POLICY.replace("provenance", "runtime_locked")
    .replace('require = ["{require}"]', 'by = ["image"]')
    .partition("[[approvals]]")[0]
)


def cron_job(**spec: object) -> Json:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {},
        "spec": {
            "schedule": "0 3 * * *",
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": manifest_of_steps("quick")["spec"]},
        }
        | spec,
    }


def plan_of(manifest: str) -> LaunchPlan:
    return LaunchPlan(
        backend="kubernetes",
        place=PLACE,
        pipeline="tried",
        project="/srv/job.yaml",
        code=Code(),
        steps=(PlannedStep("quick", ("sh",), ()),),
        images=(IMAGE,),
        runtime="current",
        manifest=tuple(manifest.split("\n")),
    )


def put_policy(world: World, to: str, version: int = 1) -> str:
    text = UNSEEN.format(version=version).replace('["launch"]', to)
    activate_policy(world.store, world.people["dana"], text.encode())
    return world.store.policies(world.store.state())[0].digest


def let_go(
    world: World, plan: LaunchPlan, policy: str, *, judged_as: LaunchPlan
) -> str:
    """Declare that a plan is let go, with a verdict on another, and that it was."""
    store, dana = world.store, world.people["dana"]
    state, told = store.state(), CommitTold()
    at = LogMoment(state, state, store.index.size, world.clock.now)
    tree = judge_launch(store, judged_as, "default", dana.id, None, at, told).tree
    intent = LaunchIntent(
        launch="nightly",
        pipeline="tried",
        definition=store.objects.put(plan.to_bytes()),
        parameters=store.objects.put(
            json.dumps(dict(plan.parameters), sort_keys=True).encode()
        ),
        environment="default",
        cause="a person",
        policy=policy,
        root=state.root_digest,
        verdict=store.objects.put(tree.to_bytes()),
        judged_at=world.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        held=False,
        takes_over="",
        evidence=store.objects.put(told.to_bytes()),
    )
    said = put(world, intent, intent.definition)
    put(
        world,
        LaunchOutcome(
            said, "tried", "default", OutcomeKind.DONE, "nightly", "kubernetes nightly"
        ),
        intent.definition,
    )
    return said


def put(world: World, said: object, digest: str) -> str:
    envelope = sign_statement(
        world.people["dana"],
        said,
        ("pipeline/tried", digest),
        world.store.prefix(),
        world.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    index = world.store.index.size
    assert world.store.backend.put_if_absent(entry_path(index), envelope.to_bytes())
    world.store.catch_up()
    entry = world.store.index.entry(index)
    assert entry is not None
    assert entry.judgement.standing.value == "accepted", entry.judgement.reason
    return envelope.statement_id


def verified(world: World) -> Verified:
    target = world.folder / "audit.zip"
    target.write_bytes(export_audit(world.store, Scope(), make_checkpoint(world.store)))
    return verify_file(target, world.store.first_root)


def single() -> LaunchPlan:
    return plan_of(json.dumps(manifest_of_steps("quick"), indent=1, sort_keys=True))


def schedule(**spec: object) -> LaunchPlan:
    return plan_of(json.dumps(cron_job(**spec), indent=1, sort_keys=True))


def test_a_schedule_that_its_policy_lets_go_is_good(world: World) -> None:
    policy = put_policy(world, '["schedule"]')
    let_go(world, schedule(), policy, judged_as=schedule())
    found = verified(world)
    assert (found.problems, found.doubts, found.launches) == ((), (), 1)


def test_a_machine_that_knows_no_time_zones_comes_to_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = put_policy(world, '["schedule"]')
    plan = schedule(timeZone="Europe/Berlin")
    let_go(world, plan, policy, judged_as=plan)

    def unknown(name: str) -> object:
        raise KeyError(name)

    monkeypatch.setattr("connectors.pipelines.cron_times.ZoneInfo", unknown)
    found = verified(world)
    assert (found.problems, found.doubts) == ((), ())


def test_a_schedule_judged_as_a_single_launch_is_found(world: World) -> None:
    policy = put_policy(world, '["launch"]')
    let_go(world, schedule(), policy, judged_as=single())
    wrong = verified(world).problems
    assert any("it names another" in problem for problem in wrong)
    assert any("no policy in force is for it" in problem for problem in wrong)


def test_a_single_launch_judged_as_a_schedule_is_found(world: World) -> None:
    policy = put_policy(world, '["schedule"]')
    let_go(world, single(), policy, judged_as=schedule())
    assert any("was not allowed" in problem for problem in verified(world).problems)


@pytest.mark.parametrize(
    "manifest",
    [
        '{"kind": ' * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "[]",
        "null",
        '"CronJob"',
        "not json",
        '{"kind": "CronJob"',
        "\x00\x1b]52;c;\x07",
    ],
    ids=["deep", "deep-list", "list", "null", "text", "words", "cut", "controls"],
)
def test_a_plan_whose_manifest_cannot_be_read_is_found_and_breaks_nothing(
    world: World, manifest: str
) -> None:
    policy = put_policy(world, '["launch", "schedule"]')
    let_go(world, plan_of(manifest), policy, judged_as=single())
    wrong = verified(world).problems
    assert any("nightly" in p and "cannot be read" in p for p in wrong), wrong


@pytest.mark.parametrize(
    "spec",
    [
        {"schedule": "never"},
        {"schedule": None},
        {"timeZone": "../../etc/passwd"},
        {"timeZone": 7},
        {"concurrencyPolicy": []},
        {"startingDeadlineSeconds": "soon"},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_a_schedule_whose_times_cannot_be_told_is_no_reason_to_fail(
    world: World, spec: dict[str, object]
) -> None:
    policy = put_policy(world, '["schedule"]')
    plan = schedule(**spec)
    let_go(world, plan, policy, judged_as=plan)
    found = verified(world)
    assert any("nightly" in p and "cannot be told" in p for p in found.problems)


@pytest.mark.parametrize("how", ["containers", "initContainers", "volumes"])
@pytest.mark.parametrize("is_repeated", [True, False], ids=["schedule", "job"])
def test_a_plan_that_names_other_images_than_it_would_run_is_found(
    world: World, how: str, is_repeated: bool
) -> None:
    policy = put_policy(world, '["launch", "schedule"]')
    job = manifest_of_steps("quick")
    pod = job["spec"]["template"]["spec"]
    if how == "containers":
        pod["containers"][0]["image"] = OTHER
    elif how == "initContainers":
        pod["initContainers"] = [{"name": "first", "image": OTHER}]
    else:
        pod["volumes"] = [{"name": "tools", "image": {"reference": OTHER}}]
    sent = cron_job(jobTemplate={"spec": job["spec"]}) if is_repeated else job
    plan = plan_of(json.dumps(sent, indent=1, sort_keys=True))
    let_go(world, plan, policy, judged_as=plan)
    [wrong] = verified(world).problems
    assert "contradicts itself" in wrong
    assert "miner" in wrong


def test_a_schedule_that_runs_under_an_older_policy_is_a_note(world: World) -> None:
    policy = put_policy(world, '["schedule"]')
    let_go(world, schedule(), policy, judged_as=schedule())
    put_policy(world, '["launch"]', version=2)
    found = verified(world)
    assert found.problems == ()
    assert "the schedule nightly" in found.doubts[0]
    assert "no policy in force is for it" in found.doubts[0]


def of_argo(folder: Path) -> LaunchPlan:
    path = folder / "workflow.json"
    path.write_text(json.dumps(workflow("quick")))
    asked = LaunchRequest(str(path), "tried", times=Times("0 3 * * *"))
    return plan_schedule(asked, PLACE, "")


def of_kfp(folder: Path) -> LaunchPlan:
    path = write_package(folder, "quick")
    asked = LaunchRequest(str(path), "tried", times=Times("0 3 * * *"))
    return plan_recurring(asked, PLACE, "", "", "Etc/UTC")


PLANNED = {"argo": of_argo, "kfp": of_kfp}


@pytest.mark.parametrize("kind", sorted(PLANNED))
def test_schedules_of_every_place_are_judged_as_schedules(
    world: World, tmp_path: Path, kind: str
) -> None:
    plan = PLANNED[kind](tmp_path)
    policy = put_policy(world, '["schedule"]')
    let_go(world, plan, policy, judged_as=plan)
    found = verified(world)
    assert (found.problems, found.doubts, found.launches) == ((), (), 1)


@pytest.mark.parametrize("kind", sorted(PLANNED))
def test_a_schedule_of_any_place_judged_as_a_single_launch_is_found(
    world: World, tmp_path: Path, kind: str
) -> None:
    policy = put_policy(world, '["launch"]')
    let_go(world, PLANNED[kind](tmp_path), policy, judged_as=single())
    wrong = verified(world).problems
    assert any("no policy in force is for it" in problem for problem in wrong)


@pytest.mark.parametrize(
    ("kind", "was", "now", "why"),
    [
        ("argo", IMAGE, OTHER, "miner"),
        ("argo", '"schedule": "0 3 * * *"', '"schedules": []', "cannot be told"),
        ("argo", '"timezone"', '"when": "x", "timezone"', "cannot be told"),
        ("argo", '"entrypoint": "whole"', '"entrypoint": "x"', "cannot be told"),
        ("kfp", IMAGE, OTHER, "cannot be told|miner"),
        ("kfp", "0 0 3 * * *", "0 3 * * *", "cannot be told"),
        ("kfp", '"no_catchup": true', '"no_catchup": false', "cannot be told"),
        ("kfp", '"Etc/UTC"', '"../../etc/passwd"', "cannot be told"),
        ("kfp", '"schedule": {', '"schedule": [', "cannot be read"),
    ],
)
def test_a_schedule_of_any_place_that_hides_something_is_found(
    world: World, tmp_path: Path, kind: str, was: str, now: str, why: str
) -> None:
    plan = PLANNED[kind](tmp_path)
    text = "\n".join(plan.manifest)
    assert was in text
    forged = replace(plan, manifest=tuple(text.replace(was, now).split("\n")))
    policy = put_policy(world, '["launch", "schedule"]')
    let_go(world, forged, policy, judged_as=plan)
    wrong = verified(world).problems
    assert any(re.search(why, problem) for problem in wrong), wrong


@pytest.mark.parametrize(
    "manifest",
    [
        '{"schedule": ' * 100_000,
        "[]",
        "null",
        "not json",
        '"schedule"',
        "\x1b]52;c;\x07",
    ],
    ids=["deep", "list", "null", "words", "text", "controls"],
)
def test_a_plan_for_kubeflow_pipelines_that_cannot_be_read_breaks_nothing(
    world: World, tmp_path: Path, manifest: str
) -> None:
    plan = replace(of_kfp(tmp_path), manifest=(manifest,))
    policy = put_policy(world, '["launch", "schedule"]')
    let_go(world, plan, policy, judged_as=single())
    wrong = verified(world).problems
    assert any("nightly" in p and "cannot be read" in p for p in wrong), wrong
