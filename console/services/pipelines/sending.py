"""Sending what was declared, reading it back, and the statement of what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.pipelines.protocols import (
    CanHold,
    CanLaunch,
    LaunchPlan,
    PipelineRun,
    RunState,
)
from console.services.opened import OpenStore
from console.services.pipelines.declaring import Declared
from console.services.pipelines.launch_judging import JudgedLaunch
from console.services.pipelines.launch_log import (
    STARTED,
    launch_record,
)
from console.services.problems import Refusal, Undecided
from console.services.signing import Acting, Appended, append
from policies.predicates import OutcomeKind
from policies.predicates.operations import LaunchOutcome

LONGEST_READ_BACK = 500


@dataclass(frozen=True, slots=True)
class Launched:
    """A launch, and what the log has of it."""

    run: PipelineRun
    plan: LaunchPlan
    environment: str
    intent: Appended
    outcome: Appended | None
    """None where the log knew the outcome before."""
    judged: JudgedLaunch | None
    """None where it had been launched before."""


def send(
    store: OpenStore,
    acting: Acting,
    launcher: CanLaunch,
    plan: LaunchPlan,
    declared: Declared,
) -> Launched:
    """Launch what was declared, read back, and say what came of it."""
    intent = declared.intent
    try:
        with store.turn.given_way():
            run = launcher.launch(intent.launch, plan, held=intent.held)
        if not intent.held and run.state is RunState.SUSPENDED:
            if not isinstance(launcher, CanHold):
                raise Refusal(f"{launcher.backend} shows what it cannot hold as held")
            run = launcher.release(intent.launch)
    except ConnectorUnavailable as cause:
        raise Undecided(
            f"the launch {intent.launch} is begun, and it is not known whether it "
            f"started: {cause}",
            hint=f"{cause.hint} The intent is in the log. Run the same command again, "
            f"with --id {intent.launch}, to end it.".strip(),
        ) from cause
    except ConnectorError as cause:
        end_launch(store, acting, declared, OutcomeKind.FAILED, f"refused: {cause}")
        raise
    run, outcome = _say_started(store, acting, launcher, declared, run)
    return Launched(
        run, plan, intent.environment, declared.appended, outcome, declared.judged
    )


class _CancelledMeanwhile(Exception):
    """Others said that it was cancelled after it was read back as something else."""


def _say_started(
    store: OpenStore,
    acting: Acting,
    launcher: CanLaunch,
    declared: Declared,
    run: PipelineRun,
) -> tuple[PipelineRun, Appended]:
    """Say what reading back showed; once more, if it was cancelled in between.

    Raises:
        Undecided: it does not show that it was.
    """
    launch = declared.intent.launch
    try:
        return run, end_launch(
            store, acting, declared, OutcomeKind.DONE, read_back(run), run.state
        )
    except _CancelledMeanwhile as cause:
        again = launcher.find(launch)
        if again is None or again.state in STARTED:
            raise Undecided(
                f"the log says that {launch} was cancelled, and its place does not",
                hint=f"Look at it: countersign pipeline show {launch}",
            ) from cause
        return again, end_launch(
            store, acting, declared, OutcomeKind.DONE, read_back(again), again.state
        )


def end_launch(
    store: OpenStore,
    acting: Acting,
    declared: Declared,
    kind: OutcomeKind,
    said: str,
    state: RunState = RunState.UNKNOWN,
) -> Appended:
    """Say in the log what reading back showed."""
    intent = declared.intent

    def not_cancelled() -> None:
        if state in STARTED:
            record = launch_record(store, intent.launch, store.state())
            if record is not None and record.cancelled is not None:
                raise _CancelledMeanwhile

    return append(
        store,
        acting,
        LaunchOutcome(
            intent=declared.appended.statement_id,
            pipeline=intent.pipeline,
            environment=intent.environment,
            outcome=kind,
            run=intent.launch,
            read_back=said[:LONGEST_READ_BACK],
        ),
        (f"pipeline/{intent.pipeline}", intent.definition),
        check_again=not_cancelled,
    )


def read_back(run: PipelineRun) -> str:
    """What a place showed of a run, in a line."""
    reason = f": {run.reason}" if run.reason else ""
    return f"{run.backend} {run.launch} {run.state.value}{reason}"
