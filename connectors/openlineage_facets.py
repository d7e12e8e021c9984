"""What is read out of OpenLineage facets; secrets in them never leave this module."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.parsing import without_userinfo

UNVERSIONED = "none:unversioned"
"""Digest of a dataset version that no event tells anything about."""
REDACTED = "***"
LONGEST_VALUE = 100_000
LONGEST_NAME = 256
"""Of a check or a column; a check with a longer one is not told of."""
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?|secret|token|credential|cookie|auth|bearer|dsn"
    r"|(api|access|private|account|signing|encryption|shared)[-_. ]?key"
    r"|connection[-_. ]?string",
    re.IGNORECASE | re.ASCII,
)
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{20,}"
    r"|\bey[0-9A-Za-z_-]{8,}\.ey[0-9A-Za-z_-]{8,}|\bBearer [0-9A-Za-z._~+/-]{8,}"
    r"|(password|passwd|secret|token)=[^&\s]+",
    re.IGNORECASE | re.ASCII,
)
_MOST_SCHEMAS = 1_000
_schema_texts: dict[str, str] = {}
"""Most events repeat a schema; finding its text again is faster than writing it."""
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")


def facet(holder: object, name: str) -> Mapping[str, Any]:
    """A facet of a run, job or dataset, or an empty one."""
    facets = holder.get("facets") if isinstance(holder, dict) else None
    found = facets.get(name) if isinstance(facets, dict) else None
    return found if isinstance(found, dict) else {}


def without_secrets(name: str, value: object) -> str:
    """A value as text, redacted when its name or form is that of a secret."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if _SECRET_NAME.search(name) or _SECRET_VALUE.search(text):
        return REDACTED
    return _USERINFO.sub("", text)[:LONGEST_VALUE]


def is_secret_name(name: str) -> bool:
    """Whether what has this name is likely to be a secret."""
    return _SECRET_NAME.search(name) is not None


def text_without_secrets(text: str) -> str:
    """A text in which what has the form of a secret is redacted."""
    if "PRIVATE KEY" in text.upper():
        return REDACTED
    return _SECRET_VALUE.sub(REDACTED, _USERINFO.sub("", text))


def parameters(run: object) -> Iterator[tuple[str, str]]:
    """Execution parameters, such as hyper-parameters."""
    for entry in _entries(facet(run, "executionParameters").get("parameters")):
        name = str(entry.get("key") or entry.get("name") or "")
        if name:
            yield name, without_secrets(name, entry.get("value"))


def tags(run: object) -> Iterator[tuple[str, str]]:
    """Tags and recorded environment variables, these led by `env:`."""
    for entry in _entries(facet(run, "tags").get("tags")):
        name = str(entry.get("key") or "")
        if name:
            yield name, without_secrets(name, entry.get("value"))
    variables = facet(run, "environmentVariables").get("environmentVariables")
    for entry in _entries(variables):
        name = str(entry.get("name") or "")
        if name:
            yield f"env:{name}", without_secrets(name, entry.get("value"))


def dataset_name(given: Mapping[str, Any]) -> str:
    """The name of a dataset, led by its namespace unless that is just the files'."""
    namespace, name = str(given.get("namespace") or ""), str(given["name"])
    name = without_userinfo(name)
    return name if namespace in ("", "file") else f"{namespace_of(given)}/{name}"


def namespace_of(given: Mapping[str, Any]) -> str:
    """The namespace of a dataset or job, without credentials."""
    return without_userinfo(str(given.get("namespace") or ""))


def version_digest(given: object) -> str:
    """The identity of a snapshot as the version facet tells it."""
    version = facet(given, "version").get("datasetVersion")
    if not isinstance(version, str) or not version:
        return UNVERSIONED
    if re.fullmatch(r"sha256:[0-9a-fA-F]{64}", version):
        return version.lower()
    return f"named:{version}"


def schema_text(given: object) -> str | None:
    """The fields of a dataset as JSON, if the schema facet lists them."""
    fields = facet(given, "schema").get("fields")
    if not fields:
        return None
    told = repr(fields)
    text = _schema_texts.get(told)
    if text is None:
        text = json.dumps(fields, sort_keys=True)
        if len(_schema_texts) >= _MOST_SCHEMAS:
            _schema_texts.clear()
        if len(told) <= LONGEST_VALUE:
            _schema_texts[told] = text
    return text


def assertions(given: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Checks of a dataset by name and column, and whether each passed.

    The specification has them as a facet of an input; producers also write them among
    the facets of the dataset.
    """
    for holder in ("facets", "inputFacets", "outputFacets"):
        found = given.get(holder)
        if not found:
            continue
        found = found.get("dataQualityAssertions") if isinstance(found, dict) else None
        told = found.get("assertions") if isinstance(found, dict) else None
        for entry in _entries(told):
            name = str(entry.get("name") or entry.get("assertion") or "")
            column = str(entry.get("column") or "")
            is_short = max(len(name), len(column)) <= LONGEST_NAME
            if name and is_short and isinstance(entry.get("success"), bool):
                yield name, column, entry["success"]


def _entries(value: object) -> list[dict[str, Any]]:
    return [e for e in value if isinstance(e, dict)] if isinstance(value, list) else []
