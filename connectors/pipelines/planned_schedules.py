"""Whether a plan is one of a schedule, and when that is due, wherever it is for."""

from __future__ import annotations

from connectors.pipelines import kfp_schedule_plans, kubernetes_cron
from connectors.pipelines.protocols import LaunchPlan, Times


def is_schedule(plan: LaunchPlan) -> bool:
    """Whether what a plan sends is started again and again, by what it sends itself.

    Raises:
        MalformedInput: what it sends cannot be read, so that nobody can tell.
    """
    return kubernetes_cron.is_schedule(plan) or kfp_schedule_plans.is_schedule(plan)


def times_of(plan: LaunchPlan) -> Times:
    """When a planned schedule is due.

    Raises:
        ConnectorRefused: it is none, or says more than times can say.
        MalformedInput: it cannot be told from what it sends.
    """
    if kfp_schedule_plans.is_schedule(plan):
        return kfp_schedule_plans.times_of(plan)
    return kubernetes_cron.times_of(plan)
