"""Which columns of MLflow's tables of runs are read, told once for every engine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from connectors.mlflow.engines import Dialect

HAS_RUN = "run_uuid <> ''"


@dataclass(frozen=True, slots=True)
class RunColumns:
    """Select lists over tables of runs; `odd`, where told, marks an unusual row."""

    dialect: Dialect

    def named(self) -> str:
        """Of `params` and `tags`: run, key, value."""
        return _listed(self._own(), self._text("key"), self._text("value"), self._odd())

    def metric(self) -> str:
        """Of `latest_metrics`: run, key, value, ms, step, is_nan."""
        number = self.dialect.odd_number
        odd = ""
        if number:
            known = "NOT coalesce(is_nan, 0)"
            odd = f"({number.format('value')} AND {known}) OR {self._odd_id()} AS odd"
        return _listed(
            self._own(),
            self._text("key"),
            f'{self.dialect.real.format("value")} AS "value"',
            self._whole("timestamp", "ms"),
            self._whole("step"),
            f"{self.dialect.is_nan} AS is_nan",
            odd,
        )

    def dataset(self) -> str:
        """Of `datasets`: id, name, digest, location, schema."""
        return _listed(
            self._text("dataset_uuid", "id"),
            self._text("name"),
            self._text("digest"),
            self._text("dataset_source", "location"),
            self._text("dataset_schema", "schema"),
        )

    def input(self) -> str:
        """Of `inputs`: run, dataset, context; no run: of something else."""
        run, context = (
            self.dialect.text.format(name) for name in ("destination_id", "t.value")
        )
        return _listed(
            "CASE WHEN source_type = 'DATASET' AND destination_type = 'RUN' "
            f"THEN {run} ELSE '' END AS run",
            self._text("source_id", "dataset"),
            f"coalesce((SELECT {context} FROM input_tags t WHERE t.input_uuid = "
            "inputs.input_uuid AND t.name = 'mlflow.data.context'), '') AS context",
        )

    def run(self, there: Collection[str]) -> str:
        """Of `runs`, of which only some schemas know names."""
        experiment = self.dialect.digits.format("experiment_id")
        return _listed(
            self._own(),
            self._odd(),
            f"coalesce({experiment}, '') AS experiment",
            self._text("name") if "name" in there else "'' AS name",
            self._text("user_id", "user"),
            self._text("status"),
            self._whole("start_time", "start_ms"),
            self._whole("end_time", "end_ms"),
            self._text("lifecycle_stage", "lifecycle"),
            self._text("artifact_uri", "location"),
        )

    def _own(self) -> str:
        return self._text("run_uuid", "run")

    def _text(self, column: str, name: str = "") -> str:
        form = self.dialect.text.format(f'"{column}"')
        return f"coalesce({form}, '') AS \"{name or column}\""

    def _whole(self, column: str, name: str = "") -> str:
        form = self.dialect.whole.format(f'"{column}"')
        return f'{form} AS "{name or column}"'

    def _odd_id(self) -> str:
        return self.dialect.odd_id.format("run_uuid")

    def _odd(self) -> str:
        return f"{self._odd_id()} AS odd" if self.dialect.odd_id else ""


def _listed(*columns: str) -> str:
    return ", ".join(column for column in columns if column)
