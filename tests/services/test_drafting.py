"""What a form holds comes to the same launch as the command's options do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, MalformedInput
from connectors.pipelines.declarations import CanDeclare, Declaration
from connectors.pipelines.protocols import LaunchRequest, Limits, Times
from console.services.configuration import Configuration, KubeflowSetting
from console.services.opened import open_store
from console.services.pipelines.asked import Asked, SeenPlan
from console.services.pipelines.draft_checks import next_times, times_said
from console.services.pipelines.drafting import (
    Draft,
    asked_of,
    changed_values,
    crontab_of,
    draft_of,
    open_place,
)
from console.services.pipelines.launch_log import launches
from console.services.pipelines.launch_places import launch_places
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.launching import launch, plan_launch
from console.services.problems import Misuse, Refusal
from console.widgets.path_suggester import completed
from tests.contract.kfp_launching import write_package
from tests.contract.kubernetes_launching import manifest_of_steps
from tests.pipelines import commit_all, make_project, put_policy, starts
from tests.worlds import World

TWO_STEPS = """
name: tried
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 1.0}
      rounds: {type: int}
    command: 'echo {alpha} {rounds}'
  more:
    parameters:
      alpha: {type: float, default: 2.0}
      where: {type: uri, default: "s3://here"}
    command: 'echo {alpha} {where}'
"""


def project_of_two(folder: Path) -> Path:
    project = folder / "project"
    project.mkdir()
    (project / "MLproject").write_text(TWO_STEPS)
    return project


def declared_by(world: World, project: Path, backend: str = "local") -> Declaration:
    launcher = open_launcher(world.store, backend)
    assert isinstance(launcher, CanDeclare)
    return launcher.declaration(str(project), "")


def test_a_draft_asks_for_what_the_options_of_the_command_ask_for(
    world: World, tmp_path: Path
) -> None:
    draft = Draft(
        project=f" {project_of_two(tmp_path)} ",
        steps="main, more",
        parameters={"rounds": "2"},
        tracking="http://127.0.0.1:5000",
        settings="A=1 'B=two words'",
        passed="TOKEN, OTHER",
        time_limit="2h",
        launch="one",
    )
    wanted = LaunchRequest(
        project=str(tmp_path / "project"),
        entry_points=("main", "more"),
        parameters={"rounds": "2"},
        settings={
            "A": "1",
            "B": "two words",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:5000",
        },
        passed=("TOKEN", "OTHER"),
        limits=Limits(wall_seconds=7200),
    )
    assert asked_of(world.store, draft) == Asked(wanted, "default", "one")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("project", " ", "nothing is named"),
        ("settings", "A='1", "a quotation mark is open"),
        ("settings", "A", "has no value"),
        ("tracking", "file:///etc", "is no tracking server"),
        ("time_limit", "soon", "is no time"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_refused(
    world: World, field: str, value: str, said: str
) -> None:
    draft = replace(Draft(project="."), **{field: value})  # type: ignore[arg-type]  # texts all
    with pytest.raises(Misuse, match=said):
        asked_of(world.store, draft)


def test_what_was_launched_becomes_a_form_that_comes_to_the_same_plan(
    world: World, tmp_path: Path
) -> None:
    draft = Draft(
        project=str(project_of_two(tmp_path)),
        steps="main more",
        parameters={"rounds": "2", "alpha": "[/x] "},
        settings="A='b c'",
        time_limit="90s",
        limits=Limits(memory_bytes=1024**3),
    )
    launcher = open_place(world.store, draft)
    with pytest.raises(MalformedInput, match="is no float"):
        launcher.plan(asked_of(world.store, draft).request)
    draft = replace(draft, parameters={"rounds": "2", "alpha": "3"})
    plan = launcher.plan(asked_of(world.store, draft).request)
    again = draft_of(plan, "default")
    assert again.time_limit == "90s"
    assert launcher.plan(asked_of(world.store, again).request).digest == plan.digest


def test_a_project_declares_steps_and_typed_parameters(
    world: World, tmp_path: Path
) -> None:
    declared = declared_by(world, project_of_two(tmp_path))
    assert declared.entry_points == ("main", "more")
    alpha, rounds, where = declared.parameters
    assert (alpha.default, alpha.steps) == (None, ("main", "more"))
    assert alpha.problem_of("") == ""
    assert rounds.problem_of("") == "it needs a value"
    assert "is no int" in rounds.problem_of("1.5")
    assert "is no URI" in where.problem_of("here")
    assert "with a password" in where.problem_of("s3://a:b@c")
    assert declared.taken_by(("more",)) == (alpha, where)
    typed = {"alpha": "", "rounds": "2", "where": "s3://here"}
    assert changed_values(declared, ("main", "more"), typed) == {"rounds": "2"}


def test_packages_and_manifests_declare_theirs_and_what_is_none_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    job = tmp_path / "job.json"
    job.write_text(json.dumps(manifest_of_steps("quick")))
    names = [one.name for one in declared_by(world, job, "kubernetes").parameters]
    assert "mark" in names
    setting = KubeflowSetting("http://127.0.0.1:1", "team", "")
    store = open_store(
        world.store.address, world.places, Configuration(kubeflow={"prod": setting})
    )
    launcher = open_launcher(store, "kfp")
    assert isinstance(launcher, CanDeclare)
    package = write_package(tmp_path, "quick")
    [mark] = launcher.declaration(str(package), "").parameters
    assert (mark.name, mark.type) == ("mark", "string")
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"a: " + b"x" * 1024**2)
    for name, data in (("bytes", b"\xff\x00"), ("text", b"[/x]\x1b]0;"), ("none", b"")):
        (tmp_path / name).write_bytes(data)
        for backend in ("kubernetes", "local"):
            with pytest.raises(ConnectorError):
                declared_by(world, tmp_path / name, backend)
        with pytest.raises(ConnectorError):
            launcher.declaration(str(tmp_path / name), "")
    for nowhere in ("~nobody-at-all/x", "a\0b", "x" * 9000):
        with pytest.raises(ConnectorError):
            declared_by(world, Path(nowhere))
        with pytest.raises(ConnectorError):
            open_launcher(world.store).plan(LaunchRequest(nowhere))
    with pytest.raises(ConnectorError, match="larger"):
        launcher.declaration(str(huge), "")


def test_places_are_those_that_are_configured_and_the_others_say_why_not(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    own, cluster, kfp = launch_places(world.store)
    assert (own.why_not, own.is_far) == ("", False)
    assert cluster.why_not == f"there is no kubeconfig {kubeconfig}"
    assert "is configured" in kfp.why_not
    kubeconfig.write_text("users: [{name: a, user: {token: hunter2}}]\n[/x]")
    assert "cannot be used" in launch_places(world.store)[1].why_not
    assert "hunter2" not in launch_places(world.store)[1].why_not
    entries = ", ".join(
        f"{{name: {name}, context: {{cluster: c, user: a}}}}" for name in ("x", "y")
    )
    kubeconfig.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: y\ncontexts: [{entries}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "users: [{name: a, user: {}}]\n"
    )
    assert [one.context for one in launch_places(world.store)[1:3]] == ["y", "x"]


def test_the_next_times_stand_in_the_zone_and_in_utc() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    due = next_times(Times("30 2 * * *", "Europe/Berlin"), before)
    assert [f"{utc:%d %H:%M}" for _, utc in due] == ["25 00:30", "25 01:30", "26 01:30"]
    assert {f"{local:%H:%M}" for local, _ in due} == {"02:30"}
    assert next_times(Times("0 0 30 2 *"), before) == []
    with pytest.raises(MalformedInput):
        next_times(Times("0 3 * * *", "[/x]"), before)
    far = Draft(backend="kubernetes", times=Times("0 0 30 2 *"))
    assert times_said(far, before) == ("never for years", False)
    assert times_said(Draft(), before) == ("", True)


def test_a_draft_with_times_becomes_a_line_for_crontab_that_launches_the_same(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_of_two(tmp_path)
    monkeypatch.chdir(tmp_path)
    draft = Draft(
        project="project",
        parameters={"rounds": "50%"},
        launch="nightly",
        times=Times("0 3 * * *"),
    )
    line = crontab_of(world.store, draft)
    assert line.startswith("0 3 * * * env COUNTERSIGN_HOME=")
    assert f"launch {tmp_path}/project --env default" in line
    assert r"-P rounds=50\% " in line
    assert r"--id nightly-$(date -u +\%Y\%m\%dT\%H\%M)" in line
    with pytest.raises(Misuse, match="keeps no schedules"):
        open_place(world.store, draft)
    with pytest.raises(Misuse, match="is no name"):
        crontab_of(world.store, replace(draft, launch="[/x]"))


def test_only_what_was_seen_is_launched(world: World, tmp_path: Path) -> None:
    project = make_project(tmp_path / "code")
    commit_all(project)
    asked = Asked(LaunchRequest(str(project), ref="HEAD"), "default")
    launcher = open_launcher(world.store)
    plan, judged = plan_launch(world.store, launcher, asked, "")
    seen = replace(asked, seen=SeenPlan(plan.digest, judged.waits))
    (project / "more").write_text("x")
    commit_all(project)
    with pytest.raises(Refusal, match="no longer what was seen"):
        launch(world.store, world.people["dana"], launcher, seen)
    plan, judged = plan_launch(world.store, launcher, asked, "")
    seen = replace(asked, seen=SeenPlan(plan.digest, judged.waits))
    put_policy(world)
    with pytest.raises(Refusal, match="it would now be held"):
        launch(world.store, world.people["dana"], launcher, seen)
    assert not list(launches(world.store))
    assert starts(project) == 0


def test_paths_are_completed_and_names_that_no_terminal_should_see_are_left_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "pro\x1b]0;t").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / ".hidden").write_text("")
    assert completed(f"{tmp_path}/pro") == f"{tmp_path}/project/"
    assert completed(f"{tmp_path}/") == f"{tmp_path}/project/"
    assert completed(f"{tmp_path}/.h") == f"{tmp_path}/.hidden"
    assert completed(f"{tmp_path}/none/x") is None
    assert completed("~nobody-at-all/x") is None
    assert completed("a\0b/") is None
