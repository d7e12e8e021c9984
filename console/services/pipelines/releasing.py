"""Releasing: people let a held launch go, and whoever operates starts it.

A release is a statement; starting what was released is declared like any launch, with a
verdict that is yes, an intent and an outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.errors import ConnectorError
from connectors.pipelines.fired_runs import schedule_of
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import CanLaunch, LaunchPlan, PipelineRun, RunState
from console.services.gating import require_anchor
from console.services.opened import OpenStore
from console.services.pipelines.declaring import Declared, declare, new_intent
from console.services.pipelines.launch_judging import (
    JudgedLaunch,
    judge_launch,
)
from console.services.pipelines.launch_log import LaunchRecord, known_launch
from console.services.pipelines.log_word import words_of_log
from console.services.pipelines.release_votes import release_roles
from console.services.pipelines.release_words import (
    not_yet,
    require_news,
    role_to_release,
)
from console.services.pipelines.sending import Launched, send
from console.services.pipelines.viewing import launch_name
from console.services.problems import Misuse, Refusal
from console.services.signing import Acting, Appended, append
from console.services.words import put_words
from policies.launch_permissions import pipeline_subject
from policies.predicates import Decision
from policies.predicates.operations import LaunchRelease
from policies.trust_root import BuiltInRole
from policies.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Released:
    """What a release led to."""

    record: LaunchRecord
    plan: LaunchPlan
    signed: Appended | None
    """None where only what others released was started."""
    judged: JudgedLaunch
    launched: Launched | None
    """None: it still waits."""
    waits_for: str = ""
    """Why it was not started, for a person."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What somebody decides about a held launch."""

    decision: Decision
    reason: str
    role: str = ""


def release(
    store: OpenStore,
    acting: Acting,
    launcher: CanLaunch,
    launch: str,
    decided: Decided | None,
) -> Released:
    """Sign a release, and start what is released enough; `None` only starts.

    Raises:
        Refusal: it is not held, or the person may not.
    """
    require_anchor(store)
    store.require_known_types()
    if decided is not None and not decided.reason.strip():
        raise Misuse("a release has a reason", hint="--reason TEXT")
    launch = launch_name(store, launcher, launch)
    schedule = schedule_of(launch)
    if schedule:
        raise Refusal(
            f"{launch} was started by a schedule, and that is what is released",
            hint=f"See it: countersign pipeline show {schedule}",
        )
    record = known_launch(store, launch, store.state())
    run = _found(launcher, launch, must_answer=decided is None)
    _require_open(store, record, run)
    plan = read_plan(store.objects.get(record.intent.definition))
    signed = None
    if decided is not None:
        signed = _sign(store, acting, plan, record, decided)
        record = known_launch(store, launch, store.state())
    judged = _judge(store, plan, record)
    if judged.tree.verdict is not Verdict.YES:
        if decided is None:
            raise Refusal(
                f"the verdict is {judged.tree.verdict.value}; nothing was started",
                hint=f"See why: countersign pipeline show {launch}",
            )
        return Released(record, plan, signed, judged, None, not_yet(launch, judged))
    lack = _cannot_start(store, acting, record, run)
    if lack:
        if decided is None:
            raise Refusal(lack)
        return Released(record, plan, signed, judged, None, lack)
    declared = _let_go(store, acting, launcher, plan, record, judged)
    return Released(
        record, plan, signed, judged, send(store, acting, launcher, plan, declared)
    )


def _found(
    launcher: CanLaunch, launch: str, *, must_answer: bool
) -> PipelineRun | None:
    """A launch as its place shows it; who only signs needs no place that answers.

    Raises:
        ConnectorError: it cannot be asked, and must be.
    """
    try:
        return launcher.find(launch)
    except ConnectorError:
        if must_answer:
            raise
        return None


def _require_open(
    store: OpenStore, record: LaunchRecord, run: PipelineRun | None
) -> None:
    """Refuse what was let go before, or is over.

    Raises:
        Refusal: it is.
    """
    if not record.intent.held and record.ended is not None:
        raise Refusal(
            f"the launch {record.launch} is not held: {_became(store, record, run)}",
            hint=f"See it: countersign pipeline show {record.launch}",
        )
    is_gone = run is not None and run.state is RunState.CANCELLED
    if is_gone or record.cancelled is not None:
        raise Refusal(f"the launch {record.launch} was cancelled")


def _became(store: OpenStore, record: LaunchRecord, run: PipelineRun | None) -> str:
    """What became of a launch that was let go: by its place, or else by the log."""
    if run is not None:
        return f"it is {run.state.value}{f', {run.reason}' if run.reason else ''}"
    word = words_of_log(store, {record.launch}).get(record.launch)
    if word is not None:
        return f"by the log it is {word.state.value}"
    return f"it was let go, entry {record.entry.index}"


def _judge(store: OpenStore, plan: LaunchPlan, record: LaunchRecord) -> JudgedLaunch:
    environment = record.intent.environment
    return judge_launch(store, plan, environment, record.requester, record)


def _sign(
    store: OpenStore,
    acting: Acting,
    plan: LaunchPlan,
    record: LaunchRecord,
    decided: Decided,
) -> Appended:
    """Append a decision about a held launch.

    Raises:
        Refusal: it could not count, or nothing should be released now.
    """
    intent = record.intent
    if not intent.held:
        raise Refusal(f"the launch {record.launch} is not held")
    if acting.id == record.requester and decided.decision is Decision.APPROVE:
        raise Refusal(
            "who launches cannot release it",
            hint="Somebody else with the role must. Once they have: countersign "
            f"pipeline release {record.launch} --start",
        )
    judged = _judge(store, plan, record)
    if judged.policy is None:
        raise Refusal(
            "no policy asks for this release",
            hint=f"countersign pipeline release {record.launch} --start",
        )
    roles = release_roles(
        store, judged.policy, acting.id, intent.pipeline, intent.environment
    )
    role = role_to_release(judged.policy, roles, decided.role, intent.pipeline)
    require_news(record.launch, judged, acting.id, decided.decision, role)
    if decided.decision is Decision.APPROVE and not judged.lacks_people_only:
        raise Refusal(
            f"the verdict is {judged.tree.verdict.value}, and not for want of people; "
            "nothing was signed",
            hint=f"See why: countersign pipeline show {record.launch}",
        )
    statement = LaunchRelease(
        intent=record.entry.id,
        launch=record.launch,
        pipeline=intent.pipeline,
        environment=intent.environment,
        definition=intent.definition,
        policy=judged.policy.digest,
        decision=decided.decision,
        role=role,
        reason=put_words(store, decided.reason),
    )
    subject = (pipeline_subject(intent.pipeline), intent.definition)
    return append(store, acting, statement, subject)


def _cannot_start(
    store: OpenStore, acting: Acting, record: LaunchRecord, run: PipelineRun | None
) -> str:
    """Why whoever asks cannot start it from here, or nothing."""
    intent = record.intent
    person = store.state().people.get(acting.id)
    subject = pipeline_subject(intent.pipeline)
    again = f"countersign pipeline release {record.launch} --start"
    if person is None or not person.holds(
        BuiltInRole.OPERATOR, subject, intent.environment
    ):
        return f"it is released; an operator starts it: {again}"
    if run is None:
        return f"it is released; start it where it was launched: {again}"
    return ""


def _let_go(
    store: OpenStore,
    acting: Acting,
    launcher: CanLaunch,
    plan: LaunchPlan,
    record: LaunchRecord,
    judged: JudgedLaunch,
) -> Declared:
    """Declare that it starts, or take up one's own declaration."""
    entry, last = record.entry, record.intent
    if not last.held and entry.statement.by == acting.id:
        return Declared(Appended(entry.index, entry.id), last, judged)
    intent = new_intent(
        store,
        plan,
        last.environment,
        record.launch,
        last.cause,
        judged,
        False,
        record,
    )
    appended = declare(store, acting, launcher, plan, intent, record.requester)
    return Declared(appended, intent, judged)
