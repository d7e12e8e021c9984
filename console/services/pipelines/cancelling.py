"""Cancelling: a launch is ended at its place first, and the log is told afterwards.

Neither a key nor the log stands between somebody and the end of what runs. What could
not be logged is logged by asking again: what is cancelled stays so, and is said once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.protocols import CanCancel, CanLaunch, PipelineRun, RunState
from console.services.gating import require_anchor
from console.services.opened import OpenStore
from console.services.pipelines.every_place import FAR, EveryPlace
from console.services.pipelines.launch_log import LaunchRecord, known_launch
from console.services.pipelines.sending import LONGEST_READ_BACK, read_back
from console.services.pipelines.viewing import launch_name
from console.services.problems import KNOWN_ERRORS, Refusal
from console.services.signing import Acting, append
from console.services.words import put_words
from policies.predicates.operations import CancelResult, LaunchCancellation
from store.errors import StoreError

Sign = Callable[[], Acting]
"""Opens the key of whoever asks; called once nothing is left to be ended."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What came of asking, and whether the log says so."""

    launch: str
    result: CancelResult
    run: PipelineRun | None
    """As its place showed it; None: it did not."""
    read_back: str
    entry: int | None
    """Which says so; None: none does."""
    is_new: bool
    """Whether that was appended now."""
    unlogged: str = ""
    """Why the log does not say so, or empty."""
    hint: str = ""
    """What to do about a result that is unknown, or about what is not logged."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a place made of it."""

    result: CancelResult
    run: PipelineRun | None
    """As its place showed it; None: it did not."""
    said: str
    hint: str = ""
    """What to do where that is not known."""


class _SaidBefore(Exception):
    """The log says so already."""

    def __init__(self, entry: int) -> None:
        super().__init__()
        self.entry = entry


def cancel_launch(
    store: OpenStore,
    everywhere: EveryPlace,
    launch: str,
    sign: Sign,
    *,
    reason: str = "",
    grace_seconds: float,
) -> Cancelled:
    """End a launch, or one run of a schedule; then say in the log what came of it.

    Raises:
        Refusal: no launch, or several.
        ConnectorError: its place refuses, and nothing was changed.
        StoreError: where it is cannot be told without the store.
    """
    place, name = _where(store, everywhere, launch)
    ended = end_at(place, name, grace_seconds)
    again = f"Log it: countersign pipeline cancel {name}"
    entry, is_new, problem = None, False, ""
    try:
        entry, is_new = log_end(store, sign, name, ended, reason)
    except KNOWN_ERRORS as cause:
        problem, again = str(cause), f"{again}. {getattr(cause, 'hint', '')}".strip()
    except (OSError, EOFError) as cause:
        problem = str(cause) or "the key was not opened"
    except KeyboardInterrupt:
        problem = "it was broken off"
    hint = ended.hint or (again if problem else "")
    return Cancelled(
        name, ended.result, ended.run, ended.said, entry, is_new, problem, hint
    )


def _where(
    store: OpenStore, everywhere: EveryPlace, launch: str
) -> tuple[CanLaunch, str]:
    """Where a launch is, and its whole id; without the store, only if it is here.

    Raises:
        Refusal, StoreError, ConnectorError: it cannot be told.
    """
    try:
        try:
            name = launch_name(store, everywhere, launch)
        except Refusal:
            store.catch_up()  # who cannot read on cannot say that there is none
            name = launch_name(store, everywhere, launch)
        return everywhere.of(name), name
    except (StoreError, ConnectorError):
        if everywhere.own.find(launch) is None:
            raise
        return everywhere.own, launch


def end_at(place: CanLaunch, launch: str, grace_seconds: float) -> Ended:
    """Have a place end it, and tell what it shows.

    Raises:
        ConnectorError: it refuses, and nothing was changed.
    """
    before = _state(place, launch)
    if not isinstance(place, CanCancel):
        raise ConnectorRefused(f"{place.backend} cancels nothing")
    try:
        run = place.cancel(launch, grace_seconds=grace_seconds)
    except ConnectorRefused as cause:
        return _refused(place, launch, before, cause)
    except ConnectorError as cause:
        return Ended(CancelResult.UNKNOWN, None, str(cause), cause.hint)
    return Ended(_result(before, run), run, read_back(run))


def _refused(
    place: CanLaunch, launch: str, before: RunState | None, cause: ConnectorRefused
) -> Ended:
    """What is there after a refusal; the refusal itself, if that is what was.

    Raises:
        ConnectorRefused: nothing was changed.
    """
    now = _state(place, launch)
    if now is None and before is None and _is_gone(place, launch):
        return Ended(CancelResult.GONE, None, f"{place.backend} has nothing of it")
    if now is RunState.CANCELLED and before is not RunState.CANCELLED:
        return Ended(CancelResult.UNKNOWN, None, str(cause), cause.hint)
    raise cause


def _result(before: RunState | None, run: PipelineRun) -> CancelResult:
    if run.state is RunState.CANCELLED:
        was = before is RunState.CANCELLED
        return CancelResult.WAS_CANCELLED if was else CancelResult.CANCELLED
    return CancelResult.ENDED if run.state.is_final else CancelResult.UNKNOWN


def _state(place: CanLaunch, launch: str) -> RunState | None:
    """Where it is, if its place says so."""
    try:
        run = place.find(launch)
    except (ConnectorError, StoreError):
        return None
    return None if run is None else run.state


def _is_gone(place: CanLaunch, launch: str) -> bool:
    """Whether a place that others reach too answers that it has nothing of it.

    Another machine's own launches are not known here, and not gone.
    """
    try:
        return place.backend in FAR and place.find(launch) is None
    except ConnectorError:
        return False


def log_end(
    store: OpenStore, sign: Sign, run: str, ended: Ended, reason: str
) -> tuple[int, bool]:
    """The entry that says what came of it, and whether it is new.

    Raises:
        Problem, StoreError, PolicyError, ConnectorError: it could not be said.
    """
    require_anchor(store)
    store.catch_up()
    record = known_launch(store, schedule_of(run) or run, store.state())
    before = _said_before(record, run, ended.result)
    if before is not None:
        return before, False
    acting = sign()
    intent = record.intent
    statement = LaunchCancellation(
        intent=record.entry.id,
        launch=record.launch,
        run=run,
        pipeline=intent.pipeline,
        environment=intent.environment,
        result=ended.result,
        read_back=ended.said[:LONGEST_READ_BACK],
        reason=put_words(store, reason) if reason.strip() else "",
    )

    def not_said() -> None:
        now = known_launch(store, record.launch, store.state())
        said = _said_before(now, run, ended.result)
        if said is not None:
            raise _SaidBefore(said)

    subject = (f"pipeline/{intent.pipeline}", intent.definition)
    try:
        done = append(store, acting, statement, subject, check_again=not_said)
    except _SaidBefore as said:
        return said.entry, False
    return done.index, True


def _said_before(record: LaunchRecord, run: str, result: CancelResult) -> int | None:
    """The entry that says the same, or more than that it is not known."""
    for entry, said in record.cancellations:
        is_same = said.result is result
        is_known = said.result.is_cancelled and (
            result.is_cancelled or result is CancelResult.UNKNOWN
        )
        if said.run == run and (is_same or is_known):
            return entry.index
    return None
