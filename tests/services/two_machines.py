"""Two people at two machines that share one store: one launches, one releases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.pipelines.protocols import CanCancel
from console.services.opened import OpenStore, confirm_anchor
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.releasing import Decided, Released, release
from console.services.pipelines.viewing import LaunchLine, list_launches
from console.services.pipelines.waiting_launches import (
    WaitingLaunch,
    waiting_launches,
)
from policies.predicates import Decision
from tests.pipelines import commit_all, make_project, put_policy
from tests.worlds import World


@dataclass
class TwoMachines:
    """Dana launches on one machine; Vera, a guard, sits at the other."""

    world: World
    project: Path
    there: OpenStore
    """The store as Vera's machine opened it."""

    def lines(self) -> dict[str, LaunchLine]:
        """What Vera's machine lists."""
        self.there.catch_up()
        found = list_launches(self.there, launcher_of_all(self.there))
        return {line.launch: line for line in found}

    def waiting(self, *people: str) -> dict[str, WaitingLaunch]:
        """What waits there, by launch, where some people's keys are at hand."""
        self.there.catch_up()
        mine = [self.world.people[name].id for name in people]
        found = waiting_launches(self.there, self.there.state(), mine=mine)
        return {one.launch: one for one in found}

    def decide(
        self, by: str, decision: Decision, launch: str = "one", role: str = ""
    ) -> Released:
        """Somebody decides at Vera's machine."""
        self.there.catch_up()
        decided = Decided(decision, "looked at it", role)
        done = release(
            self.there,
            self.world.people[by],
            launcher_of_all(self.there),
            launch,
            decided,
        )
        self.world.store.catch_up()
        return done


@pytest.fixture
def two(world: World, tmp_path: Path) -> Iterator[TwoMachines]:
    """A project that fails, a policy that wants a guard, and Vera elsewhere."""
    project = make_project(tmp_path / "code", "exit 3")
    commit_all(project)
    put_policy(world)
    world.hire("vera", "guard")
    there = world.reopened(world.elsewhere("vera"))
    confirm_anchor(there)
    keys = there.places.keys
    keys.mkdir(parents=True)
    for path in world.places.keys.glob("vera*"):
        shutil.copy(path, keys / path.name)
    yield TwoMachines(world, project, there)
    there.close()
    launcher = open_launcher(world.store)
    assert isinstance(launcher, CanCancel)
    for run in launcher.runs():
        if not run.state.is_final:
            launcher.cancel(run.launch, grace_seconds=0)
