"""Recurring runs: what the API does with them, and the controller that starts runs.

The controller reads six fields, the seconds first, and five as six without the last. It
begins to count when a recurring run was made, whether it was enabled then or not.
"""

from __future__ import annotations

import copy
import uuid
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.contract.kfp_server.installation import Installation, Object, Stored
from tests.contract.kfp_server.lists import page
from tests.contract.kfp_server.problems import INVALID, NOT_FOUND, ApiError
from tests.contract.kubernetes_server.cron import due

if TYPE_CHECKING:
    from tests.contract.kfp_server.calls import Call

_OVER = ("SUCCEEDED", "FAILED", "CANCELED")
_KEYS = {"display_name", "name", "description", "created_at"}
_INPUT = (
    "display_name",
    "description",
    "experiment_id",
    "pipeline_version_reference",
    "runtime_config",
    "trigger",
    "max_concurrency",
    "no_catchup",
    "plugins_input",
)


def make_recurring(here: Installation, call: Call) -> Object:
    """POST recurringruns: the same one any number of times"""
    body = call.body
    reference = body.get("pipeline_version_reference") or {}
    if reference.get("pipeline_version_id", "") not in here.versions:
        raise ApiError(NOT_FOUND, "the pipeline version is not found")
    if not body.get("display_name"):
        raise ApiError(INVALID, "Recurring run name is empty")
    if not 1 <= int(body.get("max_concurrency") or 0) <= 10:
        raise ApiError(INVALID, "max_concurrency must be in range [1, 10]")
    cron = (body.get("trigger") or {}).get("cron_schedule") or {}
    try:
        _due(str(cron.get("cron", "")), here.zone, here.now, here.now)
    except ValueError as cause:
        raise ApiError(INVALID, "Schedule cron is not supported") from cause
    is_enabled = body.get("mode") == "ENABLE"
    made = {
        **{name: body[name] for name in body if name in _INPUT},
        "recurring_run_id": str(uuid.uuid4()),
        "created_at": here.stamp(),
        "updated_at": here.stamp(),
        "mode": "ENABLE" if is_enabled else "DISABLE",
        "status": "ENABLED" if is_enabled else "DISABLED",
        "service_account": body.get("service_account") or "pipeline-runner",
    }
    here.recurring[made["recurring_run_id"]] = made
    return made


def list_recurring(here: Installation, call: Call) -> Object:
    """GET recurringruns"""
    found = list(here.recurring.values())
    if here.namespaces:
        own = call.query.get("namespace", "")
        if own not in here.namespaces:
            raise ApiError(INVALID, "A namespace is required in multi-user mode")
        found = [
            one
            for one in found
            if here.experiments[one["experiment_id"]]["namespace"] == own
        ]
    answer = page(found, "recurringRuns", call.query, _KEYS)
    return {**answer, "recurringRuns": list(map(_shown, answer["recurringRuns"]))}


def get_recurring(here: Installation, call: Call) -> Object:
    """GET recurringruns/ID"""
    return _shown(_known(here, call))


def disable_recurring(here: Installation, call: Call) -> Object:
    """POST recurringruns/ID:disable"""
    _known(here, call).update(mode="DISABLE", status="DISABLED")
    return {}


def enable_recurring(here: Installation, call: Call) -> Object:
    """POST recurringruns/ID:enable"""
    _known(here, call).update(mode="ENABLE", status="ENABLED")
    return {}


def drop_recurring(here: Installation, call: Call) -> Object:
    """DELETE recurringruns/ID"""
    _known(here, call)
    del here.recurring[call.ids[0]]
    return {}


def tick(here: Installation) -> list[str]:
    """Look at every recurring run once; the ids of the runs that were started."""
    started = []
    with here.lock:
        for one in here.recurring.values():
            at = _next(here, one)
            if at is not None:
                started.append(start(here, one, at).told["run_id"])
    return started


def start(
    here: Installation, recurring: Object, at: datetime, **other: object
) -> Stored:
    """A run of a recurring run, as its controller makes it but for what is said."""
    number = int(recurring.get("_index", 0)) + 1
    recurring["_index"] = number
    name = f"{recurring['display_name'].lower()[:25]}x7k2p-{number}"
    body: Object = {
        "display_name": f"{name}-{zlib.crc32(name.encode())}",
        **{
            key: copy.deepcopy(recurring[key])
            for key in (
                "experiment_id",
                "pipeline_version_reference",
                "runtime_config",
                "service_account",
            )
            if key in recurring
        },
        **other,
    }
    told = here.add_run(body)
    run = here.runs[told["run_id"]]
    run.spec = copy.deepcopy(run.spec)
    run.told["recurring_run_id"] = recurring["recurring_run_id"]
    run.told["scheduled_at"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    recurring["_last"] = at
    return run


def _next(here: Installation, one: Object) -> datetime | None:
    """For when to start something now; None: for nothing."""
    active = [
        run
        for run in here.runs.values()
        if run.told.get("recurring_run_id") == one["recurring_run_id"]
        and run.told["state"] not in _OVER
    ]
    if one["status"] != "ENABLED" or len(active) >= int(one["max_concurrency"]):
        return None
    made = datetime.fromisoformat(one["created_at"])
    cron = one["trigger"]["cron_schedule"]["cron"]
    times = _due(cron, here.zone, one.get("_last", made), here.now)
    if not times:
        return None
    return times[-1] if one.get("no_catchup") else times[0]


def _due(cron: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    fields = cron.split(" ")
    if len(fields) == 5:
        fields.append("*")
    if len(fields) != 6 or not fields[0].isdigit():
        raise ValueError("expected 5 to 6 fields")
    if until <= after:
        due(" ".join(fields[1:]), zone, until, until)
    return due(" ".join(fields[1:]), zone, after, until)


def _shown(one: Object) -> Object:
    return {key: value for key, value in one.items() if not key.startswith("_")}


def _known(here: Installation, call: Call) -> Object:
    if call.ids[0] not in here.recurring:
        raise ApiError(NOT_FOUND, f"Recurring run {call.ids[0]} not found")
    return here.recurring[call.ids[0]]
