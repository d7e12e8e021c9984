"""What the palette offers on a screen: what its keys do, or why they do not now."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.app import SystemCommand
from textual.binding import ActiveBinding
from textual.screen import Screen

from console.actions import ALL, EVERYWHERE, FIELDS, GO, MOVES
from console.screens.asking import AskingScreen

_LEFT_OUT = frozenset(one.id for one in (*GO, *EVERYWHERE, *MOVES, *FIELDS))
_OFFERED = {one.id: one for one in ALL if one.id not in _LEFT_OUT}


def offered(screen: Screen[object]) -> Iterator[SystemCommand]:
    """A command for each key of the screen; one that is dim says why."""
    for active in screen.active_bindings.values():
        action = _OFFERED.get(active.binding.id or "")
        if action is None:
            continue
        area = action.id.partition(".")[0]
        title = f"{area}: {action.label.lower()}"
        if active.enabled:
            run = partial(_run, screen, active)
            yield SystemCommand(title, action.tooltip, run)
        else:
            why = _why_not(screen, active)
            tell = partial(screen.app.notify, f"Not now: {why}", markup=False)
            yield SystemCommand(f"{title} (not now)", f"Not now: {why}", tell)


def _run(screen: Screen[object], active: ActiveBinding) -> None:
    screen.call_later(screen.app.run_action, active.binding.action, active.node)


def _why_not(screen: Screen[object], active: ActiveBinding) -> str:
    method = active.binding.action.partition("(")[0]
    why = screen.refusal(method) if isinstance(screen, AskingScreen) else ""
    return why or "there is nothing here that it could be done to"
