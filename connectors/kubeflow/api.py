"""The calls of Kubeflow Pipelines that launching needs, each in its own words.

What an installation may not have (the newer lists of tasks and of artifacts) is asked
for once; where it is not there, that is an answer, and it is not asked for again.
Recurring runs would be calls beside these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from connectors.errors import ConnectorRefused
from connectors.kubeflow.client import BASE, Json, KfpClient, Query, segment
from connectors.kubeflow.objects import (
    Experiment,
    KfpRun,
    Task,
    Version,
    artifact_from,
    experiment_from,
    run_from,
    task_from,
    version_from,
)
from connectors.kubeflow.problems import (
    LoggedOut,
    NameTaken,
    ObjectMissing,
    ServerBroke,
)
from connectors.parsing import text_of, well_formed

PACKAGE_FILE = "pipeline.yaml"
_MOST_UNTOLD = 3
"""After so many artifacts that could not be told of, no more are asked for."""


class KfpApi:
    """One namespace of one installation."""

    def __init__(self, client: KfpClient) -> None:
        self.client = client
        self._namespace = client.endpoint.namespace
        self._has_tasks: bool | None = None
        self._has_artifacts: bool | None = None
        self._addresses: dict[str, str] = {}
        self._untold = 0

    # Experiments

    def experiments(self, part_of_name: str) -> Iterator[Experiment]:
        """The experiments whose names have a part.

        Raises:
            ConnectorError: they could not be listed.
        """
        query = self._query(_filter("display_name", "IS_SUBSTRING", part_of_name))
        for raw in self.client.pages(f"{BASE}/experiments", "experiments", query):
            yield experiment_from(raw)

    def make_experiment(self, name: str, description: str) -> Experiment:
        """Make one; its name is taken only once.

        Raises:
            NameTaken: there is one of that name, perhaps by a lost answer.
            ConnectorError: it was not done, or not known whether.
        """
        body: Json = {"display_name": name, "description": description}
        if self._namespace:
            body["namespace"] = self._namespace
        return experiment_from(
            self.client.repeatable_change(f"{BASE}/experiments", body)
        )

    def experiment_named(self, name: str, description: str) -> Experiment:
        """The experiment of a name, made if there is none.

        Raises:
            ConnectorError: it could not be had.
        """
        found = self._experiment(name)
        if found is not None:
            return found
        try:
            return self.make_experiment(name, description)
        except NameTaken:
            found = self._experiment(name)
            if found is None:
                raise
            return found

    def _experiment(self, name: str) -> Experiment | None:
        # Some databases do not tell upper from lower case, and take either once.
        found = [
            one
            for one in self.experiments(name)
            if one.name.casefold() == name.casefold()
        ]
        return next((one for one in found if one.name == name), next(iter(found), None))

    def hide_experiment(self, experiment_id: str) -> None:
        """Archive one.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        path = f"{BASE}/experiments/{segment(experiment_id)}:archive"
        self.client.repeatable_change(path)

    def drop_experiment(self, experiment_id: str) -> None:
        """Delete one.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        path = f"{BASE}/experiments/{segment(experiment_id)}"
        self.client.change(path, method="DELETE")

    # Pipelines

    def pipeline_id(self, name: str) -> str:
        """The id of a pipeline by its name; empty: there is none.

        Raises:
            ConnectorError: it could not be told.
        """
        query = {"namespace": self._namespace} if self._namespace else {}
        try:
            raw = self.client.get(f"{BASE}/pipelines/names/{segment(name)}", query)
        except ObjectMissing:
            return ""
        with well_formed("a pipeline"):
            return text_of(raw["pipeline_id"])

    def make_pipeline(self, name: str) -> str:
        """Make a pipeline without versions; its id.

        Raises:
            NameTaken: there is one of that name, perhaps by a lost answer.
            ConnectorError: it was not done, or not known whether.
        """
        body: Json = {"name": name, "display_name": name}
        if self._namespace:
            body["namespace"] = self._namespace
        raw = self.client.repeatable_change(f"{BASE}/pipelines", body)
        with well_formed("a pipeline"):
            return text_of(raw["pipeline_id"])

    def version_named(self, pipeline_id: str, name: str) -> Version | None:
        """A version of a pipeline by its name.

        Raises:
            ConnectorError: it could not be told.
        """
        path = f"{BASE}/pipelines/{segment(pipeline_id)}/versions"
        query: Query = {"filter": _filter("name", "EQUALS", name)}
        for raw in self.client.pages(path, "pipeline_versions", query):
            found = version_from(raw)
            if found.name == name:
                return found
        return None

    def version(self, pipeline_id: str, version_id: str) -> Version:
        """A version by its ids.

        Raises:
            ConnectorError: it is not there, or no answer.
        """
        pipeline = f"{BASE}/pipelines/{segment(pipeline_id)}"
        return version_from(
            self.client.get(f"{pipeline}/versions/{segment(version_id)}")
        )

    def upload_version(self, query: Query, package: bytes) -> Version:
        """Upload a package as a version; its name is taken only once.

        Raises:
            NameTaken: there is one of that name, perhaps by a lost answer.
            ConnectorError: it was not done, or not known whether.
        """
        path = f"{BASE}/pipelines/upload_version"
        return version_from(self.client.upload(path, query, PACKAGE_FILE, package))

    # Runs

    def runs(self, key: str, operation: str, value: str) -> Iterator[KfpRun]:
        """The runs that a filter lets through, archived ones too, newest first.

        Raises:
            ConnectorError: they could not be listed.
        """
        query = self._query(_filter(key, operation, value))
        query["sort_by"] = "created_at desc"
        for raw in self.client.pages(f"{BASE}/runs", "runs", query):
            yield run_from(raw)

    def run(self, run_id: str) -> KfpRun:
        """One run with its tasks.

        Raises:
            ConnectorError: it is not there, or no answer.
        """
        return run_from(self.client.get(f"{BASE}/runs/{segment(run_id)}"))

    def start_run(self, body: Json) -> KfpRun:
        """Start a run, once.

        Raises:
            OutcomeUnknown: it was sent, and there is no answer.
            ConnectorError: it was not started.
        """
        return run_from(self.client.change(f"{BASE}/runs", body))

    def terminate_run(self, run_id: str) -> None:
        """Ask a run to end.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        path = f"{BASE}/runs/{segment(run_id)}:terminate"
        self.client.repeatable_change(path)

    def archive_run(self, run_id: str) -> None:
        """Take a run out of the lists that people see.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        self.client.repeatable_change(f"{BASE}/runs/{segment(run_id)}:archive")

    # What an installation may not have

    def tasks(self, run: KfpRun) -> tuple[Task, ...]:
        """The tasks of a run: by the list of them where there is one, else as told
        with the run.

        Raises:
            ConnectorError: they could not be told.
        """
        if self._has_tasks is not False:
            path = f"{BASE}/runs/{segment(run.run_id)}/tasks"
            try:
                found = tuple(map(task_from, self.client.pages(path, "tasks")))
            except ObjectMissing:
                self._has_tasks = False
            else:
                self._has_tasks = True
                return found
        return run.tasks

    def address_of(self, artifact_id: str) -> str:
        """Where an artifact lies, which never changes; empty: this installation does
        not show it. One that a run tells of is there, so that where it is missing
        nothing shows artifacts.

        Raises:
            ConnectorError: it could not be told.
        """
        if self._has_artifacts is False:
            return ""
        if artifact_id not in self._addresses:
            path = f"{BASE}/artifacts/{segment(artifact_id)}"
            found = ""
            try:
                found = artifact_from(self.client.get(path)).uri
                self._has_artifacts = True
            except ObjectMissing:
                self._has_artifacts = self._has_artifacts or False
            except LoggedOut:
                raise
            except (ConnectorRefused, ServerBroke):
                # It may not be read, or is gone from where it lay. The run is shown.
                self._untold += 1
                self._has_artifacts = self._untold < _MOST_UNTOLD
            self._addresses[artifact_id] = found
        return self._addresses[artifact_id]

    def _query(self, filtered: str) -> dict[str, str | int]:
        query: dict[str, str | int] = {"filter": filtered}
        if self._namespace:
            query["namespace"] = self._namespace
        return query


def _filter(key: str, operation: str, value: str) -> str:
    predicate = {"key": key, "operation": operation, "string_value": value}
    return json.dumps({"predicates": [predicate]})
