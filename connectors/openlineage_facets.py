"""What is read out of OpenLineage facets, which come without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.openlineage_names import LONGEST_NAME
from connectors.openlineage_secrets import without_secrets


def facet(holder: object, name: str) -> Mapping[str, Any]:
    """A facet of a run, job or dataset, or an empty one."""
    facets = holder.get("facets") if isinstance(holder, dict) else None
    found = facets.get(name) if isinstance(facets, dict) else None
    return found if isinstance(found, dict) else {}


def parameters(run: object) -> Iterator[tuple[str, str]]:
    """Execution parameters, such as hyper-parameters."""
    for entry in entries(facet(run, "executionParameters").get("parameters")):
        name = str(entry.get("key") or entry.get("name") or "")
        if name:
            yield name, without_secrets(name, entry.get("value"))


def tags(run: object) -> Iterator[tuple[str, str]]:
    """Tags and recorded environment variables, these led by `env:`."""
    for entry in entries(facet(run, "tags").get("tags")):
        name = str(entry.get("key") or "")
        if name:
            yield name, without_secrets(name, entry.get("value"))
    variables = facet(run, "environmentVariables").get("environmentVariables")
    for entry in entries(variables):
        name = str(entry.get("name") or "")
        if name:
            yield f"env:{name}", without_secrets(name, entry.get("value"))


def schema_text(schema: object) -> str | None:
    """The fields of a dataset as JSON, if the schema facet lists them."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return json.dumps(fields, sort_keys=True) if fields else None


def assertions(told: object) -> Iterator[tuple[str, str, bool]]:
    """Checks of a dataset by name and column, and whether each passed.

    The specification has them as a facet of an input; producers also write them among
    the facets of the dataset.
    """
    found = told.get("assertions") if isinstance(told, dict) else None
    for entry in entries(found):
        name = str(entry.get("name") or entry.get("assertion") or "")
        column = str(entry.get("column") or "")
        is_short = max(len(name), len(column)) <= LONGEST_NAME
        if name and is_short and isinstance(entry.get("success"), bool):
            yield name, column, entry["success"]


def entries(value: object) -> list[dict[str, Any]]:
    """The objects in a list, and none of what is no list."""
    return [e for e in value if isinstance(e, dict)] if isinstance(value, list) else []
