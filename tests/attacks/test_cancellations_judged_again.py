"""Cancellations in an auditor's file: what they end, and what contradicts them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest

from console.cli import main
from console.services.revoking import revoke
from console.services.signing import Acting, sign_statement
from console.services.words import put_words
from policies.predicates import OutcomeKind, RevocationCause
from policies.predicates.operations import (
    CancelResult,
    LaunchCancellation,
    LaunchIntent,
    LaunchOutcome,
)
from store.backend import entry_path
from tests.attacks.test_schedules_judged_again import (
    let_go,
    put_policy,
    schedule,
    single,
    verified,
)
from tests.worlds import World


def put(world: World, by: Acting, said: object) -> str:
    """Write an entry as any program could; what it counts for."""
    envelope = sign_statement(
        by,
        said,
        ("pipeline/tried", "a" * 64),
        world.store.prefix(),
        world.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    index = world.store.index.size
    assert world.store.backend.put_if_absent(entry_path(index), envelope.to_bytes())
    world.store.catch_up()
    entry = world.store.index.entry(index)
    assert entry is not None
    return entry.judgement.standing.value


def cancelled(
    intent: str, result: CancelResult = CancelResult.CANCELLED, **more: str
) -> LaunchCancellation:
    said = LaunchCancellation(
        intent=intent,
        launch="nightly",
        run="nightly",
        pipeline="tried",
        environment="default",
        result=result,
        read_back=f"kubernetes nightly {result.value}",
        reason="",
    )
    return replace(said, **more)  # type: ignore[arg-type]


def outcome(intent: str, state: str) -> LaunchOutcome:
    return LaunchOutcome(
        intent,
        "tried",
        "default",
        OutcomeKind.DONE,
        "nightly",
        f"kubernetes nightly {state}",
    )


@pytest.fixture
def objected(world: World) -> str:
    """The intent of a schedule that was let go, and would not be allowed today."""
    policy = put_policy(world, '["schedule"]')
    intent = let_go(world, schedule(), policy, judged_as=schedule())
    put_policy(world, '["launch"]', version=2)
    return intent


@pytest.mark.parametrize(
    ("result", "is_over"),
    [
        (CancelResult.CANCELLED, True),
        (CancelResult.WAS_CANCELLED, True),
        (CancelResult.GONE, True),
        (CancelResult.ENDED, False),
        (CancelResult.UNKNOWN, False),
    ],
)
def test_a_schedule_that_is_logged_as_ended_is_not_asked_to_be_ended(
    world: World, objected: str, result: CancelResult, is_over: bool
) -> None:
    assert len(verified(world).doubts) == 1
    assert put(world, world.people["dana"], cancelled(objected, result)) == "accepted"
    found = verified(world)
    assert found.problems == ()
    assert len(found.doubts) == (0 if is_over else 1)
    assert len(found.ended_schedules) == (1 if is_over else 0)
    assert all(world.people["dana"].id in said for said in found.ended_schedules)


def test_an_end_that_a_thief_may_have_signed_ends_nothing_and_is_doubted(
    world: World, objected: str
) -> None:
    world.hire("olga", "operator")
    olga = world.people["olga"]
    assert put(world, olga, cancelled(objected)) == "accepted"
    assert verified(world).doubts == ()
    dana = world.people["dana"]
    stolen = RevocationCause.COMPROMISED
    revoke(world.store, dana, f"key:{olga.key.id}", stolen, "lost", since=1)
    found = verified(world)
    assert (found.problems, found.ended_schedules) == ((), ())
    assert any("may have been stolen" in doubt for doubt in found.doubts)
    assert any("If it still runs, end it" in doubt for doubt in found.doubts)


def test_the_file_says_who_ended_what_when_and_why(world: World, objected: str) -> None:
    world.hire("olga", "operator")
    reason = put_words(world.store, "<b>drift</b>")
    said = cancelled(objected, reason=reason)
    assert put(world, world.people["olga"], said) == "accepted"
    assert verified(world).problems == ()
    with zipfile.ZipFile(world.folder / "audit.zip") as archive:
        report = json.loads(archive.read("report.json"))
        page = archive.read("report.html").decode()
    [told] = report["launches"][-1]["cancellations"]
    assert told == {
        "entry": world.store.index.size - 1,
        "by": world.people["olga"].id,
        "at": "2026-03-01T12:00:00Z",
        "run": "nightly",
        "result": "cancelled",
        "read_back": "kubernetes nightly cancelled",
        "reason": "<b>drift</b>",
    }
    assert report["launches"][-1]["schedule"]["is_over"] is True
    assert f"Cancelling nightly, by {world.people['olga'].id}" in page
    assert "&lt;b&gt;drift" in page


def test_the_end_of_one_run_leaves_the_schedule_asked_about(
    world: World, objected: str
) -> None:
    said = cancelled(objected, run="nightly~20260301T0300Z")
    assert put(world, world.people["dana"], said) == "accepted"
    assert len(verified(world).doubts) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"run": "nightly~\x1b]52;c;aGk=\x07"},
        {"run": "nightly~../../../etc/passwd"},
        {"read_back": "<script>alert(1)</script> [/x] \u202e"},
        {"reason": "f" * 64},
    ],
    ids=["escape", "path", "markup", "no-reason-there"],
)
def test_whatever_a_cancellation_says_it_steers_nothing(
    world: World,
    objected: str,
    more: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = cancelled(objected, CancelResult.UNKNOWN, **more)
    standing = put(world, world.people["dana"], said)
    found = verified(world)
    assert len(found.doubts) == (1 if found.is_good else 0)
    told = ["verify", str(world.folder / "audit.zip"), "--anchor"]
    main([*told, world.store.first_root])
    with zipfile.ZipFile(world.folder / "audit.zip") as archive:
        page = archive.read("report.html").decode()
    for text in (capsys.readouterr().out, page):
        assert not any(sign in text for sign in ("\x1b", "\x07", "\u202e", "<script>"))
    assert found.is_good == ("reason" not in more)
    assert standing == "accepted"


def test_a_cancellation_without_the_role_ends_nothing_and_is_named(
    world: World, objected: str
) -> None:
    world.hire("otto", "validator")
    assert put(world, world.people["otto"], cancelled(objected)) == "void"
    found = verified(world)
    [problem] = found.problems
    assert "nightly" in problem
    assert "it says that it was ended, and counts for nothing" in problem
    assert world.people["otto"].id in problem


def test_a_cancellation_that_no_enrolled_key_signed_ends_nothing(
    world: World, objected: str
) -> None:
    genuine = sign_statement(
        world.people["dana"],
        cancelled(objected),
        ("pipeline/tried", "a" * 64),
        world.store.prefix(),
        "2026-03-01T12:00:00Z",
    )
    forged = replace(genuine, signature=bytes(len(genuine.signature)))
    index = world.store.index.size
    assert world.store.backend.put_if_absent(entry_path(index), forged.to_bytes())
    world.store.catch_up()
    found = verified(world)
    assert (found.problems, found.void_entries, len(found.doubts)) == ((), 1, 1)


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_what_starts_after_it_was_cancelled_is_found(world: World, state: str) -> None:
    intent = let_go(
        world, single(), put_policy(world, '["launch"]'), judged_as=single()
    )
    assert put(world, world.people["dana"], cancelled(intent)) == "accepted"
    assert put(world, world.people["dana"], outcome(intent, state)) == "accepted"
    [problem] = verified(world).problems
    assert f"kubernetes nightly {state}" in problem
    assert "says that it was cancelled before" in problem


@pytest.mark.parametrize("state", ["cancelled", "failed", "unknown: nobody knows"])
def test_an_outcome_after_it_that_shows_no_start_contradicts_nothing(
    world: World, state: str
) -> None:
    intent = let_go(
        world, single(), put_policy(world, '["launch"]'), judged_as=single()
    )
    assert put(world, world.people["dana"], cancelled(intent)) == "accepted"
    assert put(world, world.people["dana"], outcome(intent, state)) == "accepted"
    assert verified(world).problems == ()


def test_a_launch_let_go_again_after_it_was_cancelled_is_void_and_named(
    world: World,
) -> None:
    policy = put_policy(world, '["launch"]')
    intent = let_go(world, single(), policy, judged_as=single())
    assert put(world, world.people["dana"], cancelled(intent)) == "accepted"
    declared = world.store.index.find_statement(intent)
    assert declared is not None
    said = world.store.entry(declared.index)[1].predicate
    assert isinstance(said, LaunchIntent)
    again = replace(said, takes_over=intent, cause="again")
    assert put(world, world.people["dana"], again) == "void"
    [problem] = verified(world).problems
    assert "it says that it is let go, and counts for nothing" in problem
    assert "the launch nightly was cancelled" in problem


def test_what_is_gone_and_started_again_is_asked_about_again(
    world: World, objected: str
) -> None:
    gone = cancelled(objected, CancelResult.GONE)
    assert put(world, world.people["dana"], gone) == "accepted"
    assert verified(world).doubts == ()
    assert put(world, world.people["dana"], outcome(objected, "running")) == "accepted"
    assert len(verified(world).doubts) == 1
