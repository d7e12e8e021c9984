"""Launching: a statement before, the launch under its id, and a statement after.

Every step may be the last one that happens. Whoever does the same again finds what
there is and goes on from there: an intent without an outcome is taken up, a claimed id
is found, and nothing is started twice or without a verdict that is yes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.pipelines.protocols import (
    LAUNCH_ID,
    CanHold,
    CanLaunch,
    LaunchPlan,
    LaunchRequest,
    PipelineRun,
    RunState,
)
from console.services.gating import require_anchor
from console.services.opened import OpenStore, rfc3339
from console.services.pipelines.launch_judging import JudgedLaunch, judge_launch
from console.services.pipelines.launch_log import (
    STARTED,
    LaunchRecord,
    launch_record,
    own_open_launch,
)
from console.services.pipelines.release_hopes import undivided
from console.services.problems import Misuse, Refusal, Undecided
from console.services.signing import Acting, Appended, append
from policies.predicates import OutcomeKind
from policies.predicates.operations import LaunchIntent, LaunchOutcome
from policies.verdict import Verdict, exit_code, read_tree, tree_lines
from store.errors import StoreRefused

LONGEST_CAUSE = 500
LONGEST_ENVIRONMENT = 128
LONGEST_READ_BACK = 500
ENROL_THEM = "Enrol whoever that is with that identity, then launch it."
_TRIES = 3


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


@dataclass(frozen=True, slots=True)
class SeenPlan:
    """What somebody was shown before they launched; anything else is refused."""

    digest: str
    is_held: bool | None = None
    """Whether it was said that it would be held; None: that was not looked at."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants launched, where, and why."""

    request: LaunchRequest
    environment: str
    launch: str = ""
    """The id it is launched under; empty: a new one, or that of an open intent."""
    cause: str = "a person"
    seen: SeenPlan | None = None
    """What was shown of it; None: nothing."""


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
        record = _declared_before(store, acting, plan, asked)
        if record is not None and (record.ended or record.cancelled):
            return _found(launcher, plan, record)
        try:
            declared = _declare(store, acting, launcher, plan, asked, record)
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


@dataclass(frozen=True, slots=True)
class Declared:
    """An intent in the log."""

    appended: Appended
    intent: LaunchIntent
    judged: JudgedLaunch | None


def _declared_before(
    store: OpenStore, acting: Acting, plan: LaunchPlan, asked: Asked
) -> LaunchRecord | None:
    """The launch that this one is, if it was declared before.

    Raises:
        Refusal: the id stands for another.
    """
    state = store.state()
    if not asked.launch:
        return own_open_launch(store, acting.id, plan.digest, asked.environment, state)
    record = launch_record(store, asked.launch, state)
    if record is not None:
        bound = (record.intent.definition, record.intent.environment)
        if bound != (plan.digest, asked.environment):
            raise Refusal(
                f"the launch {asked.launch} is another one: plan "
                f"{record.intent.definition[:16]} in {record.intent.environment}, "
                f"this is {plan.digest[:16]} in {asked.environment}",
                hint="Choose another id, or leave --id out.",
            )
    return record


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


def _declare(
    store: OpenStore,
    acting: Acting,
    launcher: CanLaunch,
    plan: LaunchPlan,
    asked: Asked,
    record: LaunchRecord | None,
) -> Declared:
    """Say in the log what is about to be launched, or take up what was said."""
    launch_id = record.launch if record else asked.launch or new_id(plan)
    if record is not None and _is_under_way(launcher, record):
        entry = record.entry
        if entry.statement.by == acting.id:
            return Declared(Appended(entry.index, entry.id), record.intent, None)
    requester = record.requester if record else acting.id
    judged = judge_launch(store, plan, asked.environment, requester, record)
    held = _require_verdict(judged, launcher)
    if asked.seen is not None and asked.seen.is_held not in (None, held):
        said = "held until it is released" if held else "started at once"
        raise Refusal(
            f"it would now be {said}, and something else was seen; nothing was "
            "launched",
            hint="Look at the verdict again.",
        )
    if record is not None and held and not record.intent.held:
        raise Refusal(
            f"the launch {launch_id} was let go, and would now have to be released",
            hint="Launch it anew: leave --id out.",
        )
    if (
        record is not None
        and record.entry.statement.by == acting.id
        and record.intent.held == held
    ):
        entry = record.entry
        return Declared(Appended(entry.index, entry.id), record.intent, judged)
    intent = new_intent(
        store, plan, asked.environment, launch_id, asked.cause, judged, held, record
    )
    return Declared(
        declare(store, acting, launcher, plan, intent, requester), intent, judged
    )


def declare(
    store: OpenStore,
    acting: Acting,
    launcher: CanLaunch,
    plan: LaunchPlan,
    intent: LaunchIntent,
    requester: str,
) -> Appended:
    """Append an intent, if the verdict is still the same where it lands."""
    recorded = read_tree(store.objects.get(intent.verdict))

    def still_so() -> None:
        record = launch_record(store, intent.launch, store.state())
        judged = judge_launch(store, plan, intent.environment, requester, record)
        is_same_policy = intent.policy == (
            judged.policy.digest if judged.policy else ""
        )
        if (
            _require_verdict(judged, launcher) != intent.held
            or not is_same_policy
            or not judged.tree.decides_as(recorded)
        ):
            raise Refusal(
                "something else was decided meanwhile; nothing was launched",
                hint="Run the same command again.",
            )

    return append(
        store,
        acting,
        intent,
        (f"pipeline/{plan.pipeline}", intent.definition),
        check_again=still_so,
    )


def new_intent(
    store: OpenStore,
    plan: LaunchPlan,
    environment: str,
    launch_id: str,
    cause: str,
    judged: JudgedLaunch,
    held: bool,
    record: LaunchRecord | None,
) -> LaunchIntent:
    """The words of an intent; puts what it names by digest into the store."""
    parameters = json.dumps(dict(plan.parameters), sort_keys=True).encode()
    return LaunchIntent(
        launch=launch_id,
        pipeline=plan.pipeline,
        definition=store.objects.put(plan.to_bytes()),
        parameters=store.objects.put(parameters),
        environment=environment,
        cause=cause,
        policy=judged.policy.digest if judged.policy else "",
        root=store.state().root_digest,
        verdict=store.objects.put(judged.tree.to_bytes()),
        judged_at=rfc3339(judged.judged_at),
        held=held,
        takes_over=record.entry.id if record else "",
        evidence=store.objects.put(judged.told.to_bytes()),
    )


def _require_verdict(judged: JudgedLaunch, launcher: CanLaunch) -> bool:
    """Whether it has to be held; refuses what may neither go nor wait.

    Raises:
        Refusal: the verdict is no, or unknown.
        Undecided: a source that answers could tell.
    """
    if judged.tree.verdict is Verdict.YES:
        return False
    if judged.waits:
        if not isinstance(launcher, CanHold):
            raise Refusal(
                f"the policy wants a release, and {launcher.backend} holds nothing",
                hint="Launch where a run can be held.",
            )
        hopeless = undivided(judged)
        if hopeless:
            raise Refusal(f"{hopeless}; nothing was launched", hint=ENROL_THEM)
        return True
    said = "\n".join(tree_lines(judged.tree))
    problem = Undecided if exit_code(judged.tree) == 3 else Refusal
    raise problem(
        f"the verdict is {judged.tree.verdict.value}; nothing was launched\n{said}"
    )


def _is_under_way(launcher: CanLaunch, record: LaunchRecord) -> bool:
    """Whether it was started, so that only its outcome is lacking."""
    run = launcher.find(record.launch)
    return run is not None and (run.state is RunState.RUNNING or run.state.is_final)


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


def new_id(plan: LaunchPlan) -> str:
    """An id that no launch has."""
    return f"{plan.pipeline[:60]}-{secrets.token_hex(5)}"
