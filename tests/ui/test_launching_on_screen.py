"""Launching from the console: a form, the plan and its verdict, a signature."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Log, Static

from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest
from console.app import CountersignApp
from console.rendering import printable
from console.screens.launch import LaunchScreen
from console.screens.launching import LaunchDialog
from console.screens.pipelines import PipelinesScreen
from console.screens.signing import SigningDialog
from console.services.pipelines.drafting import Draft
from console.services.pipelines.launch_log import launches
from console.widgets.launch_form import LaunchForm, ParameterField
from tests.contract.kubernetes_launching import IMAGE
from tests.contract.kubernetes_places import kubernetes_place
from tests.pipelines import (
    commit_all,
    launch_in,
    make_project,
    put_policy,
    starts,
    wait_until_over,
)
from tests.services.kfp_launching import kfp_world
from tests.ui.test_console import on_screen, settle, until
from tests.worlds import World

HOSTILE = "[/x] \x1b]52;c;aGk=\x07 \u202eturned"


def dialog_of(app: CountersignApp) -> LaunchDialog:
    assert isinstance(app.screen, LaunchDialog)
    return app.screen


async def fill(pilot: Pilot[int], **values: str) -> None:
    """Put texts into the fields of the form, and wait until the project is read."""
    form = pilot.app.screen.query_one(LaunchForm)
    await until(pilot, lambda: form.place is not None)
    for key, value in values.items():
        form.field(key).value = value
    await until(pilot, lambda: "steps" in on_screen(pilot.app))


async def to_plan(pilot: Pilot[int], project: Path, **values: str) -> None:
    await fill(pilot, project=str(project), **values)
    await pilot.press("ctrl+g")
    await until(pilot, lambda: "nothing was sent" in on_screen(pilot.app))


async def sign(pilot: Pilot[int], key: Path, name: str = "tried") -> None:
    """Fill in the signature, and press what signs twice, as somebody in a hurry."""
    await until(pilot, lambda: isinstance(pilot.app.screen, SigningDialog))
    dialog = pilot.app.screen
    dialog.query_one("#key", Input).value = str(key)
    dialog.query_one("#name", Input).value = name
    button = dialog.query_one("#sign", Button)
    button.press()
    button.press()
    button.focus()
    await pilot.press("enter")


def complaint(app: CountersignApp) -> str:
    return str(dialog_of(app).query_one("#complaint", Static).content)


async def test_a_launch_goes_from_form_to_plan_to_its_own_screen_by_keyboard_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "code")
    monkeypatch.chdir(project.parent)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    app = CountersignApp(world.store)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8")
        await settle(pilot)
        await pilot.press("l")
        await until(pilot, lambda: "this machine (chosen)" in on_screen(app))
        assert "Kubernetes: no; there is no kubeconfig" in on_screen(app)
        await pilot.press(*"proj")
        await until(pilot, lambda: "there is no MLproject" in on_screen(app))
        await pilot.press("right")
        await until(pilot, lambda: "tried: steps main" in on_screen(app))
        await pilot.press("tab", "tab", *"man", "enter")
        assert "there is no step man; there are main" in on_screen(app)
        assert isinstance(app.screen, LaunchDialog)
        await pilot.press("backspace", "backspace", *"ain", "enter")
        await until(pilot, lambda: "YES: it would start at once" in on_screen(app))
        digest = dialog_of(app)._planned.plan.digest  # type: ignore[union-attr]  # shown
        assert digest in on_screen(app)
        assert '"backend": "local"' in on_screen(app)
        assert world.store.index.size == world.store.catch_up()
        await pilot.press("ctrl+g", "ctrl+g")
        await sign(pilot, world.places.keys / "dana.pem")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await until(pilot, lambda: "SUCCEEDED" in on_screen(app))
        await pilot.press("escape")
        assert isinstance(app.screen, PipelinesScreen)
    [(_, _, intent)] = launches(world.store)
    assert intent.definition == digest
    assert starts(project) == 1


async def test_what_changed_since_it_was_seen_is_refused_and_planned_again(
    world: World, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "code")
    app = CountersignApp(world.store)
    async with app.run_test(size=(120, 40)) as pilot:
        await app.push_screen(LaunchDialog(Draft()))
        await to_plan(pilot, project)
        (project / "more.py").write_text("print('another')\n")
        await pilot.press("ctrl+g")
        await sign(pilot, world.places.keys / "dana.pem")
        await until(pilot, lambda: "no longer what was seen" in complaint(app))
        assert "Look at the plan again" in complaint(app)
        assert not list(launches(world.store))
        dialog_of(app).query_one("#again", Button).press()
        await until(pilot, lambda: not complaint(app))
        await pilot.press("ctrl+g")
        await sign(pilot, tmp_path / "nobody.pem")
        await until(pilot, lambda: "nobody.pem" in complaint(app))
        await pilot.press("ctrl+g")
        await sign(pilot, world.places.keys / "dana.pem")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
    assert len(list(launches(world.store))) == 1
    wait_until_over(world.store, next(iter(launches(world.store)))[0])
    assert starts(project) == 1


async def test_escape_backs_out_step_by_step_and_nothing_was_sent(
    world: World, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "code")
    before = world.store.index.size
    app = CountersignApp(world.store)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchDialog(Draft()))
        await to_plan(pilot, project)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: isinstance(app.screen, SigningDialog))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LaunchDialog))
        assert "nothing was sent" in on_screen(app)
        await pilot.press("escape")
        await until(pilot, lambda: "tried: steps main" in on_screen(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, LaunchDialog))
    assert world.store.catch_up() == before
    assert starts(project) == 0


async def test_what_is_typed_while_a_plan_is_made_makes_it_none(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, plan = threading.Event(), LocalLauncher.plan

    def slow(self: LocalLauncher, request: LaunchRequest) -> LaunchPlan:
        assert gate.wait(60)
        return plan(self, request)

    monkeypatch.setattr(LocalLauncher, "plan", slow)
    project = make_project(tmp_path / "code")
    app = CountersignApp(world.store)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(LaunchDialog(Draft()))
        await fill(pilot, project=str(project))
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "Planning… " in complaint(app))
        await fill(pilot, environment="other")
        await until(pilot, lambda: not complaint(app))
        gate.set()
        await settle(pilot)
        assert "nothing was sent" not in on_screen(app)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "tried in other" in on_screen(app))


async def test_what_is_held_ends_on_its_screen_and_what_is_refused_has_no_signature(
    world: World, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "code")
    commit_all(project)
    put_policy(world)
    app = CountersignApp(world.store)
    async with app.run_test(size=(100, 30)) as pilot:
        await app.push_screen(LaunchDialog(Draft()))
        (project / "changed").write_text("")
        commit_all(project)
        (project / "changed").write_text("by hand")
        await to_plan(pilot, project)
        assert "NO: nothing would be launched" in on_screen(app)
        await pilot.press("ctrl+g")
        assert isinstance(app.screen, LaunchDialog)
        assert "Change the form" in complaint(app)
        await pilot.press("escape")
        await to_plan(pilot, project, ref="HEAD")
        await until(pilot, lambda: "HELD: it would wait" in on_screen(app))
        await pilot.press("ctrl+g")
        await sign(pilot, world.places.keys / "dana.pem")
        await until(pilot, lambda: "SUSPENDED" in on_screen(app))
        assert "1 x guard" in on_screen(app)
    assert starts(project) == 0


async def test_a_launch_is_changed_and_launched_anew_from_its_own_screen(
    world: World, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "code")
    launch_in(world, project, "one")
    wait_until_over(world.store, "one")
    app = CountersignApp(world.store)
    async with app.run_test(size=(100, 30)) as pilot:
        await app.push_screen(LaunchScreen("one"))
        await until(pilot, lambda: "SUCCEEDED" in on_screen(app))
        await pilot.press("l")
        await until(pilot, lambda: "tried: steps main" in on_screen(app))
        [mark] = app.screen.query(ParameterField)
        assert mark.value == str(tmp_path / "code" / "starts")
        mark.value = str(tmp_path / "other")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "YES" in on_screen(app))
        await pilot.press("ctrl+g")
        await sign(pilot, world.places.keys / "dana.pem")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await until(pilot, lambda: "changed from one" in on_screen(app))
    second = list(launches(world.store))[1][0]
    wait_until_over(world.store, second)
    assert (tmp_path / "other").read_text().split() == ["started"]


async def test_times_are_checked_as_typed_and_this_machine_gets_a_line_for_crontab(
    world: World, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "code")
    app = CountersignApp(world.store)
    async with app.run_test(size=(120, 60)) as pilot:
        await app.push_screen(LaunchDialog(Draft()))
        await fill(pilot, project=str(project), cron="0 3 * *", launch="nightly")
        await until(pilot, lambda: "are no times" in on_screen(app))
        await fill(pilot, cron="30 2 * * 1")
        await until(pilot, lambda: "Mon 2026-03-02 02:30" in on_screen(app))
        assert "Mon 2026-03-16 02:30" in on_screen(app)
        assert "local keeps no schedules" in on_screen(app)
        await pilot.press("ctrl+y")
        await until(pilot, lambda: "nightly-$(date" in app.clipboard)
        assert app.clipboard.startswith("30 2 * * 1 env COUNTERSIGN_HOME=")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "keeps no schedules" in complaint(app))
    assert not list(launches(world.store))


async def test_hostile_and_huge_manifests_neither_draw_nor_crash(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["sh", "-c", *(f"line {n}" for n in range(5000))],
        "env": [
            {"name": HOSTILE, "value": HOSTILE},
            *({"name": f"N{n}", "value": "1"} for n in range(500)),
        ],
    }
    pod = {"restartPolicy": "Never", "containers": [container]}
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "tried"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
    path = tmp_path / "job.json"
    path.write_text(json.dumps(manifest))
    huge = tmp_path / "huge.json"
    huge.write_text(json.dumps(manifest | {"x": "y" * 1024**2}))
    with kubernetes_place("in-repo", tmp_path) as place:
        monkeypatch.setenv("KUBECONFIG", str(place.kubeconfig))
        app = CountersignApp(world.store)
        given = {"N1": "2", "N2": HOSTILE}
        draft = Draft(backend="kubernetes", project=str(huge), parameters=given)
        async with app.run_test(size=(80, 24)) as pilot:
            await app.push_screen(LaunchDialog(draft))
            await until(pilot, lambda: "is larger than" in on_screen(app))
            form = app.screen.query_one(LaunchForm)
            form.field("project").value = str(path)
            await until(pilot, lambda: "and 461 more" in _texts(form))
            drawn = on_screen(app).replace("\n", "")
            assert printable(drawn) == drawn
            assert form.draft.parameters == given
            await pilot.press("ctrl+g")
            await until(pilot, lambda: "NO: nothing" in on_screen(app))
            planned = app.screen.query_one("#planned", Log)
            assert planned.line_count > 5000
            await pilot.press("end", "home")
            drawn = on_screen(app).replace("\n", "")
            assert printable(drawn) == drawn
            assert app.screen.query_one("#sign", Button).disabled


def _texts(form: LaunchForm) -> str:
    return "\n".join(str(one.content) for one in form.query(Static))


async def test_what_a_place_does_not_keep_to_is_dim_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kfp_world(world, monkeypatch) as there:
        there.put_policy(is_released=False)
        app = CountersignApp(there.store)
        draft = Draft(backend="kfp", project=there.request().project, pipeline="tried")
        async with app.run_test(size=(100, 40)) as pilot:
            await app.push_screen(LaunchDialog(draft))
            await until(pilot, lambda: "mark (string)" in on_screen(app))
            assert "Kubeflow Pipelines: prod (chosen)" in on_screen(app)
            assert "kfp keeps to no steps" in on_screen(app)
            assert "kfp keeps to no time limit" in on_screen(app)
            form = app.screen.query_one(LaunchForm)
            assert form.field("steps").query_one(Input).disabled
            assert not form.field("ref").query_one(Input).disabled
            await pilot.press("ctrl+g")
            await until(pilot, lambda: "YES: it would start" in on_screen(app))
            await pilot.press("ctrl+g")
            await sign(pilot, world.places.keys / "dana.pem")
            await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
            await until(pilot, lambda: "kfp tells of no log" in on_screen(app))
    assert len(there.runs()) == 1


async def test_read_only_opens_no_dialog_and_the_palette_says_why(
    world: World,
) -> None:
    app = CountersignApp(world.store, is_read_only=True)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("8")
        await settle(pilot)
        await pilot.press("l")
        await pilot.pause()
        assert isinstance(app.screen, PipelinesScreen)
        await pilot.press("ctrl+p")
        await pilot.press(*"launch: launch")
        await until(
            pilot, lambda: "Not now: the console is read-only" in on_screen(app)
        )
        await pilot.press("enter")
        await until(pilot, lambda: bool(app._notifications))
        assert isinstance(app.screen, PipelinesScreen)


async def test_the_palette_does_what_a_key_does(world: World) -> None:
    app = CountersignApp(world.store)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("8")
        await settle(pilot)
        await pilot.press("ctrl+p")
        await pilot.press(*"launch: launch")
        await until(pilot, lambda: "look at plan and verdict" in on_screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchDialog))
