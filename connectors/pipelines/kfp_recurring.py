"""A recurring run of Kubeflow Pipelines held against its plan, field by field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.recurring import RecurringRun
from connectors.pipelines.kfp_planning import BACKEND, sent_by
from connectors.pipelines.kfp_runs import MARK
from connectors.pipelines.kfp_versions import strange_version
from connectors.pipelines.protocols import LaunchPlan, PipelineRun, RunState

_MARKED = re.compile(rf"{MARK} (.{{1,100}}) plan ([0-9a-f]{{64}})")
_LONG_AGO = datetime.fromtimestamp(0, UTC)


def digest_in(one: RecurringRun, launch: str) -> str:
    """The plan that a recurring run says that it is of, if it says that it is of a
    launch; empty: it does not."""
    found = _MARKED.fullmatch(one.description)
    is_of = found is not None and found[1] == launch == one.name
    return found[2] if found is not None and is_of else ""


def shown_alone(launch: str, kept: Sequence[RecurringRun]) -> PipelineRun:
    """Recurring runs of a launch as a run, without their plan."""
    return PipelineRun(
        launch=launch,
        backend=BACKEND,
        pipeline="",
        state=RunState.RUNNING,
        plan_digest=digest_in(kept[0], launch),
        claimed=min(one.created or _LONG_AGO for one in kept),
        told=tuple(("kfp.recurring_run", one.recurring_id) for one in kept),
    )


def differs(api: KfpApi, kept: Sequence[RecurringRun], plan: LaunchPlan) -> str:
    """In what a recurring run is not what its plan says, in words; empty: in nothing.

    Raises:
        ConnectorError: it cannot be told.
    """
    if len(kept) > 1:
        return f"{len(kept)} recurring runs have its marks"
    [one] = kept
    sent = sent_by(plan)
    run, recurring = sent["run"], sent["schedule"]["recurring"]
    account = run.get("service_account") or one.service_account
    compared = {
        "cron": one.cron == recurring["trigger"]["cron_schedule"]["cron"],
        "trigger": not one.is_bounded,
        "max_concurrency": one.most_at_once == recurring["max_concurrency"],
        "no_catchup": not one.catches_up,
        "parameters": dict(one.parameters) == run["runtime_config"]["parameters"],
        "pipeline_root": not one.pipeline_root,
        "service_account": one.service_account == account,
        "plugins_input": not one.has_plugins,
        "mode": one.is_enabled is True,
    }
    wrong = [name for name, is_same in compared.items() if not is_same]
    if wrong:
        return f"its {wrong[0]} is not what its plan says"
    return strange_version(api, one.pipeline_id, one.version_id, plan)
