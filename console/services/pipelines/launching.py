"""Launching: a statement before, the launch under its id, and a statement after.

Every step may be the last one that happens. Whoever does the same again finds what
there is and goes on from there: an intent without an outcome is taken up, a claimed id
is found, and nothing is started twice or without a verdict that is yes.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.pipelines.protocols import (
    LAUNCH_ID,
    CanLaunch,
    LaunchPlan,
)
from console.services.gating import require_anchor
from console.services.opened import OpenStore
from console.services.pipelines.asked import Asked, SeenPlan
from console.services.pipelines.declaring import declare_asked, declared_before
from console.services.pipelines.launch_judging import JudgedLaunch, judge_launch
from console.services.pipelines.launch_log import (
    LaunchRecord,
    launch_record,
)
from console.services.pipelines.sending import Launched, send
from console.services.problems import Misuse, Refusal, Undecided
from console.services.signing import Acting, Appended
from store.errors import StoreRefused

LONGEST_CAUSE = 500
LONGEST_ENVIRONMENT = 128
_TRIES = 3


def plan_launch(
    store: OpenStore, launcher: CanLaunch, asked: Asked, person: str
) -> tuple[LaunchPlan, JudgedLaunch]:
    """What would be sent, and whether it might be. Changes nothing.

    Raises:
        Misuse: it could not be launched so.
        ConnectorError: nor could the project be run.
    """
    _check(asked)
    with store.turn.given_way():
        plan = launcher.plan(asked.request)
    record = launch_record(store, asked.launch, store.state()) if asked.launch else None
    return plan, judge_launch(store, plan, asked.environment, person, record)


def launch(
    store: OpenStore,
    acting: Acting,
    launcher: CanLaunch,
    asked: Asked,
    tell: Callable[[str], None] = lambda _: None,
) -> Launched:
    """Launch a pipeline, or hold it until it is released; tells what it is at.

    Raises:
        Misuse: the id, the cause or the environment is none.
        Refusal: the verdict is no, the id stands for another launch, or it is no
            longer what was seen.
        Undecided: the verdict, or what became of the launch, could not be told.
    """
    require_anchor(store)
    store.require_known_types()
    _check(asked)
    tell("planning once more")
    with store.turn.given_way():
        plan = launcher.plan(asked.request)
    _require_seen(plan, asked.seen)
    for _ in range(_TRIES):
        tell("judging and declaring")
        record = declared_before(store, acting, plan, asked)
        if record is not None and (record.ended or record.cancelled):
            return _found(launcher, plan, record)
        try:
            declared = declare_asked(store, acting, launcher, plan, asked, record)
        except StoreRefused:
            if launch_record(store, asked.launch, store.state()) == record:
                raise
            continue
        tell("sending and reading back")
        return send(store, acting, launcher, plan, declared)
    raise Undecided("others keep declaring the same launch", hint="Try again.")


def _check(asked: Asked) -> None:
    if asked.launch and not LAUNCH_ID.fullmatch(asked.launch):
        raise Misuse(
            f"{asked.launch[:80]!r} is no id of a launch",
            hint="Letters, digits and . _ - make one, at most 100 of them.",
        )
    if len(asked.cause) > LONGEST_CAUSE:
        raise Misuse(f"a cause has at most {LONGEST_CAUSE} characters")
    if not 1 <= len(asked.environment) <= LONGEST_ENVIRONMENT:
        raise Misuse("an environment has a name", hint="--env NAME")


def _require_seen(plan: LaunchPlan, seen: SeenPlan | None) -> None:
    if seen is not None and plan.digest != seen.digest:
        raise Refusal(
            f"what would be sent is no longer what was seen: plan {plan.digest[:16]}, "
            f"seen was {seen.digest[:16]}; nothing was launched",
            hint="Look at the plan again.",
        )


def _found(launcher: CanLaunch, plan: LaunchPlan, record: LaunchRecord) -> Launched:
    """A launch whose outcome the log has: nothing is sent again.

    Raises:
        Refusal: there is nothing of it where it was launched.
    """
    run = launcher.find(record.launch)
    outcome = record.ended
    if run is None:
        said = outcome.read_back if outcome else "nothing"
        said = "it was cancelled" if record.cancelled else said
        raise Refusal(
            f"the launch {record.launch} was made before, and ended so: {said}",
            hint="Leave --id out, or give another, to launch it once more.",
        )
    entry = record.entry
    appended = Appended(entry.index, entry.id)
    return Launched(run, plan, record.intent.environment, appended, None, None)
