"""What jobs and datasets of events are called here, without credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.openlineage_secrets import text_without_secrets
from connectors.parsing import without_userinfo

UNVERSIONED = "none:unversioned"
"""Digest of a dataset version that no event tells anything about."""
LONGEST_NAME = 256
"""Of a check, a column or a facet; what has a longer one is not told of."""
_SHA256 = re.compile(r"sha256:[0-9a-fA-F]{64}")


def plain_name(name: str) -> str:
    """A name without credentials."""
    return text_without_secrets(without_userinfo(name))


def namespace_of(given: Mapping[str, Any]) -> str:
    """The namespace of a dataset or job, without credentials."""
    return plain_name(str(given.get("namespace") or ""))


def dataset_name(given: Mapping[str, Any]) -> str:
    """The name of a dataset, led by its namespace unless that is just the files'."""
    return full_name(namespace_of(given), plain_name(str(given["name"])))


def full_name(namespace: str, name: str) -> str:
    """The name that a namespace and a name within it make."""
    return name if namespace in ("", "file") else f"{namespace}/{name}"


def version_digest(version: object) -> str:
    """The identity of a snapshot as the version facet tells it."""
    told = version.get("datasetVersion") if isinstance(version, dict) else None
    if not isinstance(told, str) or not told:
        return UNVERSIONED
    if _SHA256.fullmatch(told):
        return told.lower()
    return f"named:{text_without_secrets(told)}"
