"""Label selectors (equality and sets) and the field selectors that resources have."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.contract.kubernetes_server.objects import Object, dig
from tests.contract.kubernetes_server.problems import bad_request

Matches = Callable[[Object], bool]

_SET = re.compile(r"^\s*(!)?\s*([^\s=!,()]+)\s*(?:\b(in|notin)\s*\(([^)]*)\))?\s*$")
_EQUALITY = re.compile(r"^\s*([^\s=!,()]+)\s*(==|=|!=)\s*([^\s=!,()]*)\s*$")
_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "status.phase",
        "status.podIP",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "jobs": ("status.successful",),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
}


def by_labels(selector: str) -> Matches:
    """Whether an object's labels fit.

    Raises:
        ApiError: the selector cannot be read.
    """
    wanted = [_requirement(part) for part in _split(selector)]

    def matches(found: Object) -> bool:
        labels = dig(found, "metadata", "labels", default={}) or {}
        return all(fits(labels) for fits in wanted)

    return matches


def _split(selector: str) -> list[str]:
    """The parts between commas, but for those within brackets."""
    parts = re.split(r",(?![^()]*\))", selector)
    return [part for part in parts if part.strip()]


def _requirement(part: str) -> Callable[[dict[str, str]], bool]:
    if found := _EQUALITY.match(part):
        key, sign, value = found.groups()
        if sign == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _SET.match(part):
        negated, key, verb, listed = found.groups()
        values = {one.strip() for one in (listed or "").split(",")}
        if verb == "in":
            return lambda labels: labels.get(key) in values
        if verb == "notin":
            return lambda labels: labels.get(key) not in values
        if negated:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise bad_request(f"unable to parse requirement: {part!r}")


def by_fields(selector: str, plural: str, extra: tuple[str, ...] = ()) -> Matches:
    """Whether an object's fields fit; only fields that the resource names.

    Raises:
        ApiError: the selector cannot be read, or names another field.
    """
    wanted = []
    known = (*_COMMON_FIELDS, *_FIELDS.get(plural, ()), *extra)
    for part in _split(selector):
        found = re.match(r"^\s*([^\s=!]+)\s*(==|=|!=)\s*(.*?)\s*$", part)
        if not found:
            raise bad_request(
                f"invalid selector: '{selector}'; can't understand '{part}'"
            )
        field, sign, value = found.groups()
        if field not in known:
            raise bad_request(f"field label not supported: {field}")
        wanted.append((tuple(field.split(".")), sign != "!=", value))

    def matches(found: Object) -> bool:
        return all(
            (_text(dig(found, *path)) == value) == is_equal
            for path, is_equal, value in wanted
        )

    return matches


def _text(value: object) -> str:
    return "" if value is None else str(value)
