"""Held launches, looked at from another machine than the one that holds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.pipelines.protocols import CanCancel, RunState
from console.cli import main
from console.screens.launch_text import sheet_lines
from console.services.pipelines.launch_sheet import launch_sheet
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.recording import record_run
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.viewing import (
    Seen,
    launch_line,
    list_launches,
    watch_launch,
)
from console.services.signing import act_as_service
from console.services.standing import log_overview
from policies.predicates import Decision
from policies.trust_root import ServiceKind
from tests.pipelines import launch_in, put_policy, wait_until_over
from tests.services.two_machines import TwoMachines, two

__all__ = ["two"]


def test_what_is_held_elsewhere_is_held_by_the_word_of_the_log(
    two: TwoMachines,
) -> None:
    launch_in(two.world, two.project, "one")
    line = two.lines()["one"]
    assert (line.run.state, line.seen) == (RunState.SUSPENDED, Seen.LOG)
    assert line.run.reason == "waits for 1 x guard"
    assert "launched on another" in line.unseen_because
    here = list_launches(two.world.store, launcher_of_all(two.world.store))
    assert [line.seen for line in here] == [Seen.PLACE]


def test_a_rejection_is_shown_where_nothing_of_the_launch_is(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "one")
    two.decide("vera", Decision.REJECT)
    line = two.lines()["one"]
    assert line.run.state is RunState.SUSPENDED
    assert line.run.reason == "waits for 1 x guard; rejected by Vera"
    assert two.waiting()["one"].waits_for == ("rejected by Vera", "1 x guard")


def test_an_end_is_known_elsewhere_once_it_is_recorded(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "one")
    two.decide("vera", Decision.APPROVE)
    assert two.lines()["one"].run.reason.endswith("an operator who starts it")
    store = two.world.store
    release(store, two.world.people["dana"], open_launcher(store), "one", None)
    line = two.lines()["one"]
    assert (line.run.state, line.seen) == (RunState.UNKNOWN, Seen.NOBODY)
    wait_until_over(store, "one")
    acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
    record_run(store, acting, open_launcher(store), "one")
    line = two.lines()["one"]
    assert (line.run.state, line.seen) == (RunState.FAILED, Seen.LOG)
    assert line.elapsed_seconds is not None


def test_what_a_place_shows_is_never_replaced_by_the_word_of_the_log(
    two: TwoMachines,
) -> None:
    launch_in(two.world, two.project, "one")
    launcher = open_launcher(two.world.store)
    assert isinstance(launcher, CanCancel)
    launcher.cancel("one", grace_seconds=0)
    line = launch_line(two.world.store, launcher_of_all(two.world.store), "one")
    assert (line.run.state, line.seen) == (RunState.CANCELLED, Seen.PLACE)


def test_watching_what_cannot_be_looked_at_ends_at_once(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "one")
    two.there.catch_up()
    [line] = watch_launch(two.there, launcher_of_all(two.there), "one")
    assert line.run.state is RunState.SUSPENDED


def test_a_launch_waits_for_whoever_could_release_it_and_has_not(
    two: TwoMachines,
) -> None:
    two.world.hire("olga", "operator")
    launch_in(two.world, two.project, "one")
    assert two.waiting("vera")["one"].for_me == ("guard",)
    assert two.waiting("olga")["one"].for_me == ()
    assert two.waiting()["one"].for_me == ()
    two.decide("vera", Decision.APPROVE)
    one = two.waiting("vera")["one"]
    assert (one.for_me, one.waits_for) == ((), ("an operator who starts it",))


def test_who_launched_or_rejected_is_not_asked(two: TwoMachines) -> None:
    two.world.hire("olga", "operator", "guard")
    launch_in(two.world, two.project, "one", by="olga")
    assert two.waiting("olga")["one"].for_me == ()
    two.decide("vera", Decision.REJECT)
    assert two.waiting("vera")["one"].for_me == ()


def test_who_released_under_an_older_policy_is_asked_again(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "one")
    two.decide("vera", Decision.APPROVE)
    put_policy(two.world, version=2)
    assert two.waiting("vera")["one"].for_me == ("guard",)


def test_what_no_release_could_let_go_waits_for_nobody(two: TwoMachines) -> None:
    launch_in(two.world, two.project, "one")
    put_policy(two.world, version=2, require="lock")
    one = two.waiting("vera")["one"]
    assert one.for_me == ()
    assert "lock" in " ".join(one.waits_for)


def test_what_waits_for_me_goes_first_and_what_ended_is_left_out(
    two: TwoMachines,
) -> None:
    two.world.hire("olga", "operator", "guard")
    launch_in(two.world, two.project, "one", by="olga")
    launch_in(two.world, two.project, "two")
    assert list(two.waiting("olga")) == ["two", "one"]
    two.decide("vera", Decision.APPROVE, "one")
    store = two.world.store
    release(store, two.world.people["olga"], open_launcher(store), "one", None)
    assert list(two.waiting()) == ["two"]


def test_a_launch_whose_plan_is_gone_waits_and_says_so(two: TwoMachines) -> None:
    done = launch_in(two.world, two.project, "one")
    digest = done.plan.digest
    [plan] = Path(two.world.store.address).rglob(f"object/*/{digest}")
    plan.unlink()
    one = two.waiting("vera")["one"]
    assert one.for_me == ()
    assert "cannot be judged" in one.waits_for[0]
    assert two.lines()["one"].run.state is RunState.SUSPENDED


def test_the_overview_asks_the_log_alone(
    two: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_in(two.world, two.project, "one")
    two.there.catch_up()

    def refuse(*_: object) -> None:
        pytest.fail("a launcher was asked")

    monkeypatch.setattr("console.services.pipelines.launchers.open_launcher", refuse)
    [one] = log_overview(two.there).launches
    assert (one.launch, one.stage, one.requester) == ("one", "launch", "Dana")


def test_the_commands_of_the_other_machine_tell_of_it(
    two: TwoMachines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launch_in(two.world, two.project, "one")
    places = two.there.places
    monkeypatch.setenv("COUNTERSIGN_STORE", two.there.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(places.data.parent))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def run(*words: str) -> tuple[str, str]:
        capsys.readouterr()
        main(list(words))
        told = capsys.readouterr()
        return told.out, told.err

    assert "waits for you (guard)" in run("status")[1]
    [one] = json.loads(run("status", "--format", "json")[0])["waiting_for_me"]
    assert (one["launch"], one["for_me"]) == ("one", ["guard"])
    out, err = run("requests", "--mine")
    assert "1 x guard" in out
    assert "nothing to show" not in err
    [one] = json.loads(run("requests", "--mine", "--format", "json")[0])["launches"]
    assert (one["launch"], one["for_me"]) == ("one", ["guard"])
    out, _ = run("pipeline", "list")
    assert "suspended  log" in out
    out, _ = run("pipeline", "show", "one")
    assert "suspended: waits for 1 x guard" in out
    assert "seen       log: not known on this machine" in out
    for path in places.keys.glob("vera*"):
        path.unlink()
    assert "waits for you" not in run("status")[1]
    assert "nothing to show" in run("requests", "--mine")[1]
    assert "one" in run("requests")[0]


def test_what_was_decided_is_shown_with_who_why_and_in_which_role(
    two: TwoMachines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launch_in(two.world, two.project, "one")
    two.decide("vera", Decision.REJECT)
    sheet = launch_sheet(two.there, "one")
    [said] = [one for one in sheet.said if one.decision]
    assert (said.name, said.decision, said.role) == ("Vera", "reject", "guard")
    assert said.reason == "looked at it"
    assert said.at.startswith("20")
    monkeypatch.setenv("COUNTERSIGN_STORE", two.there.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(two.there.places.data.parent))
    main(["pipeline", "show", "one", "--format", "json"])
    told = json.loads(capsys.readouterr().out)["statements"][-1]
    assert (told["decision"], told["reason"]) == ("reject", "looked at it")
    main(["pipeline", "show", "one"])
    assert "reject by Vera as guard at " in capsys.readouterr().out
    assert said.words in "\n".join(sheet_lines(sheet))


def test_a_hostile_reason_is_escaped_and_stays_on_its_line(
    two: TwoMachines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launch_in(two.world, two.project, "one")
    two.there.catch_up()
    hostile = Decided(Decision.REJECT, "\x1b]52;c;aGk=\x07[/x]\nentry 9 approve")
    launcher = launcher_of_all(two.there)
    release(two.there, two.world.people["vera"], launcher, "one", hostile)
    monkeypatch.setenv("COUNTERSIGN_STORE", two.there.address)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(two.there.places.data.parent))
    main(["pipeline", "show", "one"])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert not any(line.startswith("entry 9") for line in out.splitlines())
