"""Launches: statements that somebody else's program writes to start what may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.services.signing import Acting, act_as_service, sign_statement
from policies.predicates import Decision, OutcomeKind, Withdrawal
from policies.predicates.operations import (
    CancelResult,
    LaunchCancellation,
    LaunchIntent,
    LaunchOutcome,
    LaunchRelease,
)
from policies.trust_root import ServiceKind
from store.backend import entry_path
from store.identifiers import launched_pipeline_key
from tests.worlds import World

PLAN, OTHER = "a" * 64, "b" * 64
AT = "2026-03-01T12:00:00Z"
INTENT = LaunchIntent(
    launch="one",
    pipeline="train",
    definition=PLAN,
    parameters=PLAN,
    environment="default",
    cause="a person",
    policy="",
    root=PLAN,
    verdict=PLAN,
    judged_at=AT,
    held=True,
    takes_over="",
    evidence=PLAN,
)


def put(world: World, who: Acting, said: object) -> tuple[str, str, str]:
    """Write an entry as any program could; its id, what it counts for, and why."""
    envelope = sign_statement(
        who, said, ("pipeline/train", PLAN), world.store.prefix(), AT
    )
    index = world.store.index.size
    assert world.store.backend.put_if_absent(entry_path(index), envelope.to_bytes())
    world.store.catch_up()
    entry = world.store.index.entry(index)
    assert entry is not None
    judgement = entry.judgement
    return envelope.statement_id, judgement.standing.value, judgement.reason


def release_of(intent: str) -> LaunchRelease:
    return LaunchRelease(
        intent=intent,
        launch="one",
        pipeline="train",
        environment="default",
        definition=PLAN,
        policy=PLAN,
        decision=Decision.APPROVE,
        role="guard",
        reason=PLAN,
    )


@pytest.fixture
def held(world: World) -> str:
    """The statement id of a launch that is held."""
    world.hire("olga", "operator")
    world.hire("vera", "guard")
    intent, standing, reason = put(world, world.people["olga"], INTENT)
    assert standing == "accepted", reason
    return intent


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "declared before"),
        ({"takes_over": OTHER}, "declared before"),
        ({"takes_over": "held", "definition": OTHER}, "another launch"),
        ({"takes_over": "held", "parameters": OTHER}, "another launch"),
        ({"takes_over": "held", "environment": "prod"}, "another launch"),
        ({"takes_over": "held", "pipeline": "serve"}, "another launch"),
        ({"launch": "two", "takes_over": "held"}, "nobody declared"),
    ],
)
def test_an_id_is_no_second_launch(
    world: World, held: str, change: dict[str, str], why: str
) -> None:
    change = {name: held if v == "held" else v for name, v in change.items()}
    # The clock stands still: another cause keeps the statement from being a repetition.
    again = replace(INTENT, cause="again", **change)  # type: ignore[arg-type]
    _, standing, reason = put(world, world.people["olga"], again)
    assert standing == "void"
    assert why in reason


def test_what_was_let_go_is_not_held_again(world: World, held: str) -> None:
    olga = world.people["olga"]
    let_go = replace(INTENT, held=False, takes_over=held)
    second, standing, _ = put(world, olga, let_go)
    assert standing == "accepted"
    _, standing, reason = put(world, olga, replace(INTENT, takes_over=second))
    assert (standing, "cannot be held" in reason) == ("void", True)


def test_who_is_no_operator_declares_nothing(world: World, held: str) -> None:
    vera = world.people["vera"]
    for said in (
        replace(INTENT, launch="two"),
        replace(INTENT, held=False, takes_over=held),
    ):
        _, standing, reason = put(world, vera, said)
        assert (standing, "operator" in reason) == ("void", True)


def test_a_release_is_of_one_launch_and_by_the_role(world: World, held: str) -> None:
    good, vera = release_of(held), world.people["vera"]
    for said, who, why in (
        (replace(good, definition=OTHER), vera, "another launch"),
        (replace(good, launch="two"), vera, "another launch"),
        (replace(good, environment="prod"), vera, "another launch"),
        (replace(good, intent=OTHER), vera, "not in the log"),
        (replace(good, role="operator"), vera, "role"),
        (good, world.people["olga"], "role"),
    ):
        _, standing, reason = put(world, who, said)
        assert standing == "void"
        assert why in reason
    assert put(world, vera, good)[1] == "accepted"


def test_what_is_not_held_is_not_released(world: World, held: str) -> None:
    olga, vera = world.people["olga"], world.people["vera"]
    free, _, _ = put(world, olga, replace(INTENT, launch="two", held=False))
    said = replace(release_of(free), launch="two")
    _, standing, reason = put(world, vera, said)
    assert (standing, "not held" in reason) == ("void", True)


def test_only_who_declared_it_says_what_came_of_it(world: World, held: str) -> None:
    good = LaunchOutcome(held, "train", "default", OutcomeKind.DONE, "one", "running")
    world.hire("otto", "operator")
    for said, who in (
        (good, "otto"),
        (replace(good, pipeline="serve"), "olga"),
        (replace(good, environment="prod"), "olga"),
        (replace(good, intent=OTHER), "olga"),
    ):
        assert put(world, world.people[who], said)[1] == "void"
    assert put(world, world.people["olga"], good)[1] == "accepted"


def cancellation_of(intent: str) -> LaunchCancellation:
    return LaunchCancellation(
        intent=intent,
        launch="one",
        run="one",
        pipeline="train",
        environment="default",
        result=CancelResult.CANCELLED,
        read_back="kubernetes one cancelled",
        reason="",
    )


@pytest.mark.parametrize(
    ("change", "who", "why"),
    [
        ({}, "vera", "operator"),
        ({"environment": "prod"}, "olga", "another launch"),
        ({"pipeline": "serve"}, "olga", "another launch"),
        ({"launch": "two", "run": "two"}, "olga", "another launch"),
        ({"intent": OTHER}, "olga", "not in the log"),
        ({"intent": "the hiring"}, "olga", "another launch"),
        ({"run": "two"}, "olga", "neither its launch nor a run"),
        ({"run": "one~"}, "olga", "neither its launch nor a run"),
        ({"run": "one-more"}, "olga", "neither its launch nor a run"),
        ({"run": "x~20260301T0300Z"}, "olga", "neither its launch nor a run"),
        ({"reason": "because"}, "olga", "reason"),
    ],
)
def test_who_is_no_operator_there_or_names_another_launch_cancels_nothing(
    world: World, held: str, change: dict[str, str], who: str, why: str
) -> None:
    said = replace(cancellation_of(held), **change)  # type: ignore[arg-type]
    if said.intent == "the hiring":
        said = replace(said, intent=world.store.entry(1)[0].statement_id)
    _, standing, reason = put(world, world.people[who], said)
    assert (standing, why in reason) == ("void", True), reason
    let_go = replace(INTENT, held=False, takes_over=held)
    assert put(world, world.people["olga"], let_go)[1] == "accepted"


@pytest.mark.parametrize("result", list(CancelResult))
def test_what_was_cancelled_is_never_declared_again(
    world: World, held: str, result: CancelResult
) -> None:
    olga = world.people["olga"]
    assert put(world, olga, replace(cancellation_of(held), result=result))[1] == (
        "accepted"
    )
    again = replace(INTENT, held=False, takes_over=held)
    _, standing, reason = put(world, olga, again)
    assert standing == ("void" if result.is_cancelled else "accepted"), reason


def test_the_end_of_one_run_of_a_schedule_is_not_that_of_the_schedule(
    world: World, held: str
) -> None:
    olga = world.people["olga"]
    said = replace(cancellation_of(held), run="one~20260301T0300Z")
    assert put(world, olga, said)[1] == "accepted"
    again = replace(INTENT, held=False, takes_over=held)
    assert put(world, olga, again)[1] == "accepted"


def test_a_service_says_of_nothing_that_it_was_cancelled(
    world: World, held: str
) -> None:
    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    assert put(world, service, cancellation_of(held))[1] == "void"


def withdrawal_of(release: str, pipeline: str = "train") -> Withdrawal:
    return Withdrawal(release, launched_pipeline_key(pipeline), PLAN)


def test_a_release_is_taken_back_by_its_signer_and_under_its_own_pipeline(
    world: World, held: str
) -> None:
    vera, olga = world.people["vera"], world.people["olga"]
    release, _, _ = put(world, vera, release_of(held))
    for said, who in (
        (withdrawal_of(release), olga),
        (withdrawal_of(release, "serve"), vera),
        (Withdrawal(release, "model:mlflow/train", PLAN), vera),
    ):
        _, standing, reason = put(world, who, said)
        assert (standing, "only who signed" in reason) == ("void", True)
    _, standing, reason = put(world, olga, withdrawal_of(held))
    assert (standing, "can be withdrawn" in reason) == ("void", True)
    assert put(world, vera, withdrawal_of(release))[1] == "accepted"


def test_a_release_that_was_used_stands(world: World, held: str) -> None:
    vera, olga = world.people["vera"], world.people["olga"]
    release, _, _ = put(world, vera, release_of(held))
    put(world, olga, replace(INTENT, held=False, takes_over=held))
    _, standing, reason = put(world, vera, withdrawal_of(release))
    assert (standing, "was let go" in reason) == ("void", True)
