"""The model version that a person typed."""

from __future__ import annotations

from console.services.opened import OpenStore
from console.services.problems import Misuse
from store.queries.models import ModelVersion
from store.queries.resolve import resolve_version
from store.references import ReferenceKind, parse_reference


def find_version(store: OpenStore, text: str) -> ModelVersion:
    """The model version that a person typed; `model:` may be left out."""
    reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
    if reference.kind is not ReferenceKind.MODEL:
        raise Misuse(f"{text} is no model version", hint="Write model:NAME@VERSION.")
    store.projection.catch_up()
    with store.projection.reading() as connection:
        return resolve_version(connection, reference)
