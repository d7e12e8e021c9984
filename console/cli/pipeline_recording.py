"""What makes ended runs lineage: `pipeline record`, and whoever sees one end."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.cli.context import Context
from console.cli.output import say, show, show_json
from console.rendering import one_line
from console.services.problems import KNOWN_ERRORS, Misuse, Refusal

if TYPE_CHECKING:
    from console.services.opened import OpenStore
    from console.services.pipelines.every_place import EveryPlace
    from console.services.pipelines.recording import Recorded
    from console.services.pipelines.viewing import LaunchLine
    from console.services.signing import Acting


def add_record(whats: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `pipeline record`."""
    parser = whats.add_parser(
        "record", help="tell the log what an ended run was; of a schedule, each"
    )
    parser.add_argument("launch", nargs="?", default="", metavar="LAUNCH")
    parser.add_argument(
        "--all", action="store_true", help="whatever has ended anywhere, and is not yet"
    )
    parser.add_argument("--key", metavar="KEY", help="sign as a person")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=record)


def record(context: Context) -> int:
    """`pipeline record`: 1 when something had to be left out; of `--all` 3 when that is
    because a place does not answer, or it cannot be told what is there."""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.schedules import is_declared_schedule

    given, store = context.arguments, context.store
    if given.all == bool(given.launch):
        raise Misuse("record one launch, or --all", hint="pipeline record --all")
    acting, everywhere = _acting(context), launcher_of_all(store)
    if given.all:
        return _record_all(context, acting, everywhere)
    from console.services.pipelines.recording import record_run
    from console.services.pipelines.viewing import launch_name

    name = launch_name(store, everywhere, given.launch)
    if is_declared_schedule(store, name):
        return _record_schedule(context, acting, everywhere, name)
    done = record_run(store, acting, everywhere, name)
    if given.format == "json":
        _show_json([done])
    else:
        say(f"{done.new_facts} new facts; {len(done.contains)} runs within it.")
        if done.problem:
            say(one_line(done.problem))
        show(f"run:{name}")
    return 1 if done.problem else 0


def _acting(context: Context) -> Acting:
    from console.services.signing import act_as_service
    from policies.trust_root import ServiceKind

    if context.arguments.key:
        return context.person()
    store = context.store
    return act_as_service(store, store.state(), ServiceKind.IMPORT)


def _record_schedule(
    context: Context, acting: Acting, everywhere: EveryPlace, schedule: str
) -> int:
    """What a schedule started."""
    from console.services.pipelines.recording import record_fired

    given = context.arguments
    done, left = record_fired(context.store, acting, everywhere, schedule)
    if given.format == "json":
        _show_json(done, left=left)
    else:
        _tell(done, left)
    return 1 if left or any(one.problem for one in done) else 0


def _record_all(context: Context, acting: Acting, everywhere: EveryPlace) -> int:
    """What has ended at any place."""
    from console.services.pipelines.keeping_record import record_ended

    done = record_ended(context.store, acting, everywhere)
    left = [
        f"{one.name} is not recorded: {one.why}"
        for one in (*done.failed, *done.unknown)
    ]
    left += [f"{one.name} does not answer: {one.why}" for one in done.silent]
    if context.arguments.format == "json":
        _show_json(done.recorded, left=left)
    else:
        _tell(done.recorded, left)
    if done.failed or any(one.problem for one in done.recorded):
        return 1
    return 3 if done.unknown or done.silent else 0


def _tell(done: Iterable[Recorded], left: Iterable[str]) -> None:
    told = tuple(done)
    say(f"{sum(one.new_facts for one in told)} new facts of {len(told)} runs.")
    for problem in [*left, *(_again(one) for one in told if one.problem)]:
        say(one_line(problem))
    for one in told:
        show(one_line(f"run:{one.launch}"))


def _again(one: Recorded) -> str:
    return f"{one.problem}; once it can: countersign pipeline record {one.launch}"


def _show_json(done: Iterable[Recorded], left: Iterable[str] = ()) -> None:
    show_json(
        "pipeline-record",
        recorded=[
            {
                "launch": one.launch,
                "new_facts": one.new_facts,
                "runs_within": len(one.contains),
                "problem": one.problem,
            }
            for one in done
        ],
        left=list(left),
    )


def record_end(
    store: OpenStore, launcher: EveryPlace, line: LaunchLine, person: Acting | None
) -> bool:
    """Record a run whose end was just seen, as the import service or as whoever
    launched it, or say what to do. On this machine its supervisor does it."""
    from console.services.pipelines.launch_words import unrecorded_lines
    from console.services.pipelines.launchers import LOCAL
    from console.services.pipelines.recording import record_run
    from console.services.signing import act_as_service
    from policies.trust_root import ServiceKind

    acting = person
    try:
        acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
        if line.run.backend == LOCAL:
            return False
    except Refusal as problem:
        if acting is None:
            say(one_line(f"{unrecorded_lines([line.launch])[0]} --key KEY ({problem})"))
            return False
    try:
        done = record_run(store, acting, launcher, line.launch)
    except KNOWN_ERRORS as problem:
        say(one_line(f"{unrecorded_lines([line.launch])[0]} ({problem})"))
        return False
    say(f"Recorded: {done.new_facts} new facts.")
    if done.problem:
        say(one_line(_again(done)))
    return True
