"""Declaring: the statement that says what is about to be launched, under which verdict.

An intent without an outcome is taken up by whoever does the same again.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from connectors.pipelines.protocols import (
    CanHold,
    CanLaunch,
    LaunchPlan,
    RunState,
)
from console.services.opened import OpenStore, rfc3339
from console.services.pipelines.asked import Asked
from console.services.pipelines.launch_judging import JudgedLaunch, judge_launch
from console.services.pipelines.launch_log import (
    LaunchRecord,
    launch_record,
    own_open_launch,
)
from console.services.pipelines.release_hopes import undivided
from console.services.problems import Refusal, Undecided
from console.services.signing import Acting, Appended, append
from policies.predicates.operations import LaunchIntent
from policies.verdict import Verdict, exit_code, read_tree, tree_lines

ENROL_THEM = "Enrol whoever that is with that identity, then launch it."


@dataclass(frozen=True, slots=True)
class Declared:
    """An intent in the log."""

    appended: Appended
    intent: LaunchIntent
    judged: JudgedLaunch | None


def declared_before(
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


def declare_asked(
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


def new_id(plan: LaunchPlan) -> str:
    """An id that no launch has."""
    return f"{plan.pipeline[:60]}-{secrets.token_hex(5)}"
