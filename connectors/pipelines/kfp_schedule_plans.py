"""From the plan of a run of Kubeflow Pipelines to that of a recurring run, and back.

What is decided stands in what is sent: the run, its times, how many may go on at once.
The zone stands beside it, because an installation has one for all that it keeps.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubeflow.packages import read_package
from connectors.parsing import text_of, well_formed
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.kfp_planning import (
    BACKEND,
    package_of,
    plan_package,
    planned_steps,
    sent_by,
)
from connectors.pipelines.kfp_times import AT_ONCE, kept_cron, kept_times, require_kept
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, Times

_ENABLE = "ENABLE"
_BEFORE_A_LEAP_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def plan_recurring(
    request: LaunchRequest, place: str, context: str, service_account: str, zone: str
) -> LaunchPlan:
    """The plan of a schedule of a package file.

    Raises:
        ConnectorRefused: what was asked for cannot be kept to there.
        MalformedInput: the package, or the times, are none.
    """
    times = request.times
    if times is None:
        raise MalformedInput("a schedule has times", hint='--cron "0 3 * * *"')
    require_kept(times, zone)
    if cron_times(times.cron, times.time_zone).after(_BEFORE_A_LEAP_DAY) is None:
        raise ConnectorRefused(
            f"{times.cron} never comes, and its controller would look for it for ever",
            hint="Which day of the month has that month?",
        )
    once = replace(request, times=None)
    plan = plan_package(once, place, context, service_account)
    recurring = {
        "trigger": {"cron_schedule": {"cron": kept_cron(times)}},
        "max_concurrency": AT_ONCE[times.overlap],
        "no_catchup": True,
        "mode": _ENABLE,
    }
    sent = sent_by(plan) | {"schedule": {"recurring": recurring, "time_zone": zone}}
    lines = json.dumps(sent, indent=1, sort_keys=True).split("\n")
    planned = replace(plan, manifest=tuple(lines))
    times_of(planned)
    return read_plan(planned.to_bytes())


def is_schedule(plan: LaunchPlan) -> bool:
    """Whether what a plan sends is started again and again, by what it sends itself.

    Raises:
        MalformedInput: what it sends cannot be read, so that nobody can tell.
    """
    return plan.backend == BACKEND and "schedule" in sent_by(plan)


def times_of(plan: LaunchPlan) -> Times:
    """When a planned schedule is due.

    Raises:
        ConnectorRefused: it is none.
        MalformedInput: it says others than times can say.
    """
    if not is_schedule(plan):
        raise ConnectorRefused("the plan holds no schedule")
    with well_formed("the schedule of the plan"):
        said = sent_by(plan)["schedule"]
        recurring = said["recurring"]
        cron = text_of(recurring["trigger"]["cron_schedule"]["cron"])
        most, zone = text_of(recurring["max_concurrency"]), text_of(said["time_zone"])
        times = kept_times(cron, most, zone)
        whole = {
            "recurring": {
                "trigger": {"cron_schedule": {"cron": cron}},
                "max_concurrency": most,
                "no_catchup": True,
                "mode": _ENABLE,
            },
            "time_zone": zone,
        }
        if said != whole:
            raise ValueError("other fields")
    return times


def contradiction_of(plan: LaunchPlan) -> str:
    """What in a plan for Kubeflow Pipelines says otherwise than it would send; empty:
    nothing that is known here.

    Raises:
        MalformedInput: what it would send cannot be read.
        ConnectorRefused: nobody can tell what that would run.
    """
    if is_schedule(plan):
        times_of(plan)
    package = read_package(package_of(plan), "the package of the plan")
    unnamed = sorted(set(package.images) - set(plan.images))
    if unnamed:
        return f"it would run the image {unnamed[0][:200]}, which it does not name"
    with well_formed("what the plan sends"):
        values = dict(sent_by(plan)["run"]["runtime_config"]["parameters"])
    if planned_steps(package, values) != plan.steps:
        return "its steps or their parameters are not those of what it would send"
    return ""
