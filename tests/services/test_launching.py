"""Launching: what goes, what waits, what is refused, and what a crash leaves."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.pipelines.protocols import CanCancel, RunState
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.launches import check_launches
from console.reports.verification import verify_file
from console.reports.whole_log import WholeLog
from console.services.checkpoints import make_checkpoint
from console.services.pipelines.launch_log import known_launch, launches
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.recording import record_run
from console.services.pipelines.releasing import Decided, Released, release
from console.services.problems import Refusal, Undecided
from console.services.signing import act_as_service, append
from console.services.standing import governed_stages
from policies.predicates import (
    Decision,
    OutcomeKind,
    Revocation,
    RevocationCause,
    RevokedKind,
)
from policies.trust_root import ServiceKind
from policies.verdict import Verdict
from store.errors import StoreRefused
from store.facts import Fact, FactKind
from store.identifiers import commit_key, run_key
from store.queries.lineage import Direction, neighbours
from tests.crashing_launch import POINTS
from tests.pipelines import (
    commit_all,
    launch_in,
    make_project,
    put_policy,
    starts,
    wait_until_over,
)
from tests.worlds import World


@pytest.fixture
def project(world: World, tmp_path: Path) -> Iterator[Path]:
    """A project, and afterwards nothing of it that still runs; whatever happened, an
    auditor finds nothing wrong with it."""
    yield make_project(tmp_path / "code")
    world.store.catch_up()
    assert check_launches(WholeLog(world.store)) == []
    launcher = open_launcher(world.store)
    assert isinstance(launcher, CanCancel)
    for run in launcher.runs():
        if not run.state.is_final:
            launcher.cancel(run.launch, grace_seconds=0)


def let_go(world: World, launch: str, by: str, reason: str = "fit to run") -> Released:
    decided = Decided(Decision.APPROVE, reason)
    return release(
        world.store, world.people[by], open_launcher(world.store), launch, decided
    )


def declared(world: World) -> list[str]:
    return [launch for launch, _, _ in launches(world.store)]


@pytest.mark.parametrize("named", ["one", ""], ids=["by its id", "without an id"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_and_tried_again_it_is_launched_once(
    world: World, project: Path, point: str, named: str
) -> None:
    if point == "after the outcome" and not named:
        pytest.skip("what the log knows as launched is launched anew without its id")
    home, address = world.places.data.parent, world.store.address
    crash = [sys.executable, "-m", "tests.crashing_launch", str(home), address]
    crash += [str(project), point, *([named] if named else [])]
    first = subprocess.run(crash, capture_output=True, check=False, timeout=120)
    assert first.returncode == -9, first.stderr
    second = subprocess.run(crash, capture_output=True, check=False, timeout=120)
    assert second.returncode in (-9, 0), second.stderr
    world.store.catch_up()
    if second.returncode or named:
        launch_in(world, project, named)
    [launch] = declared(world)
    run = wait_until_over(world.store, launch)
    assert run.state is RunState.SUCCEEDED
    assert starts(project) == 1
    record = known_launch(world.store, launch, world.store.state())
    assert len(record.intents) == len(record.outcomes) == 1
    assert record.outcomes[0][1].outcome is OutcomeKind.DONE


def test_what_was_launched_by_its_id_is_found_again(
    world: World, project: Path
) -> None:
    first = launch_in(world, project, "one")
    again = launch_in(world, project, "one")
    wait_until_over(world.store, "one")
    assert again.intent == first.intent
    assert again.outcome is None
    assert starts(project) == 1


def test_without_an_id_it_is_launched_each_time(world: World, project: Path) -> None:
    done = [launch_in(world, project).run.launch for _ in range(2)]
    for launch in done:
        wait_until_over(world.store, launch)
    assert len(set(done)) == 2
    assert starts(project) == 2


def test_an_id_is_one_launch_in_the_log_too(world: World, project: Path) -> None:
    launch_in(world, project, "one")
    (project / "more").write_text("another tree")
    with pytest.raises(Refusal, match="another one"):
        launch_in(world, project, "one")
    with pytest.raises(Refusal, match="another one"):
        launch_in(world, project, "one", environment="training")


def test_another_machine_does_not_launch_what_this_one_launched(
    world: World, project: Path
) -> None:
    launch_in(world, project, "one")
    there = world.reopened(world.elsewhere("other"))
    from connectors.pipelines.protocols import LaunchRequest
    from console.services.opened import confirm_anchor
    from console.services.pipelines.asked import Asked
    from console.services.pipelines.launching import launch

    confirm_anchor(there)
    asked = Asked(LaunchRequest(str(project)), "default", "one")
    with pytest.raises(Refusal, match="another one"):
        launch(there, world.people["dana"], open_launcher(there), asked)
    there.close()
    wait_until_over(world.store, "one")
    assert starts(project) == 1


def test_without_a_policy_only_ones_own_processes_go(
    world: World, project: Path
) -> None:
    with pytest.raises(Refusal, match="a policy for this launch"):
        launch_in(world, project, environment="training")
    assert declared(world) == []
    assert list(open_launcher(world.store).runs()) == []
    assert launch_in(world, project).judged is not None


def test_who_is_no_operator_launches_nothing(world: World, project: Path) -> None:
    world.hire("ana", "requester", "guard")
    with pytest.raises(StoreRefused, match="operator"):
        launch_in(world, project, by="ana")
    assert starts(project) == 0
    assert list(open_launcher(world.store).runs()) == []


@pytest.mark.parametrize(
    ("require", "is_committed", "is_dirty", "error"),
    [
        ("clean_tree", True, True, Refusal),
        ("clean_tree", False, False, Refusal),
        ("commit_known", True, False, Refusal),
        ("lock", True, False, Refusal),
        ("metrics", True, False, Refusal),
    ],
    ids=["no", "unknown tree", "unknown commit", "no lock", "nothing measured"],
)
def test_a_verdict_of_no_or_unknown_starts_and_claims_nothing(
    world: World,
    project: Path,
    require: str,
    is_committed: bool,
    is_dirty: bool,
    error: type[Exception],
) -> None:
    put_policy(world, require=require)
    if is_committed:
        commit_all(project)
    if is_dirty:
        text = (project / "MLproject").read_text()
        (project / "MLproject").write_text(f"{text}# changed\n")
    with pytest.raises(error, match="nothing was launched"):
        launch_in(world, project, "one")
    assert starts(project) == 0
    assert declared(world) == []
    assert open_launcher(world.store).find("one") is None


def test_a_branch_of_the_launchers_own_clone_counts_for_nothing(
    world: World, project: Path
) -> None:
    put_policy(world, require='commit_known"]\nbranches = ["main', role="")
    commit = commit_all(project)
    repository = "repository:r"
    world.tell(
        Fact(
            kind=FactKind.COMMIT,
            subject=commit_key(commit),
            object=repository,
            name="As it is",
            text="[]",
            digest=commit,
        )
    )
    with pytest.raises(Refusal, match="nothing was launched"):
        launch_in(world, project)
    world.tell(
        Fact(
            kind=FactKind.BRANCH,
            subject=repository,
            object=repository,
            name="main",
            digest=commit,
        )
    )
    assert launch_in(world, project, "one").judged is not None


def test_a_policy_that_turns_on_what_is_not_known_refuses(
    world: World, project: Path
) -> None:
    from console.services.founding import activate_policy
    from tests.pipelines import POLICY

    text = POLICY.format(version=1, require="clean_tree", role="guard")
    text = text.replace('to = ["launch"]', 'to = ["launch"]\ntiers = ["high"]')
    activate_policy(world.store, world.people["dana"], text.encode())
    with pytest.raises((Refusal, Undecided), match="nothing was launched"):
        launch_in(world, project)
    assert starts(project) == 0


def test_a_policy_that_asks_nobody_lets_go_what_meets_it_and_nothing_else(
    world: World, project: Path
) -> None:
    put_policy(world, role="")
    commit_all(project)
    done = launch_in(world, project, "one")
    assert done.judged is not None
    assert done.judged.tree.verdict is Verdict.YES
    assert wait_until_over(world.store, "one").state is RunState.SUCCEEDED
    (project / "more").write_text("not committed")
    with pytest.raises(Refusal, match="nothing was launched"):
        launch_in(world, project, "two")
    assert starts(project) == 1


def test_what_the_policy_wants_released_waits_and_then_starts_once(
    world: World, project: Path
) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    commit_all(project)
    held = launch_in(world, project, "one")
    assert held.run.state is RunState.SUSPENDED
    assert held.judged is not None
    assert held.judged.tree.verdict is Verdict.NO
    with pytest.raises(Refusal, match="cannot release"):
        let_go(world, "one", "dana")
    assert launch_in(world, project, "one").run.state is RunState.SUSPENDED
    assert starts(project) == 0
    done = let_go(world, "one", "vera")
    assert done.launched is None
    assert "an operator starts it" in done.waits_for
    assert starts(project) == 0
    started = release(
        world.store, world.people["dana"], open_launcher(world.store), "one", None
    )
    assert started.launched is not None
    run = wait_until_over(world.store, "one")
    assert run.state is RunState.SUCCEEDED
    assert starts(project) == 1
    with pytest.raises(Refusal, match="is not held"):
        release(
            world.store, world.people["dana"], open_launcher(world.store), "one", None
        )
    record = known_launch(world.store, "one", world.store.state())
    assert [intent.held for _, intent in record.intents] == [True, False]
    assert len(record.outcomes) == 2


def test_an_operator_who_releases_starts_it_at_once(
    world: World, project: Path
) -> None:
    put_policy(world)
    world.hire("olga", "guard", "operator")
    commit_all(project)
    launch_in(world, project, "one")
    assert let_go(world, "one", "olga").launched is not None
    assert wait_until_over(world.store, "one").state is RunState.SUCCEEDED
    assert starts(project) == 1


def test_who_lacks_the_role_releases_nothing(world: World, project: Path) -> None:
    put_policy(world)
    world.hire("otto", "operator", "validator")
    commit_all(project)
    launch_in(world, project, "one")
    with pytest.raises(Refusal, match="none of the roles"):
        let_go(world, "one", "otto")
    with pytest.raises(Refusal, match="nothing was started"):
        release(
            world.store, world.people["otto"], open_launcher(world.store), "one", None
        )
    assert starts(project) == 0


def test_a_rejection_keeps_it_held(world: World, project: Path) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    world.hire("olga", "guard", "operator")
    commit_all(project)
    launch_in(world, project, "one")
    launcher, no = open_launcher(world.store), Decided(Decision.REJECT, "not today")
    release(world.store, world.people["vera"], launcher, "one", no)
    assert let_go(world, "one", "olga").launched is None
    assert starts(project) == 0
    let_go(world, "one", "vera", "after all")
    started = release(world.store, world.people["olga"], launcher, "one", None)
    assert started.launched is not None


def test_a_release_under_another_policy_starts_nothing(
    world: World, project: Path
) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    commit_all(project)
    launch_in(world, project, "one")
    let_go(world, "one", "vera")
    put_policy(world, version=2, require="lock")
    with pytest.raises(Refusal, match="nothing was started"):
        release(
            world.store, world.people["dana"], open_launcher(world.store), "one", None
        )
    assert starts(project) == 0


def test_a_release_that_ran_out_starts_nothing(world: World, project: Path) -> None:
    put_policy(world)
    world.hire("vera", "guard")
    commit_all(project)
    launch_in(world, project, "one")
    let_go(world, "one", "vera")
    world.clock.forward(days=8)
    with pytest.raises(Refusal, match="nothing was started"):
        release(
            world.store, world.people["dana"], open_launcher(world.store), "one", None
        )
    assert starts(project) == 0


@pytest.mark.parametrize("thief", ["olga", "vera"], ids=["launched", "released"])
def test_what_a_thief_may_have_signed_starts_nothing(
    world: World, project: Path, thief: str
) -> None:
    put_policy(world)
    world.hire("olga", "operator")
    world.hire("vera", "guard")
    commit_all(project)
    launch_in(world, project, "one", by="olga")
    let_go(world, "one", "vera")
    stolen = world.people[thief].key.id
    words = world.store.objects.put(b'{"salt":"","text":"lost on a train"}')
    cause = RevocationCause.COMPROMISED
    revocation = Revocation(RevokedKind.KEY, stolen, cause, 1, words)
    append(world.store, world.people["dana"], revocation, ("key", stolen))
    with pytest.raises(Refusal, match="nothing was started"):
        release(
            world.store, world.people["dana"], open_launcher(world.store), "one", None
        )
    assert starts(project) == 0


def test_what_was_cancelled_while_held_is_not_released(
    world: World, project: Path
) -> None:
    put_policy(world)
    world.hire("olga", "guard", "operator")
    commit_all(project)
    launch_in(world, project, "one")
    launcher = open_launcher(world.store)
    assert isinstance(launcher, CanCancel)
    launcher.cancel("one", grace_seconds=1)
    with pytest.raises(Refusal, match="cancelled"):
        let_go(world, "one", "olga")
    assert starts(project) == 0


def test_an_intent_that_nobody_ended_is_not_taken_up_once_the_verdict_is_no(
    world: World, project: Path
) -> None:
    home, address = world.places.data.parent, world.store.address
    crash = [sys.executable, "-m", "tests.crashing_launch", str(home), address]
    subprocess.run(
        [*crash, str(project), "after the intent", "one"], check=False, timeout=120
    )
    world.store.catch_up()
    put_policy(world)
    with pytest.raises(Refusal, match="nothing was launched"):
        launch_in(world, project, "one")
    commit_all(project)
    assert starts(project) == 0


def test_a_commit_that_is_named_is_what_runs(world: World, project: Path) -> None:
    commit = commit_all(project)
    (project / "MLproject").write_text("name: later\n")
    done = launch_in(world, project, "one", ref="main")
    assert done.plan.code.commit == commit
    assert done.plan.code.is_dirty is False
    assert wait_until_over(world.store, "one").state is RunState.SUCCEEDED
    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    record_run(world.store, service, open_launcher(world.store), "one")
    with world.store.projection.reading() as connection:
        edges = neighbours(connection, [run_key("pipelines", "one")], Direction.UP)
    assert commit_key(commit) in {edge.object for _, edge in edges}


def test_the_auditors_file_holds_launches_and_counts_no_promotion(
    world: World, project: Path
) -> None:
    put_policy(world, role="")
    commit_all(project)
    plan = launch_in(world, project, "one").plan
    wait_until_over(world.store, "one")
    assert governed_stages(world.store) == []
    target = world.folder / "audit.zip"
    target.write_bytes(export_audit(world.store, Scope(), make_checkpoint(world.store)))
    found = verify_file(target, world.store.first_root)
    assert found.is_good
    assert found.promotions == 0
    with zipfile.ZipFile(target) as archive:
        assert archive.read(f"object/{plan.digest}") == plan.to_bytes()


def test_what_has_not_ended_is_not_recorded(world: World, project: Path) -> None:
    put_policy(world)
    commit_all(project)
    launch_in(world, project, "one")
    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    with pytest.raises(Refusal, match="suspended"):
        record_run(world.store, service, open_launcher(world.store), "one")


def test_a_launch_that_was_refused_where_it_runs_is_said_to_have_failed(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.errors import ConnectorRefused
    from connectors.pipelines import local

    def refuse(*_: object) -> None:
        raise ConnectorRefused("the disk is full")

    monkeypatch.setattr(local, "copy_code", refuse)
    with pytest.raises(ConnectorRefused):
        launch_in(world, project, "one")
    record = known_launch(world.store, "one", world.store.state())
    assert record.outcomes[0][1].outcome is OutcomeKind.FAILED
    monkeypatch.undo()
    with pytest.raises(Refusal, match="the disk is full"):
        launch_in(world, project, "one")
    assert starts(project) == 0
