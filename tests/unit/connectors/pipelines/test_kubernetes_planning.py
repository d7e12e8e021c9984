"""Plans of jobs, and that plans without a manifest stay as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, MalformedInput
from connectors.pipelines.kubernetes_planning import manifest_of, plan_manifest
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import (
    Code,
    LaunchPlan,
    LaunchRequest,
    Limits,
    Resolved,
)
from tests.contract.kubernetes_launching import IMAGE, manifest_of_steps

PLACE = "https://cluster.example/namespaces/training"


def request(folder: Path, text: str, **more: object) -> LaunchRequest:
    path = folder / "job.yaml"
    path.write_text(text)
    return LaunchRequest(str(path), **more)  # type: ignore[arg-type]  # as named


def test_a_plan_holds_what_is_sent_with_what_was_asked_for(tmp_path: Path) -> None:
    asked = request(
        tmp_path,
        json.dumps(manifest_of_steps("quick", "fails")),
        parameters={"mark": "marked"},
        settings={"SERVER": "http://one"},
        limits=Limits(wall_seconds=60),
    )
    plan = plan_manifest(asked, PLACE, "staging")
    assert read_plan(plan.to_bytes()) == plan
    assert (plan.images, plan.runtime, plan.place) == ((IMAGE,), "staging", PLACE)
    assert plan.parameters == (("mark", "marked"),)
    manifest = manifest_of(plan)
    assert manifest["spec"]["activeDeadlineSeconds"] == 60
    pod = manifest["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["env"] == [
            {"name": "mark", "value": "marked"},
            {"name": "SERVER", "value": "http://one"},
        ]


def test_a_plan_without_a_manifest_does_not_name_it() -> None:
    plan = LaunchPlan("local", "here", "tried", "/project", Code(), ())
    data = plan.to_bytes()
    assert read_plan(data) == plan
    for name in (b"manifest", b"resolved"):
        assert name not in data
        named = data.replace(b' "passed"', b' "%s": [],\n "passed"' % name)
        assert named != data
        with pytest.raises(MalformedInput):
            read_plan(named)


def test_a_plan_names_what_it_leads_to() -> None:
    found = Resolved("TrainingRuntime", "torch", "u-1", 3, "ab" * 32)
    plan = LaunchPlan(
        "kubernetes", "there", "tried", "/x", Code(), (), resolved=(found,)
    )
    assert read_plan(plan.to_bytes()) == plan
    broken = plan.to_bytes().replace(b'"generation": 3', b'"generation": "3"')
    with pytest.raises(MalformedInput):
        read_plan(broken)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "kind: Job",
        "a: &a [*a]",
        "{" * 200,
        "apiVersion: batch/v1\nkind: Job",
        "apiVersion: batch/v1\nkind: Job\nspec: 1",
        "apiVersion: batch/v1\nkind: [Job]",
        "apiVersion: batch/v1\nkind: Job\nmetadata: []\nspec: {template: {spec: 2}}",
        "apiVersion: batch/v1\nkind: Job\nspec: {a: 2026-01-01, "
        f"template: {{spec: {{containers: [{{name: a, image: '{IMAGE}'}}]}}}}}}",
        "#" * 300_000,
    ],
)
def test_hostile_manifests_are_refused_as_such(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConnectorError):
        plan_manifest(request(tmp_path, text), PLACE, "")


@pytest.mark.parametrize("lines", [(), ("{",), ("[]",), ('{"kind": "Pod"}',)])
def test_a_plan_that_holds_no_job_is_refused(lines: tuple[str, ...]) -> None:
    plan = LaunchPlan("kubernetes", PLACE, "p", "/p", Code(), (), manifest=lines)
    with pytest.raises(ConnectorError):
        manifest_of(plan)
