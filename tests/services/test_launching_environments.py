"""Launches whose environment is built: when it is, whether it is locked, and what is
told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.pipelines.protocols import CanCancel, LaunchRequest, RunState
from console.reports.launches import check_launches
from console.reports.whole_log import WholeLog
from console.services.founding import activate_policy
from console.services.pipelines.asked import Asked
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.launching import launch, plan_launch
from console.services.pipelines.recording import record_run
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.repeating import request_of
from console.services.problems import Refusal, Undecided
from console.services.signing import act_as_service
from policies.predicates import Decision
from policies.trust_root import ServiceKind
from policies.verdict import Verdict, tree_lines
from store.queries.sql import fetch
from tests.pipelines import POLICY, commit_all, put_policy, wait_until_over
from tests.wheels import make_built_project, make_wheel
from tests.worlds import World

LOCKED = POLICY.replace("provenance", "runtime_locked").replace(
    'require = ["{require}"]', 'by = ["image", "lock"]'
)


@pytest.fixture
def project(world: World, tmp_path: Path) -> Iterator[Path]:
    """A project that is committed; afterwards nothing of it runs, and an auditor finds
    nothing wrong."""
    made = make_built_project(tmp_path)
    commit_all(made)
    yield made
    world.store.catch_up()
    assert check_launches(WholeLog(world.store)) == []
    launcher = open_launcher(world.store)
    assert isinstance(launcher, CanCancel)
    for run in launcher.runs():
        launcher.cancel(run.launch, grace_seconds=0)


def asked(project: Path, launch_id: str = "") -> Asked:
    return Asked(
        LaunchRequest(str(project), runtime="virtualenv"), "default", launch_id
    )


def environments(world: World) -> list[Path]:
    return list((world.store.folder / "environments").glob("*"))


@pytest.mark.slow
def test_it_is_built_after_the_release_and_what_was_in_it_is_recorded(
    world: World, project: Path
) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    store, launcher = world.store, open_launcher(world.store)
    plan, judged = plan_launch(store, launcher, asked(project), "")
    assert judged.waits
    assert environments(world) == []
    done = launch(store, world.people["dana"], launcher, asked(project, "one"))
    assert done.run.state is RunState.SUSPENDED
    assert environments(world) == []
    approve = Decided(Decision.APPROVE, "Looked at the requirements")
    release(store, world.people["vera"], launcher, "one", approve)
    release(store, world.people["dana"], launcher, "one", None)
    assert wait_until_over(store, "one").state is RunState.SUCCEEDED

    record_run(
        store, act_as_service(store, store.state(), ServiceKind.IMPORT), launcher, "one"
    )
    store.projection.catch_up()
    with store.projection.reading() as connection:
        tags = {
            row["name"]: row["text"]
            for row in fetch(connection, "SELECT name, text FROM tag")
        }
    [built] = plan.virtualenv
    wheel = next(file for file in built.files if file.path.endswith(".whl"))
    assert tags["countersign.package.apple"] == f"1.0 sha256:{wheel.sha256}"
    assert tags["countersign.virtualenv.key"] == built.key
    assert tags["countersign.virtualenv.unlocked"] == "apple has no hash"
    assert "countersign.lock.sha256" not in tags
    assert request_of(plan).runtime == "virtualenv"
    assert launcher.plan(request_of(plan)).digest == plan.digest


@pytest.mark.parametrize("kind", ["runtime_locked", "provenance"])
def test_a_policy_that_wants_a_lock_tells_whether_there_is_one(
    world: World, project: Path, kind: str
) -> None:
    text = LOCKED if kind == "runtime_locked" else POLICY
    text = text.format(version=1, require="lock", role="guard")
    text = text.partition("[[approvals]]")[0]
    activate_policy(world.store, world.people["dana"], text.encode())
    launcher = open_launcher(world.store)
    dana = world.people["dana"]
    _, judged = plan_launch(world.store, launcher, asked(project), "")
    assert judged.tree.verdict is Verdict.UNKNOWN
    said = "\n".join(tree_lines(judged.tree))
    assert "the environment is not locked: apple has no hash" in said
    with pytest.raises((Refusal, Undecided)):
        launch(world.store, dana, launcher, asked(project, "one"))
    assert environments(world) == []
    digest = make_wheel(project / "wheels", "apple", "1.0")
    (project / "requirements.txt").write_text(
        f"--no-index\n--find-links wheels\napple==1.0 --hash=sha256:{digest}\n"
    )
    commit_all(project)
    plan, judged = plan_launch(world.store, launcher, asked(project), "")
    assert judged.tree.verdict is Verdict.YES
    assert plan.lock_digest[:12] in "\n".join(tree_lines(judged.tree))
