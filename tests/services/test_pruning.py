"""Pruning: only what ended long enough ago and what the log knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.pipelines.protocols import CanCancel
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.pruning import prune
from console.services.pipelines.recording import record_run
from console.services.pipelines.viewing import launch_line
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from tests.pipelines import launch_in, make_project, starts, wait_until_over
from tests.worlds import World

NOW = timedelta(0)


@pytest.fixture
def project(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A project whose launches are recorded by nobody but the test."""
    from console.services.pipelines import launchers

    monkeypatch.setattr(launchers, "_record", lambda store, launch: [])
    yield make_project(tmp_path / "code")
    launcher = open_launcher(world.store)
    assert isinstance(launcher, CanCancel)
    for run in launcher.runs():
        launcher.cancel(run.launch, grace_seconds=0)


def test_what_ended_and_is_recorded_goes_and_nothing_else(
    world: World, project: Path
) -> None:
    store, launcher = world.store, open_launcher(world.store)
    for launch in ("recorded", "unrecorded"):
        launch_in(world, project, launch)
        wait_until_over(store, launch)
    work = store.folder / "launches" / "recorded" / "work"
    assert prune(store, NOW, is_dry=False).not_recorded == ("recorded", "unrecorded")
    service = act_as_service(store, store.state(), ServiceKind.IMPORT)
    record_run(store, service, launcher, "recorded")

    assert prune(store, timedelta(days=30), is_dry=False).launches == ()
    shown = prune(store, NOW, is_dry=True)
    assert [one.name for one in shown.launches] == ["recorded"]
    assert work.is_dir()
    done = prune(store, NOW, is_dry=False)
    assert (done.launches, done.size) == (shown.launches, shown.size)
    assert done.size > 0
    assert done.not_recorded == ("unrecorded",)
    assert not work.exists()
    assert (store.folder / "launches" / "unrecorded" / "work").is_dir()
    assert prune(store, NOW, is_dry=False).launches == ()

    line = launch_line(store, launcher_of_all(store), "recorded")
    assert line.run.state.value == "succeeded"
    again = launch_in(world, project, "recorded")
    assert again.outcome is None
    assert starts(project) == 2


def test_a_record_of_another_plan_is_none(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from console.services.pipelines import pruning
    from console.services.pipelines.run_facts import pipeline_run_key

    launch_in(world, project, "one")
    wait_until_over(world.store, "one")
    other = {pipeline_run_key("one"): "0" * 64}
    monkeypatch.setattr(pruning, "_recorded", lambda store: other)
    done = prune(world.store, NOW, is_dry=False)
    assert (done.launches, done.not_recorded) == ((), ("one",))
