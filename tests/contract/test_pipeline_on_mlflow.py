"""The sample's own training, launched on this machine, telling a real MLflow server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.pipelines.protocols import CanStreamLogs, LaunchRequest, RunState
from console.services.pipelines.asked import Asked
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.launching import launch
from console.services.pipelines.recording import record_run
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.identifiers import commit_key, model_version_key, run_key
from store.queries.lineage import Direction, neighbours
from store.queries.models import list_versions
from tests.conftest import REPOSITORY
from tests.contract.conftest import mlflow_python
from tests.contract.mlflow_server import Server, running
from tests.pipelines import wait_for
from tests.worlds import World

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture
def fresh_server() -> Iterator[Server]:
    with running(mlflow_python(), backend="sqlite") as server:
        yield server


def committed_sample(folder: Path) -> str:
    """The sample's training code and data as a repository; its commit."""
    for name in ("training", "datasets"):
        shutil.copytree(
            REPOSITORY / "sample_data" / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
        return subprocess.run(
            ["git", "-C", str(folder), *who, *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    git("init", "--quiet", "--initial-branch", "main")
    git("add", "--all")
    git("commit", "--quiet", "--message", "Train")
    return git("rev-parse", "HEAD")


def test_a_launched_training_becomes_lineage_from_the_commit_to_the_version(
    world: World, fresh_server: Server, tmp_path: Path
) -> None:
    commit = committed_sample(tmp_path / "work")
    store = world.store
    launcher = open_launcher(store)
    request = LaunchRequest(
        project=str(tmp_path / "work" / "training"),
        entry_points=("prepare", "train"),
        parameters={"register": "diabetes", "alpha": "7.5"},
        ref="main",
        runtime=str(Path(mlflow_python()).absolute().parent.parent),
        settings={"MLFLOW_TRACKING_URI": fresh_server.address},
    )
    done = launch(
        store, world.people["dana"], launcher, Asked(request, "default", "first")
    )
    assert done.outcome is not None
    run = wait_for(launcher, "first", lambda found: found.state.is_final, seconds=240)
    assert isinstance(launcher, CanStreamLogs)
    said = "\n".join(line.text for line in launcher.log_lines("first"))
    assert run.state is RunState.SUCCEEDED, said
    assert "300 rows to train on, 142 held out, none shared" in said

    acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
    recorded = record_run(store, acting, launcher, "first")
    assert recorded.problem == ""
    assert len(recorded.contains) == 1
    [inner] = recorded.contains
    ours = run_key("pipelines", "first")
    with store.projection.reading() as connection:
        [version] = list_versions(connection)
        into_version = neighbours(connection, [version.key], Direction.UP)
        from_inner = {
            edge.object for _, edge in neighbours(connection, [inner], Direction.UP)
        }
        from_ours = {
            edge.object for _, edge in neighbours(connection, [ours], Direction.UP)
        }
    assert version.key == model_version_key(version.source, "diabetes", "1")
    assert {edge.subject for _, edge in into_version} == {inner}
    assert commit_key(commit) in from_inner & from_ours
    read = {key for key in from_inner & from_ours if key.startswith("dataset-version")}
    assert len(read) == 2
    again = record_run(store, acting, launcher, "first")
    assert all(not report.new for report in again.reports)
