"""What a cluster refuses, by the reason it gives.

ConnectorRefused
├── ObjectMissing     there is no such object, or no such resource
├── NameTaken         an object of that name is there already
├── VersionConflict   the object is no longer what the caller saw
├── VersionExpired    the version asked for is no longer kept; list anew
└── NotAllowed        not this identity, or not this action

Nothing here parses messages: the status code and the reason decide. Whatever the server
said is a stranger's text, cut short, and without the credential that was sent.
"""

from __future__ import annotations

import json

from connectors.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from connectors.mlflow.client import Secret

LONGEST_SAID = 300
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class ObjectMissing(ConnectorRefused):
    """There is no such object."""


class NameTaken(ConnectorRefused):
    """An object of that name is there already."""


class VersionConflict(ConnectorRefused):
    """The object is no longer what the caller saw."""


class VersionExpired(ConnectorRefused):
    """The version asked for is no longer kept."""


class NotAllowed(ConnectorRefused):
    """Not this identity, or not this action."""


def problem(
    place: str, status: int, data: bytes, secret: Secret | None = None
) -> ConnectorError:
    """The error that an answer other than yes stands for."""
    reason, said = _told(data)
    if secret is not None:
        said = said.replace(secret.reveal().rpartition(" ")[2], "***")
    message = f"{place} answered {status}"
    if status in TRANSIENT:
        return ConnectorUnavailable(message, hint="Try again in a moment.")
    if said:
        message = f"{message}: {said}"
    if status == 401:
        return NotAllowed(
            f"{place} answered 401",
            hint="The credentials have expired or are wrong. Log in again as you do "
            "for kubectl, and try `kubectl auth whoami`.",
        )
    if status == 403:
        return NotAllowed(
            message,
            hint="docs/kubernetes.md lists the rights that are needed; `kubectl auth "
            "can-i --list` shows those that there are.",
        )
    if status == 404:
        return ObjectMissing(message, hint="Is it the right cluster and namespace?")
    if status == 409:
        kind = NameTaken if reason == "AlreadyExists" else VersionConflict
        return kind(message)
    if status == 410:
        return VersionExpired(message)
    return ConnectorRefused(message)


def _told(data: bytes) -> tuple[str, str]:
    """Reason and message of a Status, or the beginning of whatever it is."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return "", data[:LONGEST_SAID].decode("utf-8", "replace").strip()
    if not isinstance(found, dict):
        return "", ""
    return str(found.get("reason", "")), str(found.get("message", ""))[:LONGEST_SAID]


def unreachable(place: str, cause: BaseException) -> ConnectorUnavailable:
    """Without the cause in the chain: what it shows may hold what was sent."""
    return ConnectorUnavailable(
        f"{place} does not answer ({type(cause).__name__})",
        hint="Can the cluster be reached from here? `kubectl get namespaces` tells.",
    )
