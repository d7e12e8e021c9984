"""Keeping record: everything that has ended, wherever it ran, becomes lineage.

Nothing of ours stays with what runs on a cluster, so that somebody has to look. Whoever
does may do so as often as they like: what is recorded is not recorded again.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass

from connectors.errors import ConnectorUnavailable
from connectors.pipelines.protocols import PipelineRun, RunState
from console.services.opened import OpenStore
from console.services.pipelines.every_place import EveryPlace
from console.services.pipelines.launch_log import as_declared, launches
from console.services.pipelines.recording import (
    Recorded,
    is_to_be_recorded,
    record_run,
    recorded_launches,
)
from console.services.problems import KNOWN_ERRORS
from console.services.signing import Acting
from store.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is not recorded, and why."""

    name: str
    """A launch, a run of a schedule, or a place."""
    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """What has ended and is not recorded, as far as the places tell."""

    runs: tuple[PipelineRun, ...]
    """Oldest first."""
    unknown: tuple[Left, ...]
    """Launches of which it cannot be told what they are."""
    silent: tuple[Left, ...]
    """Places that do not answer."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at everything brought."""

    recorded: tuple[Recorded, ...]
    failed: tuple[Left, ...]
    """Launches that could not be recorded."""
    unknown: tuple[Left, ...]
    silent: tuple[Left, ...]
    waiting: int
    """How many more there are than were wanted at once."""


def ended_unrecorded(
    store: OpenStore, everywhere: EveryPlace, leaves_out: Container[str] = ()
) -> Ended:
    """What has ended at any place that is not left out, and is not recorded.

    Raises:
        StoreError: the store cannot be asked what is recorded.
    """
    recorded = recorded_launches(store)
    found: list[PipelineRun] = []
    unknown: list[Left] = []
    silent: dict[str, Left] = {}
    for run in _here(store, everywhere):
        _sort_in(run, recorded, found, unknown)
    for look in everywhere.looks(lambda one: one not in recorded, leaves_out):
        if isinstance(look.problem, ConnectorUnavailable) and look.place:
            silent[look.place] = Left(look.place, str(look.problem))
        elif look.problem is not None:
            unknown.append(Left(look.launch, str(look.problem)))
        if look.intent.held and any(run.schedule for run in look.runs):
            continue  # nobody released the schedule; `show` says so
        for run in look.runs:
            _sort_in(as_declared(run, look.intent), recorded, found, unknown)
    found.sort(key=lambda run: run.claimed)
    return Ended(tuple(found), tuple(unknown), tuple(silent.values()))


def _here(store: OpenStore, everywhere: EveryPlace) -> Iterator[PipelineRun]:
    """What runs on this machine and is declared."""
    declared = {launch: intent for launch, _, intent in launches(store)}
    for run in everywhere.own.runs():
        if run.launch in declared:
            yield as_declared(run, declared[run.launch])


def _sort_in(
    run: PipelineRun,
    recorded: Container[str],
    found: list[PipelineRun],
    unknown: list[Left],
) -> None:
    if run.launch in recorded:
        return
    if run.state is RunState.UNKNOWN:
        unknown.append(Left(run.launch, run.reason))
    elif is_to_be_recorded(run):
        found.append(run)


def record_ended(
    store: OpenStore,
    acting: Acting,
    everywhere: EveryPlace,
    *,
    most: int | None = None,
    leaves_out: Container[str] = (),
    but: Container[str] = (),
    again: Iterable[str] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Round:
    """Tell the log of everything that has ended and is not recorded, oldest first.

    Left out are some places, and some launches (`but`); others are recorded once more
    (`again`). At most so many are recorded.

    Raises:
        StoreUnavailable: the log or the lineage store does not answer.
    """
    ended = ended_unrecorded(store, everywhere, leaves_out)
    wanted = [*again]
    wanted += [run.launch for run in ended.runs if run.launch not in but]
    at_once = wanted if most is None else wanted[:most]
    done, failed = _record(store, acting, everywhere, at_once, stop)
    waiting = len(wanted) - len(done) - len(failed)
    return Round(
        tuple(done), tuple(failed), ended.unknown, ended.silent, max(0, waiting)
    )


def _record(
    store: OpenStore,
    acting: Acting,
    everywhere: EveryPlace,
    wanted: Iterable[str],
    stop: Callable[[], bool],
) -> tuple[list[Recorded], list[Left]]:
    done: list[Recorded] = []
    failed: list[Left] = []
    for launch in wanted:
        if stop():
            break
        try:
            done.append(record_run(store, acting, everywhere, launch))
        except StoreUnavailable:
            raise
        except KNOWN_ERRORS as problem:
            failed.append(Left(launch, str(problem)))
    return done, failed
