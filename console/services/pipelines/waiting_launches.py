"""Launches that wait to be released, and for whom: by the log, whatever machine asks.

No place is asked, so that whoever may release one is told of it where nothing of it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from connectors.pipelines.planned_schedules import is_schedule
from console.services.founding import printed_name
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.log_word import HeldLaunch, held_launch, last_said
from console.services.pipelines.release_votes import release_roles, roles_left
from console.services.problems import KNOWN_ERRORS
from policies.document import LAUNCH_STAGE, SCHEDULE_STAGE
from policies.predicates.operations import LaunchIntent
from policies.trust_state import TrustState


@dataclass(frozen=True, slots=True)
class WaitingLaunch:
    """A launch that is held, and what it waits for."""

    launch: str
    pipeline: str
    environment: str
    stage: str
    """`launch`, or `schedule` for what is started again and again; empty: unread."""
    requester: str
    since: datetime
    """When whoever asked for it first says they did."""
    waits_for: tuple[str, ...]
    for_me: tuple[str, ...] = ()
    """Roles in which somebody whose key is at hand could still release it."""


def waiting_launches(
    store: OpenStore, state: TrustState, *, mine: Collection[str] = ()
) -> list[WaitingLaunch]:
    """Every launch that is held, in log order.

    `mine` are the ids of people whose keys are at hand; what waits for them goes first.
    """
    named = ((one, said) for one, said in last_said(store).items() if said.is_held)
    found = (
        _waiting(store, launch, said.intent, state, mine) for launch, said in named
    )
    waiting = [one for one in found if one is not None]
    return sorted(waiting, key=lambda one: not one.for_me)


def _waiting(
    store: OpenStore,
    launch: str,
    intent: LaunchIntent,
    state: TrustState,
    mine: Collection[str],
) -> WaitingLaunch | None:
    """One that cannot be judged waits all the same, and says why it cannot."""
    try:
        held = held_launch(store, launch, state)
    except KNOWN_ERRORS as problem:
        return WaitingLaunch(
            launch,
            intent.pipeline,
            intent.environment,
            "",
            "",
            parse_time(intent.judged_at),
            (f"it cannot be judged: {problem}",),
        )
    if held is None:
        return None
    requester = held.record.requester
    person = state.people.get(requester)
    return WaitingLaunch(
        launch=launch,
        pipeline=intent.pipeline,
        environment=intent.environment,
        stage=SCHEDULE_STAGE if is_schedule(held.plan) else LAUNCH_STAGE,
        requester=printed_name(store, person.profile, requester)
        if person
        else requester,
        since=parse_time(held.record.intents[0][1].judged_at),
        waits_for=held.judged.objections + held.judged.awaited,
        for_me=_for_me(store, held, mine),
    )


def _for_me(
    store: OpenStore, held: HeldLaunch, mine: Collection[str]
) -> tuple[str, ...]:
    policy, intent = held.judged.policy, held.record.intent
    if policy is None:
        return ()
    roles = [
        role
        for person in sorted(mine)
        for role in roles_left(
            held.judged,
            person,
            release_roles(store, policy, person, intent.pipeline, intent.environment),
        )
    ]
    return tuple(dict.fromkeys(roles))
