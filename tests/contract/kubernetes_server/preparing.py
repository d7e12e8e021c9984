"""From a body to an object that may be stored: decoding, pruning, defaults, rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.contract.kubernetes_server.built_in_rules import (
    fill_in_built_in,
    problems_of_built_in,
)
from tests.contract.kubernetes_server.cluster import schema_of
from tests.contract.kubernetes_server.definitions import (
    fill_in_definition,
    problems_of_definition,
)
from tests.contract.kubernetes_server.objects import Object
from tests.contract.kubernetes_server.problems import (
    bad_request,
    cause,
    invalid,
    unsupported,
)
from tests.contract.kubernetes_server.requests import Request
from tests.contract.kubernetes_server.resources import Resource
from tests.contract.kubernetes_server.schemas import (
    changed_immutable,
    drop_nulls,
    fill_in,
    problems,
    prune,
)

_SUBDOMAIN = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_MOST_ANNOTATION_BYTES = 256 * 1024


def prepared(found: Object, request: Request) -> Object:
    """An object pruned to its schema, with defaults, not yet held to its rules.

    Raises:
        ApiError: it is of another kind, or says what the request forbids.
    """
    resource = request.resource
    _check_kind(found, resource)
    found.setdefault("metadata", {})
    if not isinstance(found["metadata"], dict):
        raise bad_request("metadata must be an object")
    if not resource.is_custom:
        drop_nulls(found)
        _check_types(found, resource)
    dropped = prune(found, schema_of(resource))
    _report(dropped, request)
    if resource.is_custom:
        fill_in(found, resource.schema)
    elif resource.kind == "CustomResourceDefinition":
        fill_in_definition(found)
    else:
        fill_in_built_in(found)
    return found


def _check_kind(found: Object, resource: Resource) -> None:
    if not resource.is_custom:
        found.setdefault("kind", resource.kind)
        found.setdefault("apiVersion", resource.group_version)
    if not found.get("kind"):
        raise bad_request("Object 'Kind' is missing")
    if found.get("apiVersion") != resource.group_version:
        raise bad_request(
            f"the API version in the data ({found.get('apiVersion')}) does not match "
            f"the expected API version ({resource.group_version})"
        )
    if found["kind"] != resource.kind:
        raise bad_request(
            f"the kind in the data ({found['kind']}) does not match the expected "
            f"kind ({resource.kind})"
        )


def _check_types(found: Object, resource: Resource) -> None:
    """A built-in object is decoded into its type: what does not fit is no request."""
    for problem in problems(found, schema_of(resource)):
        if problem["reason"] == "FieldValueTypeInvalid":
            raise bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled '
                f"as a {resource.kind}: json: cannot unmarshal into Go struct field "
                f"{problem['field']}: {problem['message']}"
            )


def _report(dropped: list[str], request: Request) -> None:
    how = request.query.get("fieldValidation") or "Warn"
    if how not in ("Ignore", "Warn", "Strict"):
        allowed = '"", "Ignore", "Strict", "Warn"'
        raise unsupported(request.options, "fieldValidation", f'"{how}"', allowed)
    said = [f'unknown field "{name}"' for name in dropped]
    if said and how == "Strict":
        resource = request.resource
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: strict decoding error: {', '.join(said)}"
        )
    if how == "Warn":
        request.warnings.extend(said)


def check(found: Object, old: Object | None, resource: Resource) -> None:
    """Hold an object to its schema and its rules.

    Raises:
        ApiError: it is invalid, with every cause.
    """
    causes = list(_problems_of_metadata(found["metadata"]))
    if resource.is_custom:
        causes += problems(found, resource.schema)
        if old is not None and not causes:
            causes += changed_immutable(found, old, resource.schema)
    else:
        causes += problems_of_built_in(found, old)
        if resource.kind == "CustomResourceDefinition":
            causes += problems_of_definition(found)
    if causes:
        raise invalid(
            resource.group, resource.kind, found["metadata"].get("name", ""), causes
        )


def _problems_of_metadata(metadata: Object) -> Iterator[Object]:
    name = metadata.get("name", "")
    if not name:
        message = "Required value: name or generateName is required"
        yield cause("FieldValueRequired", "metadata.name", message)
    elif not _SUBDOMAIN.fullmatch(name) or len(name) > 253:
        message = f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must '
        message += "consist of lower case alphanumeric characters, '-' or '.'"
        yield cause("FieldValueInvalid", "metadata.name", message)
    for key, value in (metadata.get("labels") or {}).items():
        prefix, _, own = key.rpartition("/")
        is_named = _LABEL_NAME.fullmatch(own) and len(own) <= 63
        if not is_named or (prefix and not _SUBDOMAIN.fullmatch(prefix)):
            message = f'Invalid value: "{key}": name part must consist of alphanumeric'
            yield cause("FieldValueInvalid", "metadata.labels", message)
        if not _LABEL_VALUE.fullmatch(value) or len(value) > 63:
            message = f'Invalid value: "{value}": a valid label must be an empty string'
            yield cause("FieldValueInvalid", "metadata.labels", message)
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        prefix, _, own = key.lower().rpartition("/")
        if not _LABEL_NAME.fullmatch(own) or (
            prefix and not _SUBDOMAIN.fullmatch(prefix)
        ):
            message = f'Invalid value: "{key}": name part must consist of alphanumeric'
            yield cause("FieldValueInvalid", "metadata.annotations", message)
    size = sum(len(key) + len(value) for key, value in annotations.items())
    if size > _MOST_ANNOTATION_BYTES:
        message = f"Too long: may not be more than {_MOST_ANNOTATION_BYTES} bytes"
        yield cause("FieldValueTooLong", "metadata.annotations", message)
