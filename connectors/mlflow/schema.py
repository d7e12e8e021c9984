"""Revisions of MLflow's schema, and what each must hold to be read.

A revision that is not listed is refused: a column that it adds may mean that what is
read here means something else, as `workspace` once did.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from connectors.errors import ConnectorRefused, MalformedInput

REVISIONS = (
    "89d4b8295536",
    "2b4d017a5e9b",
    "cfd24bdc0731",
    "0a8213491aaa",
    "728d730b5ebd",
    "27a6a02d2cf1",
    "84291f40a231",
    "a8c4a736bde6",
    "39d1c3be5f05",
    "c48cb773bb87",
    "bd07f7e963c5",
    "0c779009ac13",
    "cc1f77228345",
    "97727af70f4d",
    "3500859a5d39",
    "7f2a7d5fae7d",
    "2d6e25af4d3e",
    "acf3f17fdcc7",
    "867495a8f9d4",
    "5b0e9adcef9c",
    "4465047574b1",
    "f5a4f2784254",
    "0584bdc529eb",
    "400f98739977",
    "6953534de441",
    "bda7b8c39065",
    "cbc13b556ace",
    "770bee3ae1dd",
    "a1b2c3d4e5f6",
    "de4033877273",
    "1a0cddfcaa16",
    "534353b11cbc",
    "71994744cf8e",
    "3da73c924c2f",
    "bf29a5ff90ea",
    "1bd49d398cd23",
    "b7c8d9e0f1a2",
    "5d2d30f0abce",
    "c9d4e5f6a7b8",
    "2c33131f4dae",
    "d3e4f5a6b7c8",
    "d0e1f2a3b4c5",
    "c8d9e0f1a2b3",
    "1b5f0d9ad7c1",
    "e1f2a3b4c5d6",
    "76601a5f987d",
    "c3d6457b6d8a",
    "a5b4c3d2e1f0",
    "ae8bbe7743c9",
    "7d34483879f0",
    "da6fb0208061",
    "89d3d66ed43f",
    "b7e4c1a90f23",
    "a8b9c0d1e2f3",
    "c1d2e3f4a5b6",
    "c3d9e7f1a2b4",
    "6f8d9c3b2a1e",
    "1971f2d9a75b",
    "17e22815139b",
    "b7e2c1a4d9f3",
    "75868b020152",
    "dc11669786a5",
    "e7d1f4b2a9c6",
    "8b6ad64cb8f5",
    "f4a9b2c7d1e6",
)
"""In MLflow's own order, from 1.3 to 3.18; before them there are no latest metrics."""
NEWEST_RELEASE = "3.18"
_NAMED = {"key", "value", "run_uuid"}
_WANTED = (
    (
        "89d4b8295536",
        {
            "experiments": {"experiment_id", "name"},
            "runs": {"run_uuid", "status", "start_time", "end_time", "experiment_id"},
            "tags": _NAMED,
            "params": _NAMED,
            "latest_metrics": _NAMED | {"timestamp", "step", "is_nan"},
        },
    ),
    (
        "2b4d017a5e9b",
        {
            "registered_models": {"name", "description"},
            "model_versions": {
                "name",
                "version",
                "source",
                "run_id",
                "current_stage",
                "creation_time",
                "status",
            },
        },
    ),
    ("728d730b5ebd", {"registered_model_tags": {"name", "key", "value"}}),
    ("27a6a02d2cf1", {"model_version_tags": {"name", "version", "key", "value"}}),
    ("3500859a5d39", {"registered_model_aliases": {"name", "alias", "version"}}),
    (
        "7f2a7d5fae7d",
        {
            "datasets": {
                "dataset_uuid",
                "name",
                "digest",
                "dataset_source",
                "dataset_schema",
            },
            "inputs": {
                "input_uuid",
                "source_type",
                "source_id",
                "destination_type",
                "destination_id",
            },
            "input_tags": {"input_uuid", "name", "value"},
        },
    ),
    ("acf3f17fdcc7", {"model_versions": {"storage_location"}}),
    ("400f98739977", {"logged_models": {"model_id", "artifact_location"}}),
    (
        "1b5f0d9ad7c1",
        {
            table: {"workspace"}
            for table in (
                "registered_models",
                "model_versions",
                "registered_model_tags",
                "model_version_tags",
                "registered_model_aliases",
            )
        },
    ),
)
"""From which revision on which tables have which of the columns that are read."""
_BY_REST = "Import over REST instead: countersign import http://SERVER"


def check_schema(
    place: str,
    heads: Collection[str],
    columns_of: Callable[[str], Collection[str]],
    *,
    lacking_hint: str = "",
) -> None:
    """Say whether a database of these revisions can be read.

    Raises:
        MalformedInput: it tells of no revision.
        ConnectorRefused: the revision is not known, or lacks what it should hold.
    """
    told = ", ".join(sorted(heads))[:80]
    if not heads:
        raise MalformedInput(
            f"{place} tells of no revision of MLflow's schema",
            hint="Start MLflow on it once, or run: mlflow db upgrade ADDRESS",
        )
    unknown = [head for head in heads if head not in REVISIONS]
    if unknown:
        raise ConnectorRefused(
            f"{place} has a schema that is not known here ({told}); known are those of "
            f"MLflow 1.3 to {NEWEST_RELEASE}",
            hint=f"{_BY_REST}; or upgrade countersign. "
            "If it is from before MLflow 1.3: mlflow db upgrade",
        )
    newest = max(REVISIONS.index(head) for head in heads)
    for since, tables in _WANTED:
        if REVISIONS.index(since) > newest:
            return
        for table, columns in tables.items():
            missing = columns - set(columns_of(table))
            if missing:
                raise ConnectorRefused(
                    f"{place}: table {table} lacks {', '.join(sorted(missing))} "
                    f"(schema {told})",
                    hint=lacking_hint or _BY_REST,
                )
