"""`status --watch`: what differs from what the log approves, told when it changes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from shlex import quote

from console.cli.context import Context, span_of
from console.cli.output import say, show, show_json_line
from console.rendering import one_line
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.pipelines.schedule_words import objection_lines
from console.services.pipelines.schedules import has_schedules
from console.services.problems import Misuse, Undecided
from console.services.standing import UnapprovedChange, governed_stages
from console.services.watching import UNKNOWN, Compared, Look, ReadBy, Watch

USUAL_SPAN = "30s"
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=1)
_REMINDER = timedelta(minutes=10)
"""How often a silence that lasts is told of again."""
Teller = Callable[[Look | None, Look], None]


def watch(context: Context, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Look until ctrl-C; the exit code is that of the last look."""
    given = context.arguments.every or USUAL_SPAN
    span = span_of(given, "span")
    if not _SHORTEST <= span <= _LONGEST:
        raise Misuse(f"--every {given}: between 1s and 1d")
    if not governed_stages(context.store) and not has_schedules(context.store):
        raise Undecided(
            "no policy in force names a stage, so nothing can be compared",
            hint="Put one in force: countersign policy activate FILE",
        )
    tell: Teller = _as_json if context.arguments.format == "json" else Lines()
    watched, last = Watch(context.store), None
    try:
        while True:
            look = watched.look()
            if last is None:
                _introduce(look, given)
            tell(last, look)
            last = look
            sleep(span.total_seconds())
    except KeyboardInterrupt:
        say("stopped watching")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return last.exit_code if last else UNKNOWN


def _introduce(look: Look, every: str) -> None:
    for one in look.compared:
        how = "asked live" if one.by is ReadBy.LIVE else "as of the last import"
        say(f"{one.source}: {how}, {_time(one.at)}")
    say(f"A look every {every}; ctrl-C ends.")


def _as_json(last: Look | None, look: Look) -> None:
    """One object a line, when anything but the times is another than before."""
    if last is None or _without_times(last) != _without_times(look):
        show_json_line(
            "status-watch",
            at=look.at,
            exit_code=look.exit_code,
            compared=look.compared,
            unapproved_changes=look.unapproved_changes,
            problem=look.problem,
            schedules=look.schedules,
        )


def _without_times(look: Look) -> tuple[object, ...]:
    said = tuple((one.source, one.by, bool(one.problem)) for one in look.compared)
    schedules = tuple(
        (line.launch, line.state, line.objection, bool(line.problem))
        for line in look.schedules
    )
    return look.exit_code, said, look.unapproved_changes, bool(look.problem), schedules


class Lines:
    """Tells a person what another look changed, each in a line with the next step."""

    def __init__(self) -> None:
        self._told: dict[str, datetime] = {}
        """Silences by what is silent, and when each was told of last."""

    def __call__(self, last: Look | None, look: Look) -> None:
        """Tell what is new in a look."""
        self._tell_silences(look)
        before = last.unapproved_changes if last else ()
        for change in look.unapproved_changes:
            if change not in before:
                _line(look.at, _what(change), _next(change))
        for change in _mended(before, look.unapproved_changes):
            _line(look.at, f"{_place(change)}: no longer a difference")
        self._tell_schedules(look, _objections(last) if last else {})
        was_well = last is not None and last.exit_code == 0
        if look.exit_code == 0 and not was_well:
            said = "every registry says what the log approves"
            _line(look.at, said if look.compared else "nothing is against any schedule")

    def _tell_schedules(self, look: Look, before: dict[str, list[str]]) -> None:
        now = _objections(look)
        for launch, said in now.items():
            if said != before.get(launch):
                _line(look.at, *said[:2])
        silent = {line.launch for line in look.schedules if line.problem}
        for launch in before.keys() - now.keys() - silent:
            _line(look.at, f"{launch}: nothing is against it any more")

    def _tell_silences(self, look: Look) -> None:
        silent = {one.source: _silence(one) for one in look.compared if one.problem}
        silent |= {
            f"the place of {line.launch}": (objection_lines(line)[0], "")
            for line in look.schedules
            if line.problem
        }
        if look.problem:
            silent["the log"] = (look.problem, "Shown is what was known before.")
        for name in sorted(self._told.keys() - silent.keys()):
            del self._told[name]
            _line(look.at, f"{name} can be read again")
        for name, (what, following) in silent.items():
            told = self._told.get(name)
            if told is None or look.at - told >= _REMINDER:
                self._told[name] = look.at
                _line(look.at, what, following)


def _objections(look: Look) -> dict[str, list[str]]:
    """What is against each schedule that should not run as it does, and what to do."""
    return {
        line.launch: objection_lines(line)[1 if line.problem else 0 :]
        for line in look.schedules
        if line.is_objected_to
    }


def _silence(one: Compared) -> tuple[str, str]:
    how = "what it said" if one.by is ReadBy.LIVE else "the last import"
    return (
        f"{one.source} cannot be asked: {one.problem}",
        f"Shown is {how} at {_time(one.at)}.",
    )


def _mended(
    before: tuple[UnapprovedChange, ...], now: tuple[UnapprovedChange, ...]
) -> list[UnapprovedChange]:
    still = {_place(change) for change in now}
    return [change for change in before if _place(change) not in still]


def _place(change: UnapprovedChange) -> str:
    return f"{change.model} {change.stage} in {change.environment}"


def _what(change: UnapprovedChange) -> str:
    has, approved = change.registry or "nothing", change.approved or "nothing"
    return f"{_place(change)}: the registry has {has}, the log approves {approved}"


def _next(change: UnapprovedChange) -> str:
    """What to run, with names quoted for a shell: a registry may hold any."""
    back = f"point it back at {change.approved}" if change.approved else "take it away"
    place = quote(change.stage)
    if change.environment != DEFAULT_ENVIRONMENT:
        place += f" --env {quote(change.environment)}"
    if change.registry:
        version = quote(f"model:{change.model}@{change.registry}")
        return (
            f"Next: countersign request {version} --to {place} --reason TEXT; "
            f"or {back}."
        )
    version = quote(f"{change.model}@{change.approved}")
    return (
        f"Next: {back}; or countersign demote {version} --from {place} --reason TEXT."
    )


def _line(at: datetime, what: str, following: str = "") -> None:
    show(f"{_time(at)}  {one_line(what)}")
    if following:
        show(f"    {one_line(following)}")
    sys.stdout.flush()


def _time(value: datetime | None) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if value else "never"
