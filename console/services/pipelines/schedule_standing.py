"""Would a schedule that runs be allowed today? One decision covers it until then.

A newer policy, a role that ended, a release that ran out or a key that was stolen stop
nothing by themselves: whoever looks is told, and decides.
"""

from __future__ import annotations

from connectors.pipelines.planned_schedules import is_schedule
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import LaunchPlan
from console.services.opened import OpenStore
from console.services.pipelines.launch_evidence import read_commit_told
from console.services.pipelines.launch_judging import LogMoment, judge_launch
from console.services.pipelines.launch_log import LaunchRecord
from policies.launch_permissions import pipeline_subject
from policies.predicates import OutcomeKind
from policies.predicates.operations import LaunchIntent
from policies.trust_root import BuiltInRole
from policies.verdict import Verdict


def planned_schedule(store: OpenStore, intent: LaunchIntent) -> LaunchPlan | None:
    """The plan of a launch that is a schedule; None: it is none.

    Raises:
        StoreError, ConnectorError: its plan cannot be read.
    """
    plan = read_plan(store.objects.get(intent.definition))
    return plan if is_schedule(plan) else None


def is_let_go(record: LaunchRecord) -> bool:
    """Whether the log says that it was started; its place says if it still runs."""
    ended = record.ended
    return (
        not record.intent.held
        and ended is not None
        and ended.outcome is OutcomeKind.DONE
    )


def objection(
    store: OpenStore, record: LaunchRecord, plan: LaunchPlan, at: LogMoment
) -> str:
    """Why a schedule would not be allowed at a moment; empty: it would be.

    Raises:
        StoreError, PolicyError: what it rests on cannot be read.
    """
    by, intent = record.entry.statement.by, record.intent
    person, subject = at.state.people.get(by), pipeline_subject(plan.pipeline)
    if person is None or not person.holds(
        BuiltInRole.OPERATOR, subject, intent.environment
    ):
        return f"{by}, who let it go, is no operator there any more"
    told = read_commit_told(store.objects.get(intent.evidence))
    judged = judge_launch(
        store, plan, intent.environment, record.requester, record, at, told
    )
    for leaf in judged.tree.leaves():
        if leaf.verdict is not Verdict.YES:
            wanted = f", wanted: {leaf.wanted}" if leaf.wanted else ""
            return f"{leaf.rule}: {leaf.observed}{wanted}"
    return ""


def objection_now(store: OpenStore, record: LaunchRecord, plan: LaunchPlan) -> str:
    """Why a schedule would not be allowed today, by the log as it is; or empty."""
    state = store.state()
    moment = LogMoment(state, state, store.index.size, store.clock())
    return objection(store, record, plan, moment)
