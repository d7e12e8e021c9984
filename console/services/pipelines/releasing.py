"""Releasing: people let a held launch go, and whoever operates starts it.

A release is a statement; starting what was released is declared like any launch, with a
verdict that is yes, an intent and an outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import CanLaunch, LaunchPlan, PipelineRun, RunState
from console.services.gating import require_anchor
from console.services.opened import OpenStore
from console.services.pipelines.launch_judging import (
    JudgedLaunch,
    judge_launch,
    release_roles,
)
from console.services.pipelines.launch_log import LaunchRecord, known_launch
from console.services.pipelines.launching import (
    Declared,
    Launched,
    declare,
    new_intent,
    send,
)
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
    record = known_launch(store, launch, store.state())
    run = launcher.find(launch)
    _require_open(record, run)
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
        return Released(record, plan, signed, judged, None, "it is not released yet")
    lack = _cannot_start(store, acting, record, run)
    if lack:
        if decided is None:
            raise Refusal(lack)
        return Released(record, plan, signed, judged, None, lack)
    declared = _let_go(store, acting, launcher, plan, record, judged)
    return Released(
        record, plan, signed, judged, send(store, acting, launcher, plan, declared)
    )


def _require_open(record: LaunchRecord, run: PipelineRun | None) -> None:
    """Refuse what was let go before, or is over.

    Raises:
        Refusal: it is.
    """
    if not record.intent.held and record.ended is not None:
        raise Refusal(
            f"the launch {record.launch} is not held: {record.ended.read_back}"
        )
    is_gone = run is not None and run.state is RunState.CANCELLED
    if is_gone or record.cancelled is not None:
        raise Refusal(f"the launch {record.launch} was cancelled")


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
    if not decided.reason.strip():
        raise Misuse("a release has a reason", hint="--reason TEXT")
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
    role = decided.role or (roles[0] if roles else "")
    if role not in roles:
        wanted = ", ".join(quorum.role for quorum in judged.policy.quorums)
        raise Refusal(
            f"you hold none of the roles that may release it here ({wanted})",
            hint="Ask an enroller for the role, for the model "
            f"{pipeline_subject(intent.pipeline)}.",
        )
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
