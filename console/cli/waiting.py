"""What commands print of launches that wait to be released, and for whom."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.cli.context import Context
from console.cli.output import moment, say, show_table
from console.rendering import one_line

if TYPE_CHECKING:
    from console.services.pipelines.waiting_launches import WaitingLaunch


def people_here(context: Context) -> frozenset[str]:
    """Ids of the people whose keys this machine or its agent has."""
    from console.services.keyring import people_at_hand

    has_agent = "SSH_AUTH_SOCK" in os.environ
    return people_at_hand(context.places, context.store, has_agent=has_agent, tell=say)


def waiting_for_me(context: Context) -> list[WaitingLaunch]:
    """Held launches that somebody whose key is here could release."""
    from console.services.pipelines.waiting_launches import waiting_launches

    store = context.store
    found = waiting_launches(store, store.state(), mine=people_here(context))
    return [launch for launch in found if launch.for_me]


def tell_waiting(launches: Sequence[WaitingLaunch]) -> None:
    """Say what waits for whoever asks, and what to do."""
    for one in launches:
        roles = ", ".join(one.for_me)
        say(
            one_line(
                f"The {one.stage} {one.launch} waits for you ({roles}): countersign "
                f"pipeline show {one.launch}"
            )
        )


def show_launches(launches: Sequence[WaitingLaunch]) -> None:
    """Print held launches as a table, if there are any."""
    if not launches:
        return
    show_table(
        (
            *("HELD", "FOR ME", "PIPELINE", "ENVIRONMENT"),
            *("SINCE", "ASKED BY", "WAITS FOR"),
        ),
        [
            (
                one.launch,
                ", ".join(one.for_me) or "-",
                one.pipeline,
                one.environment,
                moment(one.since),
                one.requester,
                ", ".join(one.waits_for),
            )
            for one in launches
        ],
    )
    if any(one.for_me for one in launches):
        say("Read one: countersign pipeline show LAUNCH. Then let it go, or not:")
        say("countersign pipeline release LAUNCH --reason TEXT [--reject]")
