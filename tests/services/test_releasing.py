"""Releasing a launch: what is said to whoever may not, need not or cannot."""

from __future__ import annotations

import pytest

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.pipelines.local import LocalLauncher
from console.cli import main
from console.reports.launches import check_launches, launches_told
from console.reports.whole_log import WholeLog
from console.services.founding import activate_policy
from console.services.pipelines.launch_log import known_launch
from console.services.pipelines.launch_sheet import launch_sheet
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.recording import record_run
from console.services.pipelines.releasing import Released, release
from console.services.pipelines.viewing import launch_name
from console.services.problems import Misuse, Refusal
from console.services.signing import act_as_service
from console.services.signoff import withdraw
from policies.predicates import Decision
from policies.trust_root import ServiceKind
from store.errors import StoreRefused
from tests.pipelines import POLICY, launch_in, put_policy, wait_until_over
from tests.services.two_machines import TwoMachines, two

__all__ = ["two"]


def start(two: TwoMachines, launch: str = "one") -> None:
    store = two.world.store
    release(store, two.world.people["dana"], open_launcher(store), launch, None)


@pytest.mark.parametrize(
    ("role", "told", "next_step"),
    [
        ("risk", "'risk' is not wanted here; wanted: guard; you hold guard", "--role"),
        ("\x1b[31m", "is not wanted here; wanted: guard", "--role guard"),
    ],
    ids=["another", "hostile"],
)
def test_a_role_that_is_not_wanted_is_told_beside_those_that_are(
    two: TwoMachines, role: str, told: str, next_step: str
) -> None:
    launch_in(two.world, two.project, "one")
    with pytest.raises(Refusal, match=told) as refused:
        two.decide("vera", Decision.APPROVE, role=role)
    assert next_step in refused.value.hint
    assert "\x1b" not in str(refused.value)


def test_who_holds_no_role_that_is_wanted_is_sent_to_an_enroller(
    two: TwoMachines,
) -> None:
    two.world.hire("otto", "validator")
    launch_in(two.world, two.project, "one")
    for role in ("", "guard", "validator"):
        with pytest.raises(Refusal, match="guard") as refused:
            two.decide("otto", Decision.APPROVE, role=role)
        assert "Ask an enroller" in refused.value.hint


def test_what_became_of_a_launch_that_is_over_is_told_as_it_is_now(
    two: TwoMachines,
) -> None:
    launch_in(two.world, two.project, "one")
    two.decide("vera", Decision.APPROVE)
    start(two)
    wait_until_over(two.world.store, "one")
    with pytest.raises(Refusal, match="not held: it is failed"):
        start(two)
    with pytest.raises(Refusal, match="it was let go, entry"):
        two.decide("vera", Decision.APPROVE)
    store = two.world.store
    acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
    record_run(store, acting, open_launcher(store), "one")
    with pytest.raises(Refusal, match="by the log it is failed"):
        two.decide("vera", Decision.REJECT)


def test_a_release_needs_a_reason_before_anything_else(
    two: TwoMachines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launch_in(two.world, two.project, "one")
    monkeypatch.setenv("COUNTERSIGN_STORE", two.there.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(two.there.places.data.parent))
    for reason in ("", "  "):
        assert main(["pipeline", "release", "one", "--reason", reason]) == 2
        assert "a release has a reason" in capsys.readouterr().err


def test_every_command_takes_a_beginning_of_an_id(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "tuesday-1")
    launch_in(two.world, two.project, "wednesday")
    everywhere = launcher_of_all(two.there)
    two.there.catch_up()
    assert launch_name(two.there, everywhere, "tue") == "tuesday-1"
    two.decide("vera", Decision.APPROVE, "tue")
    record = known_launch(two.world.store, "tuesday-1", two.world.store.state())
    assert len(record.releases) == 1
    launch_in(two.world, two.project, "tuesday-2")
    with pytest.raises(Refusal, match="2 launches begin with 'tue': tuesday-1"):
        two.decide("vera", Decision.APPROVE, "tue")
    for unknown in ("", "friday", "../../x"):
        with pytest.raises(Refusal, match="no launch begins with"):
            two.decide("vera", Decision.APPROVE, unknown)


def test_an_ended_run_is_recorded_by_a_beginning_of_its_id(
    two: TwoMachines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launch_in(two.world, two.project, "tuesday")
    two.decide("vera", Decision.APPROVE, "tuesday")
    start(two, "tues")
    wait_until_over(two.world.store, "tuesday")
    monkeypatch.setenv("COUNTERSIGN_STORE", two.there.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(two.world.places.data.parent))
    assert main(["pipeline", "record", "tues"]) == 0
    assert capsys.readouterr().out == "run:tuesday\n"
    assert main(["pipeline", "record", "friday"]) == 1
    assert "no launch begins with 'friday'" in capsys.readouterr().err


def test_signing_needs_no_place_that_answers_and_starting_does(
    two: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_in(two.world, two.project, "one")

    def silent(*_: object) -> None:
        raise ConnectorUnavailable("it does not answer")

    monkeypatch.setattr(LocalLauncher, "find", silent)
    done = two.decide("vera", Decision.APPROVE)
    assert done.signed is not None
    assert done.launched is None
    with pytest.raises(ConnectorError, match="does not answer"):
        start(two)


def test_the_sheet_says_what_can_be_done_where_nothing_of_a_launch_is(
    two: TwoMachines,
) -> None:
    launch_in(two.world, two.project, "one")
    two.there.catch_up()
    sheet = launch_sheet(two.there, "one")
    assert sheet.why_no_decision(None) == ""
    assert sheet.unseen.startswith("SUSPENDED by the log: waits for 1 x guard")
    assert "not released" in sheet.why_no_start(None)
    two.decide("vera", Decision.APPROVE)
    sheet = launch_sheet(two.there, "one")
    assert "where it was launched" in sheet.why_no_start(None)
    here = open_launcher(two.world.store).find("one")
    assert launch_sheet(two.world.store, "one").why_no_start(here) == ""
    start(two)
    wait_until_over(two.world.store, "one")
    two.there.catch_up()
    sheet = launch_sheet(two.there, "one")
    assert sheet.why_no_decision(None) == "it is not held"
    assert "is gone" in sheet.unseen


def test_a_run_that_is_not_what_was_declared_is_not_decided_about(
    two: TwoMachines,
) -> None:
    from dataclasses import replace

    from connectors.pipelines.protocols import RunState

    launch_in(two.world, two.project, "one")
    run = open_launcher(two.world.store).find("one")
    assert run is not None
    sheet = launch_sheet(two.world.store, "one")
    assert sheet.why_no_decision(run) == ""
    for state in (RunState.UNKNOWN, RunState.CANCELLED, RunState.RUNNING):
        assert state.value in sheet.why_no_decision(replace(run, state=state))


def leave_out(two: TwoMachines, whom: str) -> None:
    """Let no launch be released by whom the policy names."""
    text = POLICY.format(version=2, require="clean_tree", role="guard")
    text = text.replace("count = 1", f'count = 1\nexclude = ["{whom}"]')
    activate_policy(two.world.store, two.world.people["dana"], text.encode())


@pytest.mark.parametrize(
    ("whom", "told"), [("author", "git:ana@example.org"), ("owner", "whoever owns")]
)
def test_what_no_release_could_count_for_is_refused_before_it_is_declared(
    two: TwoMachines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    whom: str,
    told: str,
) -> None:
    leave_out(two, whom)
    size = two.world.store.index.size
    with pytest.raises(Refusal, match=f"{told}.*maps to nobody"):
        launch_in(two.world, two.project, "one")
    assert two.world.store.index.size == size
    assert open_launcher(two.world.store).find("one") is None
    monkeypatch.setenv("COUNTERSIGN_STORE", two.there.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(two.world.places.data.parent))
    assert main(["pipeline", "launch", str(two.project), "--dry-run"]) == 1
    err = capsys.readouterr().err
    assert "It would be refused: no release could count" in err
    assert "It would be held" not in err


def test_once_the_author_is_enrolled_it_is_held_and_others_release_it(
    two: TwoMachines,
) -> None:
    leave_out(two, "author")
    two.world.hire("ana", "guard", identities=("git:ana@example.org",))
    launch_in(two.world, two.project, "one")
    assert two.waiting("ana")["one"].for_me == ()
    two.decide("vera", Decision.APPROVE)
    start(two)
    wait_until_over(two.world.store, "one")


def test_that_too_few_could_release_it_is_told_when_it_is_held(
    two: TwoMachines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put_policy(two.world, version=2, role="sentinel")
    monkeypatch.setenv("COUNTERSIGN_STORE", two.there.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(two.world.places.data.parent))
    told = "wants 1 of the role sentinel; nobody could sign"
    assert main(["pipeline", "launch", str(two.project), "--dry-run"]) == 0
    assert told in capsys.readouterr().err
    command = ["pipeline", "launch", str(two.project), "--key", "dana", "--id", "one"]
    assert main(command) == 0
    assert told in capsys.readouterr().err
    two.world.store.catch_up()


def test_after_signing_it_is_told_why_it_still_waits_and_what_next(
    two: TwoMachines,
) -> None:
    text = POLICY.format(version=2, require="clean_tree", role="guard")
    text = text.replace("count = 1", "count = 2")
    activate_policy(two.world.store, two.world.people["dana"], text.encode())
    two.world.hire("gus", "guard")
    launch_in(two.world, two.project, "one")
    done = two.decide("vera", Decision.APPROVE)
    assert done.waits_for == (
        "it is not released yet: waits for 1 x guard. 1 more must sign: "
        "countersign pipeline release one --reason TEXT"
    )
    done = two.decide("gus", Decision.REJECT)
    assert "rejected by Gus" in done.waits_for
    assert "until its signer withdraws it" in done.waits_for


@pytest.mark.parametrize("decision", list(Decision))
def test_nobody_signs_the_same_decision_twice(
    two: TwoMachines, decision: Decision
) -> None:
    launch_in(two.world, two.project, "one")
    two.decide("vera", decision)
    size = two.there.index.size
    with pytest.raises(Refusal, match=f"signed to {decision.value} it as guard before"):
        two.decide("vera", decision)
    assert two.there.index.size == size
    other = Decision.REJECT if decision is Decision.APPROVE else Decision.APPROVE
    assert two.decide("vera", other).signed is not None


def test_who_released_under_an_older_policy_signs_again(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "one")
    two.decide("vera", Decision.APPROVE)
    put_policy(two.world, version=2)
    assert two.decide("vera", Decision.APPROVE).signed is not None


def take_back(two: TwoMachines, released: Released, by: str = "vera") -> None:
    assert released.signed is not None
    reference = f"statement:{released.signed.statement_id[:12]}"
    two.there.catch_up()
    withdraw(two.there, two.world.people[by], reference, "thought again")
    two.world.store.catch_up()


def test_a_release_is_taken_back_until_it_is_used(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "one")
    first = two.decide("vera", Decision.APPROVE)
    take_back(two, first)
    with pytest.raises(Refusal, match="nothing was started"):
        start(two)
    one = two.waiting("vera")["one"]
    assert (one.waits_for, one.for_me) == (("1 x guard",), ("guard",))
    said = launch_sheet(two.there, "one").said[-1]
    assert (said.decision, said.name, said.reason) == (
        "withdraw",
        "Vera",
        "thought again",
    )
    second = two.decide("vera", Decision.APPROVE)
    start(two)
    wait_until_over(two.world.store, "one")
    with pytest.raises(StoreRefused, match="was let go"):
        take_back(two, second)
    assert check_launches(WholeLog(two.world.store)) == []


def test_a_rejection_that_is_taken_back_keeps_nothing_held(two: TwoMachines) -> None:
    two.world.hire("gus", "guard")
    launch_in(two.world, two.project, "one")
    rejected = two.decide("vera", Decision.REJECT)
    two.decide("gus", Decision.APPROVE)
    with pytest.raises(Refusal, match="nothing was started"):
        start(two)
    with pytest.raises(StoreRefused, match="only who signed"):
        take_back(two, rejected, by="gus")
    take_back(two, rejected)
    start(two)
    wait_until_over(two.world.store, "one")
    told = launches_told(WholeLog(two.world.store), "2030-01-01T00:00:00Z")
    assert [one["withdrawn"] for one in told[-1]["releases"]] == [True, False]
    assert check_launches(WholeLog(two.world.store)) == []


def test_what_is_withdrawn_of_a_launch_is_no_decision_about_a_model(
    two: TwoMachines,
) -> None:
    launch_in(two.world, two.project, "one")
    take_back(two, two.decide("vera", Decision.APPROVE))
    assert two.there.index.topics_starting("decision:") == []
    intent = known_launch(two.there, "one", two.there.state()).entry.id
    with pytest.raises(Misuse, match="can be withdrawn"):
        withdraw(two.there, two.world.people["dana"], f"statement:{intent}", "no")
