"""Events and facets in the forms that OpenLineage 2-0-2 gives them."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from console.reports.openlineage_kept import COLUMNS
from console.version import VERSION
from store.identifiers import split_key

SPECIFICATION = "https://openlineage.io/spec"
PRODUCER = f"https://pypi.org/project/countersign/{VERSION}"
MARKS = {
    "_producer": PRODUCER,
    "_schemaURL": f"{SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/BaseFacet",
}
"""Of a facet that came without."""
_FACETS = {
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "parent": "1-2-0/ParentRunFacet",
    "sourceCodeLocation": "1-1-0/SourceCodeLocationJobFacet",
}
Event = dict[str, Any]


def event_of(at: datetime, definition: str, **parts: object) -> Event:
    """An event of some definition of the specification."""
    return {
        "eventTime": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "producer": PRODUCER,
        "schemaURL": f"{SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/{definition}",
        **parts,
    }


def facet_of(name: str, **parts: object) -> Event:
    """A facet of ours, in the version of its schema that it follows."""
    address = f"{SPECIFICATION}/facets/{_FACETS[name]}.json"
    return {"_producer": PRODUCER, "_schemaURL": address, **parts}


def code_at(commit: str) -> Event:
    """Where code is of which no more than the commit is known."""
    where = f"git:{commit}"
    return facet_of("sourceCodeLocation", type="git", url=where, version=commit)


def job_named(key: str) -> Event:
    """A job as events name it."""
    _, namespace, name = split_key(key)[1]
    return {"namespace": namespace, "name": name}


def uuid_of(key: str) -> str | None:
    """The id of a run, if it is a UUID."""
    try:
        return str(uuid.UUID(hex=split_key(key)[1][1]))
    except (ValueError, IndexError):
        return None


def parent_id(facet: Event) -> str | None:
    """The id of the run that a parent facet names, if it is a UUID."""
    run = facet.get("run")
    told = run.get("runId") if isinstance(run, dict) else None
    return str(uuid.UUID(told)) if isinstance(told, str) and _is_uuid(told) else None


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def side_of(facets: Event) -> str:
    """Where data stands that has no link: what tells of columns was written."""
    return "outputs" if any(name in facets for name in COLUMNS) else "inputs"


def add_facets(holder: Event, facets: Event) -> None:
    """Give facets to a run, a job or a dataset; none is told as none."""
    if facets:
        holder["facets"] = facets


def schema_fields(text: str) -> list[Event] | None:
    """The fields of a schema that an event may hold."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_list = isinstance(fields, list) and all(_is_named(given) for given in fields)
    return fields if is_list else None


def _is_named(given: object) -> bool:
    return isinstance(given, dict) and isinstance(given.get("name"), str)
