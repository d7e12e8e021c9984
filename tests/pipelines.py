"""Small projects to launch in tests, and a world in which they are launched."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from connectors.pipelines.protocols import CanLaunch, LaunchRequest, PipelineRun
from console.services.founding import activate_policy
from console.services.opened import OpenStore
from console.services.pipelines.asked import Asked
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.launching import launch
from console.services.pipelines.sending import Launched
from tests.worlds import World

WAIT_SECONDS = 60.0
POLICY = """
schema = "countersign/policy/v1"
id = "launches"
version = {version}
description = "What a launch needs."

[applies]
models = ["pipeline/*"]
to = ["launch"]

[[rules]]
id = "clean"
kind = "provenance"
require = ["{require}"]

[[approvals]]
role = "{role}"
count = 1
expires_after_days = 7
"""


def make_project(folder: Path, command: str = "echo started >> {mark}") -> Path:
    """A project of one step that leaves a line in a file beside it when it starts."""
    project = folder / "project"
    project.mkdir(parents=True)
    mark = folder / "starts"
    (project / "MLproject").write_text(
        "name: tried\nentry_points:\n  main:\n    parameters:\n"
        f"      mark: {{type: string, default: {mark}}}\n"
        f"    command: '{command}'\n"
    )
    return project


def commit_all(project: Path) -> str:
    """Make a project a repository, or commit what changed; the commit."""

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
        return subprocess.run(
            ["git", "-C", str(project), *who, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
        ).stdout.strip()

    if not (project / ".git").exists():
        git("init", "--quiet", "--initial-branch", "main")
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "--message", "As it is")
    return git("rev-parse", "HEAD")


def starts(project: Path) -> int:
    """How often anything of a project was started."""
    mark = project.parent / "starts"
    return len(mark.read_text().split()) if mark.exists() else 0


def put_policy(
    world: World, *, version: int = 1, require: str = "clean_tree", role: str = "guard"
) -> None:
    """Put a policy for launches in force; without a role nobody has to release."""
    text = POLICY.format(version=version, require=require, role=role)
    if not role:
        text = text.partition("[[approvals]]")[0]
    activate_policy(world.store, world.people["dana"], text.encode())


def launch_in(
    world: World,
    project: Path,
    launch_id: str = "",
    *,
    by: str = "dana",
    environment: str = "default",
    ref: str = "",
) -> Launched:
    """Launch a project as somebody."""
    asked = Asked(LaunchRequest(str(project), ref=ref), environment, launch_id)
    return launch(world.store, world.people[by], open_launcher(world.store), asked)


def wait_until_over(store: OpenStore, launch_id: str) -> PipelineRun:
    """A run once it has ended."""
    return wait_for(open_launcher(store), launch_id, lambda run: run.state.is_final)


def wait_for(
    launcher: CanLaunch,
    launch_id: str,
    until: Callable[[PipelineRun], bool],
    seconds: float = WAIT_SECONDS,
) -> PipelineRun:
    """Look at a run again and again, for as long as is reasonable."""
    deadline = time.monotonic() + seconds
    while True:
        run = launcher.find(launch_id)
        assert run is not None
        if until(run):
            return run
        assert time.monotonic() < deadline, f"{launch_id} is {run.state}: {run.reason}"
        time.sleep(0.05)
