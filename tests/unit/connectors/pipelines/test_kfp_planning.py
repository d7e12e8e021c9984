"""Packages of Kubeflow Pipelines: what is taken and refused, and what is planned."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConnectorError, ConnectorRefused, MalformedInput
from connectors.kubeflow.fingerprints import fingerprint
from connectors.kubeflow.packages import read_package
from connectors.pipelines.kfp_planning import package_of, plan_package, sent_by
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, Limits, Times
from tests.contract.kfp_launching import IMAGE, package_of_steps
from tests.pipelines import commit_all

PLACES = [
    "root",
    "dag",
    "tasks",
    "components",
    "deploymentSpec",
    "executors",
    "container",
    "image",
    "componentRef",
]
COMPILED = Path(__file__).parent / "kfp_compiled"
PLACE = "https://kubeflow.example/namespaces/team-a"


def planned(path: Path, **asked: Any) -> LaunchPlan:
    return plan_package(LaunchRequest(str(path), **asked), PLACE, "prod")


def written(folder: Path, package: object, name: str = "pipeline.yaml") -> Path:
    path = folder / name
    path.write_text(json.dumps(package) if not isinstance(package, str) else package)
    return path


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    package = package_of_steps("quick", "talks")
    change(package)
    return package


def test_a_plan_holds_the_package_to_the_byte_and_reads_back(tmp_path: Path) -> None:
    package = json.loads(json.dumps(package_of_steps("quick", "talks")))
    text = yaml.safe_dump(package).replace("\n", "\r\n", 2)
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(f"# Größe\n{text}".encode())
    plan = planned(path)
    assert package_of(plan) == path.read_bytes()
    assert read_plan(plan.to_bytes()) == plan
    assert [step.name for step in plan.steps] == ["quick", "talks"]
    assert plan.images == (IMAGE,)
    assert plan.parameters == (("mark", "/dev/null"),)


def test_steps_stand_after_those_that_they_wait_for(tmp_path: Path) -> None:
    package = package_of_steps("quick", "talks", "fails")
    tasks = package["root"]["dag"]["tasks"]
    package["root"]["dag"]["tasks"] = dict(reversed(tasks.items()))
    names = [step.name for step in planned(written(tmp_path, package)).steps]
    assert names == ["quick", "talks", "fails"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("NUMBER_INTEGER", "3", 3),
        ("NUMBER_INTEGER", "3.0", 3),
        ("NUMBER_DOUBLE", "0.5", 0.5),
        ("BOOLEAN", "true", True),
        ("LIST", "[1, 2]", [1, 2]),
        ("STRUCT", '{"a": 1}', {"a": 1}),
        ("STRING", "3", "3"),
    ],
)
def test_values_are_of_the_type_that_is_declared(
    tmp_path: Path, kind: str, text: str, value: object
) -> None:
    def declare(package: dict[str, Any]) -> None:
        declared = package["root"]["inputDefinitions"]["parameters"]
        declared["mark"] = {"parameterType": kind}

    plan = planned(written(tmp_path, changed(declare)), parameters={"mark": text})
    parameters = sent_by(plan)["run"]["runtime_config"]["parameters"]
    assert parameters == {"mark": value}
    again = planned(Path(plan.project), parameters=dict(plan.parameters))
    assert sent_by(again)["run"] == sent_by(plan)["run"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("NUMBER_INTEGER", "3.5"),
        ("NUMBER_INTEGER", "true"),
        ("NUMBER_DOUBLE", "x"),
        ("BOOLEAN", "1"),
        ("LIST", "{}"),
        ("STRUCT", "[]"),
        ("TASK_FINAL_STATUS", "{}"),
        ("", "x"),
    ],
)
def test_a_value_of_another_type_is_refused(
    tmp_path: Path, kind: str, text: str
) -> None:
    def declare(package: dict[str, Any]) -> None:
        declared = package["root"]["inputDefinitions"]["parameters"]
        declared["mark"] = {"parameterType": kind}

    with pytest.raises(MalformedInput):
        planned(written(tmp_path, changed(declare)), parameters={"mark": text})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("NUMBER_DOUBLE", "NaN"),
        ("NUMBER_DOUBLE", "-Infinity"),
        ("NUMBER_DOUBLE", "1e400"),
        ("NUMBER_INTEGER", "9007199254740993"),
        ("LIST", "[[-9007199254740993]]"),
        ("STRUCT", '{"a": [1e999]}'),
    ],
)
def test_a_number_that_would_arrive_as_another_is_refused(
    tmp_path: Path, kind: str, text: str
) -> None:
    """Numbers are doubles there, and a run would not be what its plan says."""

    def declare(package: dict[str, Any]) -> None:
        declared = package["root"]["inputDefinitions"]["parameters"]
        declared["mark"] = {"parameterType": kind}

    path = written(tmp_path, changed(declare))
    with pytest.raises(MalformedInput):
        planned(path, parameters={"mark": text})

    def declare_default(package: dict[str, Any]) -> None:
        declare(package)
        declared = package["root"]["inputDefinitions"]["parameters"]
        declared["mark"]["defaultValue"] = json.loads(text)

    text_of_default = yaml.safe_dump(json.loads(json.dumps(changed(declare_default))))
    with pytest.raises(MalformedInput):
        planned(written(tmp_path, text_of_default))


@pytest.mark.parametrize(
    ("text", "is_replaced"),
    [
        ("s3://b/[[RunUUID]]", True),
        ("[[CurrentTime.2006-01-02]]", True),
        ("x[[ScheduledTime]]y", True),
        ("[[Index]]", True),
        ("[[1, 2]]", False),
        ("[[Something]]", False),
        ("[RunUUID]", False),
    ],
)
def test_a_text_that_a_server_would_replace_is_refused(
    tmp_path: Path, text: str, is_replaced: bool
) -> None:
    path = written(tmp_path, package_of_steps("quick"))
    if not is_replaced:
        assert planned(path, parameters={"mark": text}).parameters == (("mark", text),)
        return
    with pytest.raises(MalformedInput, match="replaces"):
        planned(path, parameters={"mark": text})


def test_a_parameter_without_a_value_is_asked_for(tmp_path: Path) -> None:
    def declare(package: dict[str, Any]) -> None:
        declared = package["root"]["inputDefinitions"]["parameters"]
        declared["mark"] = {"parameterType": "STRING"}
        declared["other"] = {"parameterType": "STRING", "isOptional": True}

    path = written(tmp_path, changed(declare))
    with pytest.raises(MalformedInput, match="'mark' has no value"):
        planned(path)
    assert planned(path, parameters={"mark": "x"}).parameters == (("mark", "x"),)


@pytest.mark.parametrize(
    "image",
    [
        "registry.example/trainer:latest",
        "registry.example/trainer",
        f"registry.example/trainer@sha256:{'AB' * 32}",
        f"registry.example/trainer@sha256:{'ab' * 31}",
        "{{$.inputs.parameters['image']}}",
        f"{{{{$.inputs.parameters['x']}}}}@sha256:{'ab' * 32}",
        f" @sha256:{'ab' * 32}",
        "",
    ],
)
def test_an_image_that_may_change_is_refused(tmp_path: Path, image: str) -> None:
    with pytest.raises(ConnectorRefused, match="digest"):
        planned(written(tmp_path, package_of_steps("quick", image=image)))


def test_an_image_of_a_platform_is_held_to_its_digest_too(tmp_path: Path) -> None:
    package = json.dumps(package_of_steps("quick"))
    platform = "platforms: {kubernetes: {deploymentSpec: {x: [{image: a:b}]}}}"
    with pytest.raises(ConnectorRefused, match="'a:b'"):
        planned(written(tmp_path, f"{package}\n---\n{platform}\n"))
    harmless = platform.replace("a:b", f"a@sha256:{'ab' * 32}")
    assert planned(written(tmp_path, f"{package}\n---\n{harmless}\n")).images == (
        IMAGE,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["deploymentSpec"]["executors"].update(x={"customJob": {}}),
        lambda p: p["deploymentSpec"]["executors"].update(x={"container": {}}),
        lambda p: p["deploymentSpec"]["executors"].update(x={}),
        lambda p: p["root"]["dag"].update(tasks={}),
        lambda p: p.pop("root"),
        lambda p: p.pop("pipelineInfo"),
        lambda p: p["pipelineInfo"].update(name="../up"),
        lambda p: p["root"]["dag"]["tasks"]["quick"].update(dependentTasks=["talks"]),
        lambda p: p["root"]["dag"]["tasks"]["quick"].update(dependentTasks=["none"]),
        lambda p: p["root"]["dag"]["tasks"]["quick"]["componentRef"].update(name="z"),
        lambda p: p.update(kind="Workflow", apiVersion="argoproj.io/v1alpha1"),
    ],
)
def test_what_does_not_say_what_will_run_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(ConnectorError):
        planned(written(tmp_path, changed(change)))


@pytest.mark.parametrize(
    "text", ["", "[]", "a: &x 1\nb: *x", "{" * 500, "a: b: c", "a\n---\nb", "\x00"]
)
def test_what_is_no_package_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(MalformedInput):
        planned(written(tmp_path, text))


def test_a_package_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match="cannot be read"):
        planned(tmp_path / "none.yaml")
    with pytest.raises(MalformedInput, match="larger"):
        planned(written(tmp_path, "a: " + "x" * 1024**2))


@pytest.mark.parametrize(
    "asked",
    [
        {"settings": {"A": "1"}},
        {"passed": ("A",)},
        {"entry_points": ("quick",)},
        {"times": Times("0 3 * * *")},
        {"runtime": "/usr/bin/python3"},
        {"limits": Limits(wall_seconds=60)},
        {"limits": Limits(log_bytes=1)},
    ],
)
def test_what_cannot_be_kept_to_is_refused(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    with pytest.raises(ConnectorRefused, match="cannot be kept to"):
        planned(written(tmp_path, package_of_steps("quick")), **asked)


def test_a_package_of_a_commit_names_it_and_where_its_code_is_read(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, package_of_steps("quick"))
    commit = commit_all(tmp_path)
    remote = "https://user:secret@git.example/team/code.git"
    command = ["git", "-C", str(tmp_path), "remote", "add", "origin", remote]
    subprocess.run(command, check=True)
    plan = planned(path)
    assert (plan.code.commit, plan.code.is_dirty) == (commit, False)
    url = f"https://git.example/team/code/tree/{commit}"
    assert sent_by(plan)["version"]["code_source_url"] == url
    path.write_text(json.dumps(package_of_steps("fails")))
    dirty = planned(path)
    assert (dirty.code.is_dirty, sent_by(dirty)["version"]["code_source_url"]) == (
        True,
        "",
    )
    assert planned(path, ref=commit).steps == plan.steps
    with pytest.raises(MalformedInput):
        planned(written(tmp_path, package_of_steps("quick"), "new.yaml"), ref=commit)


def test_a_package_beside_a_repository_that_does_not_have_it_names_no_commit(
    tmp_path: Path,
) -> None:
    (tmp_path / ".gitignore").write_text("pipeline.yaml\n")
    commit_all(tmp_path)
    plan = planned(written(tmp_path, package_of_steps("quick")))
    assert plan.code.commit == ""
    assert len(plan.code.tree) == 64


def test_a_fingerprint_is_that_of_what_decides_what_it_does() -> None:
    package = package_of_steps("quick", "talks")
    known = fingerprint(package)
    renamed = json.loads(json.dumps(package))
    renamed["pipelineInfo"]["name"] = "namespace/a/pipeline/b"
    renamed["sdkVersion"] = "kfp-2.18.0"
    assert fingerprint(renamed) == known
    container = "deploymentSpec.executors.exec-quick.container"
    changes: dict[str, object] = {
        f"{container}.image": f"other@sha256:{'cd' * 32}",
        f"{container}.command": ["x"],
        f"{container}.args": ["x"],
        f"{container}.env": [{"name": "A", "value": "1"}],
        f"{container}.resources.cpuLimit": 4.0,
        "components.comp-quick.executorLabel": "exec-talks",
        "root.dag.tasks.quick.inputs.parameters.mark": {
            "runtimeValue": {"constant": "s3://other"}
        },
        "root.dag.tasks.talks.dependentTasks": [],
        "root.dag.tasks.quick.triggerPolicy.condition": "false",
        "root.inputDefinitions.parameters.mark.defaultValue": "/other",
    }
    for place, value in changes.items():
        assert fingerprint(with_value(package, place, value)) != known, place


def with_value(package: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    other: dict[str, Any] = json.loads(json.dumps(package))
    at = other
    *above, name = place.split(".")
    for step in above:
        at = at.setdefault(step, {})
    at[name] = value
    return other


def test_a_fingerprint_tells_values_that_hold_nothing_from_one_another() -> None:
    place = "root.dag.tasks.quick.inputs.parameters.mark.runtimeValue.constant"
    package = package_of_steps("quick")
    nothing: tuple[object, ...] = ("", 0, False, None, [], {}, [0], {"a": ""}, {"a": 0})
    told = {fingerprint(with_value(package, place, value)) for value in nothing}
    assert len(told) == len(nothing)
    assert fingerprint(with_value(package, place, 1)) == fingerprint(
        with_value(package, place, 1.0)
    )


def test_a_fingerprint_holds_what_is_set_for_a_cluster() -> None:
    def of(**settings: object) -> str:
        executors = {"exec-quick": settings}
        cluster = {"deploymentSpec": {"executors": executors}}
        return fingerprint(
            package_of_steps("quick"), {"platforms": {"kubernetes": cluster}}
        )

    secret = {"secretAsEnv": [{"secretName": "mine"}]}
    assert of(**secret) != of() != fingerprint(package_of_steps("quick"))
    assert of(**secret) != of(secretAsEnv=[{"secretName": "another"}])
    assert of(podMetadata={"a": 1}) == of(podMetadata={"a": 1.0})
    elsewhere: dict[str, Any] = {"deploymentSpec": {"executors": {"a": {}}}}
    other = {"platforms": {"elsewhere": elsewhere}}
    assert fingerprint(package_of_steps("quick"), other) == fingerprint(
        package_of_steps("quick"), None
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(PLACES),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_a_file_holds_is_read_or_refused(found: object) -> None:
    package = package_of_steps("quick")
    whole = found if not isinstance(found, dict) else package | found
    try:
        read = read_package(json.dumps(whole).encode(), "pipeline.yaml")
    except ConnectorError:
        return
    assert all("@sha256:" in image for image in read.images)


def test_what_the_compiler_writes_is_planned_and_planned_again_the_same() -> None:
    """By kfp 2.17: an exit handler, a condition, a loop, an importer, a secret."""
    plan = planned(COMPILED / "pipeline.yaml")
    assert [step.name for step in plan.steps] == ["exit-handler-1", "clean"]
    assert plan.images == (IMAGE,)
    assert dict(plan.parameters)["folds"] == "5.0"
    assert "note" not in dict(plan.parameters)
    again = planned(COMPILED / "pipeline.yaml", parameters=dict(plan.parameters))
    assert again.digest == plan.digest


def test_a_step_that_is_a_pipeline_has_the_tasks_that_no_other_has() -> None:
    package = read_package((COMPILED / "pipeline.yaml").read_bytes(), "it")
    handler, clean = package.steps
    assert set(handler.within) == {
        "prepare",
        "importer",
        "train",
        "condition-2",
        "inner",
        "for-loop-4",
    }
    assert clean.within == ()


def test_a_pipeline_within_itself_is_refused(tmp_path: Path) -> None:
    package = package_of_steps("quick")
    package["components"]["comp-quick"] = {
        "dag": {"tasks": {"again": {"componentRef": {"name": "comp-quick"}}}}
    }
    with pytest.raises(MalformedInput):
        planned(written(tmp_path, package))
    for depth in range(15):
        inner = {"componentRef": {"name": f"c{depth + 1}"}}
        tasks = {f"t{number}": inner for number in range(10)}
        package["components"][f"c{depth}"] = {"dag": {"tasks": tasks}}
    package["components"]["c15"] = {"executorLabel": "exec-quick"}
    package["components"]["comp-quick"] = package["components"]["c0"]
    with pytest.raises(MalformedInput, match="tasks"):
        planned(written(tmp_path, package))


def test_what_a_server_makes_of_a_package_has_its_fingerprint() -> None:
    """Read into the API's own messages and written again, under another name."""
    compiled, *_ = yaml.safe_load_all((COMPILED / "pipeline.yaml").read_text())
    served = json.loads((COMPILED / "as_served.json").read_text())
    assert served != compiled
    assert fingerprint(served) == fingerprint(compiled)


def test_what_the_libraries_of_a_server_make_of_a_package_has_its_fingerprint() -> None:
    """All that the compiler can write, through tests/peers/kfp/as_served.sh."""
    package = read_package((COMPILED / "many.yaml").read_bytes(), "many.yaml")
    served = json.loads((COMPILED / "many_as_served.json").read_text())
    spec, platform = served["pipeline_spec"], served["platform_spec"]
    assert fingerprint(spec, platform) == package.fingerprint
    assert fingerprint(spec) != package.fingerprint


@pytest.mark.parametrize(
    ("text", "theirs"), [("yes", "yes"), ("1e3", 1000.0), ("1:30", "1:30")]
)
def test_what_a_server_reads_otherwise_than_we_do_is_not_taken_for_the_same(
    text: str, theirs: object
) -> None:
    """It knows another YAML than ours, in which these are other values."""
    place = "root.dag.tasks.quick.inputs.parameters.mark.runtimeValue.constant"
    package = package_of_steps("quick")
    ours = with_value(package, place, yaml.safe_load(text))
    assert fingerprint(ours) != fingerprint(with_value(package, place, theirs))
