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
from console.services.pipelines.launch_judging import (
    RELEASE_COMMAND,
    JudgedLaunch,
    judge_launch,
    release_roles,
    standing_vote,
)
from console.services.pipelines.launch_log import LaunchRecord, known_launch
from console.services.pipelines.launching import (
    Declared,
    Launched,
    declare,
    new_intent,
    send,
)
from console.services.pipelines.log_word import words_of_log
from console.services.pipelines.viewing import launch_name
from console.services.problems import Misuse, Refusal
from console.services.signing import Acting, Appended, append
from console.services.words import put_words
from policies.document import Policy
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
        return Released(record, plan, signed, judged, None, _not_yet(launch, judged))
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
    if run is not None and run.state is RunState.CANCELLED:
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
    role = _role(judged.policy, roles, decided.role, intent.pipeline)
    _require_news(record.launch, judged, acting.id, decided.decision, role)
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


def _role(policy: Policy, roles: list[str], named: str, pipeline: str) -> str:
    """The role in which somebody decides who could in some.

    Raises:
        Refusal: they could in none, or not in the one that they name.
    """
    wanted = [quorum.role for quorum in policy.quorums]
    if roles and named in ("", *roles):
        return named or roles[0]
    held = f"; you hold {', '.join(roles)}" if roles else ""
    if named and named not in wanted:
        raise Refusal(
            f"the role {named!r} is not wanted here; wanted: {', '.join(wanted)}{held}",
            hint=f"--role {roles[0]}" if roles else _ask_for(pipeline),
        )
    if roles:
        raise Refusal(
            f"you do not hold the role {named!r} here{held}",
            hint=f"--role {roles[0]}",
        )
    raise Refusal(
        f"you hold none of the roles that may release it here ({', '.join(wanted)})",
        hint=_ask_for(pipeline),
    )


def _ask_for(pipeline: str) -> str:
    return f"Ask an enroller for the role, for the model {pipeline_subject(pipeline)}."


def _require_news(
    launch: str, judged: JudgedLaunch, person: str, decision: Decision, role: str
) -> None:
    """Refuse a decision that the same person has made in the same role.

    Raises:
        Refusal: it is, and that one still counts.
    """
    before = standing_vote(judged, person, role)
    if before is None or before.decision is not decision:
        return
    is_released = judged.tree.verdict is Verdict.YES
    raise Refusal(
        f"you signed to {decision.value} it as {role} before, entry {before.index}, "
        f"which counts ({judged.held_words})",
        hint=f"countersign pipeline release {launch} --start"
        if is_released
        else _next_steps(launch, judged),
    )


def _not_yet(launch: str, judged: JudgedLaunch) -> str:
    """Why it still waits, and what to do about it."""
    said = f"it is not released yet: {judged.held_words}"
    return f"{said}. {_next_steps(launch, judged)}".strip()


def _next_steps(launch: str, judged: JudgedLaunch) -> str:
    command = f"{RELEASE_COMMAND} {launch} --reason TEXT"
    steps = [
        leaf.why.replace(RELEASE_COMMAND, command)
        for leaf in judged.tree.leaves()
        if leaf.verdict is not Verdict.YES and leaf.why
    ]
    return " ".join(
        step if step.endswith((".", "TEXT")) else f"{step}."
        for step in dict.fromkeys(steps)
    )


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
