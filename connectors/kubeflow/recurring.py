"""Recurring runs of Kubeflow Pipelines: the calls that keeping a schedule needs.

They are made and looked at, and disabled for good. None is made disabled: one that is
enabled later starts at once what was due while it was not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.errors import ConnectorUnavailable
from connectors.kubeflow.client import BASE, Json, KfpClient, segment
from connectors.kubeflow.objects import KfpRun, moment, run_from
from connectors.parsing import text_of, well_formed

_ENABLED, _DISABLED = "ENABLED", "DISABLED"


@dataclass(frozen=True, slots=True)
class RecurringRun:
    """One recurring run as the server shows it."""

    recurring_id: str
    name: str
    description: str
    pipeline_id: str
    version_id: str
    parameters: Mapping[str, object]
    pipeline_root: str
    service_account: str
    cron: str
    is_bounded: bool
    """Whether it says more of its times: when they begin or end, or a period."""
    most_at_once: str
    catches_up: bool
    has_plugins: bool
    created: datetime | None
    is_enabled: bool | None
    """None: the server says neither."""


class RecurringApi:
    """One namespace of one installation."""

    def __init__(self, client: KfpClient) -> None:
        self._client = client
        self._namespace = client.endpoint.namespace

    def named(self, name: str) -> list[RecurringRun]:
        """Every recurring run of exactly this name: names are not unique.

        Raises:
            ConnectorUnavailable: one of that name cannot be shown.
            ConnectorError: they could not be listed.
        """
        query = self._query("display_name", name)
        found = []
        for raw in self._client.pages(f"{BASE}/recurringruns", "recurringRuns", query):
            if raw.get("error") and not raw.get("display_name"):
                said = text_of(raw.get("recurring_run_id"))[:80]
                raise ConnectorUnavailable(
                    f"Kubeflow Pipelines cannot show its recurring run {said}",
                    hint="Whoever runs Kubeflow Pipelines can tell what is wrong.",
                )
            one = recurring_from(raw)
            found += [one] if one.name == name else []
        return found

    def make(self, body: Json) -> RecurringRun:
        """Make a recurring run, once.

        Raises:
            OutcomeUnknown: it was sent, and there is no answer.
            ConnectorError: it was not made.
        """
        return recurring_from(self._client.change(f"{BASE}/recurringruns", body))

    def disable(self, recurring_id: str) -> None:
        """Have a recurring run start nothing more.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        path = f"{BASE}/recurringruns/{segment(recurring_id)}:disable"
        self._client.repeatable_change(path)

    def started_by(self, recurring_id: str) -> Iterator[KfpRun]:
        """The runs that a recurring run started, newest first, by the server's own
        reference.

        Raises:
            ConnectorError: they could not be listed.
        """
        query = self._query("recurring_run_id", recurring_id)
        query["sort_by"] = "created_at desc"
        for raw in self._client.pages(f"{BASE}/runs", "runs", query):
            run = run_from(raw)
            if run.recurring_id == recurring_id:
                yield run

    def _query(self, key: str, value: str) -> dict[str, str | int]:
        predicate = {"key": key, "operation": "EQUALS", "string_value": value}
        found: dict[str, str | int] = {
            "filter": json.dumps({"predicates": [predicate]})
        }
        if self._namespace:
            found["namespace"] = self._namespace
        return found


def recurring_from(raw: Json) -> RecurringRun:
    """Parse a recurring run.

    Raises:
        MalformedInput: it is none.
    """
    with well_formed("a recurring run"):
        reference = raw.get("pipeline_version_reference") or {}
        config = raw.get("runtime_config") or {}
        trigger = raw.get("trigger") or {}
        cron = trigger.get("cron_schedule") or {}
        bounds = (cron.get("start_time"), cron.get("end_time"))
        if not raw["recurring_run_id"]:
            raise ValueError("recurring_run_id is empty")
        return RecurringRun(
            recurring_id=text_of(raw["recurring_run_id"]),
            name=text_of(raw.get("display_name")),
            description=text_of(raw.get("description")),
            pipeline_id=text_of(reference.get("pipeline_id")),
            version_id=text_of(reference.get("pipeline_version_id")),
            parameters=dict(config.get("parameters") or {}),
            pipeline_root=text_of(config.get("pipeline_root")),
            service_account=text_of(raw.get("service_account")),
            cron=text_of(cron.get("cron")),
            is_bounded=any(map(moment, bounds))
            or bool(trigger.get("periodic_schedule")),
            most_at_once=text_of(raw.get("max_concurrency")),
            catches_up=raw.get("no_catchup") is not True,
            has_plugins=bool(raw.get("plugins_input")),
            created=moment(raw.get("created_at")),
            is_enabled={_ENABLED: True, _DISABLED: False}.get(
                text_of(raw.get("status"))
            ),
        )
