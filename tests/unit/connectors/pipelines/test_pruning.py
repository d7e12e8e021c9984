"""Pruning on this machine: what goes, what stays, and what a killed one leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused
from connectors.pipelines import pruning
from connectors.pipelines.claims import BUILT, Claim
from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, RunState
from connectors.pipelines.pruning import (
    REMOVED,
    LaunchFolders,
    prune_claim,
    prune_environment,
    unused_environments,
)
from connectors.pipelines.virtual_environments import KeptEnvironments
from tests.pipelines import make_project, starts, wait_for

KEY = "0a" * 32
LATER = datetime.now(UTC) + timedelta(days=400)


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[LocalLauncher]:
    made = LocalLauncher(tmp_path / "runs", on_end=lambda _: [])
    yield made
    for run in made.runs():
        made.cancel(run.launch, grace_seconds=0)


def run_one(
    launcher: LocalLauncher, tmp_path: Path, command: str = "echo started >> {mark}"
) -> tuple[Path, LaunchPlan]:
    project = make_project(tmp_path, command)
    plan = launcher.plan(LaunchRequest(str(project)))
    launcher.launch("one", plan, held=False)
    wait_for(launcher, "one", lambda run: run.state.is_final)
    return project, plan


def candidate(tmp_path: Path) -> pruning.Candidate:
    [found] = LaunchFolders(tmp_path / "runs").candidates()
    return found


def test_a_pruned_id_starts_nothing_again_and_still_tells_what_it_was(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project, plan = run_one(launcher, tmp_path)
    before = launcher.find("one")
    assert prune_claim(candidate(tmp_path))
    assert launcher.find("one") == before
    assert launcher.launch("one", plan, held=False) == before
    assert launcher.release("one") == before
    assert launcher.cancel("one", grace_seconds=0) == before
    assert starts(project) == 1
    assert launcher.plan_bytes("one") == plan.to_bytes()
    (project / "train.py").write_text("another\n")
    other = launcher.plan(LaunchRequest(str(project)))
    with pytest.raises(ConnectorRefused, match="is another one here"):
        launcher.launch("one", other, held=False)
    with pytest.raises(ConnectorRefused, match="was pruned here"):
        list(launcher.log_lines("one"))
    assert list(LaunchFolders(tmp_path / "runs").candidates()) == []


@pytest.mark.parametrize("removals", range(len(REMOVED) + 1))
def test_a_prune_that_is_killed_anywhere_is_finished_by_the_next(
    launcher: LocalLauncher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    removals: int,
) -> None:
    class Killed(BaseException):
        """As if by a signal that nobody handles."""

    project, plan = run_one(launcher, tmp_path)
    done: list[Path] = []

    def dying(path: Path) -> None:
        if len(done) == removals:
            raise Killed
        done.append(path)
        kept(path)

    kept = pruning.remove
    monkeypatch.setattr(pruning, "remove", dying)
    if removals < len(REMOVED):
        with pytest.raises(Killed):
            prune_claim(candidate(tmp_path))
    else:
        prune_claim(candidate(tmp_path))
    monkeypatch.undo()
    assert launcher.launch("one", plan, held=False).state is RunState.SUCCEEDED
    assert starts(project) == 1
    for left in LaunchFolders(tmp_path / "runs").candidates():
        assert prune_claim(left)
    folder = tmp_path / "runs" / "one"
    assert not any(os.path.lexists(folder / name) for name in REMOVED)
    assert launcher.launch("one", plan, held=False).state is RunState.SUCCEEDED
    assert starts(project) == 1


def test_what_runs_or_is_held_is_never_pruned(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(tmp_path, "echo started >> {mark}; sleep 300")
    plan = launcher.plan(LaunchRequest(str(project)))
    launcher.launch("one", plan, held=True)
    assert not prune_claim(candidate(tmp_path))
    launcher.release("one")
    wait_for(launcher, "one", lambda _: starts(project) == 1)
    assert not prune_claim(candidate(tmp_path))
    assert (tmp_path / "runs" / "one" / "work").is_dir()
    launcher.cancel("one", grace_seconds=0)
    assert prune_claim(candidate(tmp_path))


def test_links_are_not_followed_and_closed_folders_are_opened(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner" / "kept").write_text("kept\n")
    (outside / "inner").chmod(0o500)
    run_one(
        launcher,
        tmp_path,
        f"ln -s {outside} link; ln -s {outside}/inner/kept file; mkdir -p a/b; "
        "echo x > a/b/c; mkfifo pipe; chmod 0 a/b; chmod 0 a",
    )
    claim = Claim(tmp_path / "runs" / "one")
    (claim.folder / "tmp").rename(claim.folder / "other")
    (claim.folder / "tmp").symlink_to(outside)
    assert prune_claim(candidate(tmp_path))
    assert not any(os.path.lexists(claim.folder / name) for name in REMOVED)
    assert (outside / "inner" / "kept").read_text() == "kept\n"
    assert (outside / "inner").stat().st_mode & 0o777 == 0o500


def made_environment(tmp_path: Path, name: str, *, is_whole: bool) -> Path:
    kept = tmp_path / "environments"
    folder = kept / f"{KEY[:16]}-{name}"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("x")
    (kept / f"{KEY}.lock").touch()
    if is_whole:
        (kept / f"{KEY}.json").write_text(json.dumps({"folder": folder.name}))
    return folder


def test_environments_that_nobody_is_in_go_with_what_killed_builds_left(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    whole = made_environment(tmp_path, "00000001", is_whole=True)
    left = made_environment(tmp_path, "00000002", is_whole=False)
    other = tmp_path / "environments" / "something-else"
    other.mkdir()
    kept, folders = KeptEnvironments(whole.parent), LaunchFolders(tmp_path / "runs")
    young = datetime.now(UTC) - timedelta(days=1)
    assert list(unused_environments(kept, folders.claims, young)) == []
    found = list(unused_environments(kept, folders.claims, LATER))
    assert [(one.folder, one.key) for one in found] == [(whole, KEY), (left, "")]
    with kept.locked(KEY, lambda: None):
        assert not any(prune_environment(kept, x, folders.claims) for x in found)
    assert all(prune_environment(kept, one, folders.claims) for one in found)
    assert not whole.exists()
    assert not left.exists()
    assert other.exists()
    assert kept.usable(KEY) == (None, "")


def test_an_environment_that_a_run_is_in_stays(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    whole = made_environment(tmp_path, "00000001", is_whole=True)
    kept, folders = KeptEnvironments(whole.parent), LaunchFolders(tmp_path / "runs")
    [unused] = unused_environments(kept, folders.claims, LATER)
    project = make_project(tmp_path, "echo started >> {mark}; sleep 300")
    launcher.launch("one", launcher.plan(LaunchRequest(str(project))), held=False)
    wait_for(launcher, "one", lambda _: starts(project) == 1)
    claim = Claim(tmp_path / "runs" / "one")
    claim.write(BUILT, {"folder": str(whole)})
    assert list(unused_environments(kept, folders.claims, LATER)) == []
    claim.write(BUILT, {"folder": str(whole), "packages": []})
    assert list(unused_environments(kept, folders.claims, LATER)) == []
    assert not prune_environment(kept, unused, folders.claims)
    assert whole.is_dir()


def test_only_old_leavings_of_launches_that_never_came_to_be_are_found(
    tmp_path: Path,
) -> None:
    folders = LaunchFolders(tmp_path / "runs")
    assert folders.left_aside(LATER) == []
    old, young = (tmp_path / "runs" / f".new-{name}" for name in ("old", "young"))
    for path in (old, young, tmp_path / "runs" / "one"):
        path.mkdir(parents=True)
    long_ago = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    os.utime(old, (long_ago, long_ago))
    assert folders.left_aside(LATER) == [old]
