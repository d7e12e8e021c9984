"""What Kubeflow Pipelines tells, parsed: runs and tasks, experiments and versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.kubeflow.client import Json
from connectors.parsing import text_of, well_formed

LONGEST_NAME = 128
LONGEST_ADDRESS = 2000
_PLUGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Touched:
    """An artifact that a task read or wrote."""

    name: str
    artifact_id: str
    uri: str
    """Where it lies; empty: it is told by its id alone."""


@dataclass(frozen=True, slots=True)
class Task:
    """One node of a run's graph, as it stands."""

    task_id: str
    name: str
    state: str
    """A RuntimeState's name; empty: the server does not say."""
    started: datetime | None
    ended: datetime | None
    parent: str
    """Task id of what it is within, or empty."""
    pod: str
    children: tuple[str, ...]
    """Task ids, and names of pods, of what comes after it."""
    error: str
    reads: tuple[Touched, ...]
    writes: tuple[Touched, ...]


@dataclass(frozen=True, slots=True)
class Tracked:
    """The run of a tracking server that a plug-in made for a run."""

    plugin: str
    run_id: str
    url: str
    state: str


@dataclass(frozen=True, slots=True)
class KfpRun:
    """One run as the server shows it."""

    run_id: str
    name: str
    description: str
    state: str
    pipeline_id: str
    version_id: str
    parameters: Mapping[str, object]
    created: datetime | None
    ended: datetime | None
    states: tuple[tuple[str, datetime | None], ...]
    """The states it had, oldest first."""
    error: str
    is_archived: bool
    tasks: tuple[Task, ...]
    tracked: tuple[Tracked, ...]
    recurring_id: str = ""
    """The recurring run that started it; empty: none did."""
    scheduled: datetime | None = None
    """For when it was started."""
    service_account: str = ""
    pipeline_root: str = ""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment."""

    experiment_id: str
    name: str
    description: str
    created: datetime | None
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One pipeline version, with what it runs."""

    version_id: str
    name: str
    spec: Json
    platform: Json
    """What stands beside it for clusters."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a task read or wrote, as the server's own store of artifacts has it."""

    artifact_id: str
    name: str
    type: str
    uri: str


def run_from(raw: Json) -> KfpRun:
    """Parse a run.

    Raises:
        MalformedInput: it is none.
    """
    with well_formed("a run"):
        reference = raw.get("pipeline_version_reference") or {}
        details = raw.get("run_details") or {}
        config = raw.get("runtime_config") or {}
        return KfpRun(
            run_id=_needed(raw, "run_id"),
            name=text_of(raw.get("display_name")),
            description=text_of(raw.get("description")),
            state=text_of(raw.get("state")),
            pipeline_id=text_of(reference.get("pipeline_id")),
            version_id=text_of(reference.get("pipeline_version_id")),
            parameters=dict(config.get("parameters") or {}),
            created=moment(raw.get("created_at")),
            ended=moment(raw.get("finished_at")),
            states=tuple(
                (text_of(one.get("state")), moment(one.get("update_time")))
                for one in raw.get("state_history") or []
            ),
            error=_error(raw),
            is_archived=raw.get("storage_state") == "ARCHIVED",
            tasks=tuple(task_from(one) for one in details.get("task_details") or []),
            tracked=_tracked(raw.get("plugins_output") or {}),
            recurring_id=text_of(raw.get("recurring_run_id")),
            scheduled=moment(raw.get("scheduled_at")),
            service_account=text_of(raw.get("service_account")),
            pipeline_root=text_of(config.get("pipeline_root")),
        )


def task_from(raw: Json) -> Task:
    """Parse a task, of a run's details or of the newer list of tasks.

    Raises:
        MalformedInput: it is none.
    """
    with well_formed("a task"):
        children = [
            text_of(one.get(key))
            for one in raw.get("child_tasks") or []
            for key in ("task_id", "pod_name")
        ]
        return Task(
            task_id=text_of(raw.get("task_id")),
            name=text_of(raw.get("display_name")) or text_of(raw.get("name")),
            state=text_of(raw.get("state") or raw.get("status")),
            # Newer releases make a task only when it begins.
            started=moment(raw.get("start_time", raw.get("create_time"))),
            ended=moment(raw.get("end_time")),
            parent=text_of(raw.get("parent_task_id")),
            pod=text_of(raw.get("pod_name")),
            children=tuple(child for child in children if child),
            error=_error(raw) or _error({"error": raw.get("status_metadata")}),
            reads=_touched(raw.get("inputs") or {}),
            writes=_touched(raw.get("outputs") or {}),
        )


def experiment_from(raw: Json) -> Experiment:
    """Parse an experiment.

    Raises:
        MalformedInput: it is none.
    """
    with well_formed("an experiment"):
        return Experiment(
            _needed(raw, "experiment_id"),
            text_of(raw.get("display_name")),
            text_of(raw.get("description")),
            moment(raw.get("created_at")),
            raw.get("storage_state") == "ARCHIVED",
        )


def version_from(raw: Json) -> Version:
    """Parse a pipeline version.

    Raises:
        MalformedInput: it is none.
    """
    with well_formed("a pipeline version"):
        spec = raw.get("pipeline_spec") or {}
        return Version(
            _needed(raw, "pipeline_version_id"),
            text_of(raw.get("name")) or text_of(raw.get("display_name")),
            dict(spec.get("pipeline_spec") or spec),
            dict(spec.get("platform_spec") or {}),
        )


def artifact_from(raw: Json) -> Artifact:
    """Parse an artifact, as the newer API shows it.

    Raises:
        MalformedInput: it is none.
    """
    with well_formed("an artifact"):
        return Artifact(
            _needed(raw, "artifact_id"),
            text_of(raw.get("name")),
            text_of(raw.get("type")),
            text_of(raw.get("uri"))[:LONGEST_ADDRESS],
        )


def moment(said: object) -> datetime | None:
    """A moment with its zone; the epoch itself stands for none.

    Raises:
        ValueError: it is no moment.
    """
    text = text_of(said)
    if not text:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a moment without a zone")
    return at if at.timestamp() > 0 else None


def _needed(raw: Json, key: str) -> str:
    found = text_of(raw[key])
    if not found:
        raise ValueError(f"{key} is empty")
    return found


def _error(raw: Json) -> str:
    error = raw.get("error") or {}
    return text_of(error.get("message"))


def _touched(told: Any) -> tuple[Touched, ...]:
    """Artifacts in the form of either API: by their ids, or as they are."""
    if isinstance(told.get("artifacts"), list):
        found = [
            (text_of(one.get("artifact_key")), value)
            for one in told["artifacts"]
            for value in one.get("artifacts") or []
        ]
    else:
        found = [
            (name, {"artifact_id": one})
            for name, among in told.items()
            if isinstance(among, dict)
            for one in among.get("artifact_ids") or []
        ]
    return tuple(
        Touched(
            name[:LONGEST_NAME],
            text_of(value.get("artifact_id"))[:LONGEST_NAME],
            text_of(value.get("uri"))[:LONGEST_ADDRESS],
        )
        for name, value in found
    )


def _tracked(plugins: Any) -> tuple[Tracked, ...]:
    found = []
    for plugin, told in plugins.items():
        entries = told.get("entries") or {}
        said = {
            name: one.get("value") if isinstance(one, dict) else one
            for name, one in entries.items()
        }
        run = Tracked(
            text_of(plugin),
            text_of(said.get("root_run_id"))[:LONGEST_NAME],
            text_of(said.get("run_url"))[:LONGEST_ADDRESS],
            text_of(told.get("state")),
        )
        if run.run_id and _PLUGIN.fullmatch(run.plugin):
            found.append(run)
    return tuple(found)
