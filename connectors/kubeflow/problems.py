"""What Kubeflow Pipelines refuses, by status and by google.rpc code.

ConnectorRefused
├── ObjectMissing     there is no such object, or no such method
├── NameTaken         something of that name is there already
└── NotAllowed        not this identity, or not this action
    └── LoggedOut     it asks who you are
ConnectorUnavailable
├── ServerBroke       it says that it could not do it
└── OutcomeUnknown    it was sent, and nobody knows what came of it

Nothing here parses messages. Whatever the server said is a stranger's text, cut short,
and without the credentials that were sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from connectors.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable

LONGEST_SAID = 300
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
NOTHING_DONE = frozenset({425, 429})
"""Transient, and said before anything is done."""
_ALREADY_EXISTS = 6
_UNTOLD = 0
_SHORTEST_HIDDEN = 4


class ObjectMissing(ConnectorRefused):
    """There is no such object, or no such method."""


class NameTaken(ConnectorRefused):
    """Something of that name is there already."""


class NotAllowed(ConnectorRefused):
    """Not this identity, or not this action."""


class LoggedOut(NotAllowed):
    """It asks who you are."""


class ServerBroke(ConnectorUnavailable):
    """It says that it could not do it, which may be so for good."""


class OutcomeUnknown(ConnectorUnavailable):
    """A change was sent, and nobody knows what came of it."""


def problem(
    place: str, status: int, data: bytes, hidden: Iterable[str] = ()
) -> ConnectorError:
    """The error that an answer other than yes stands for."""
    code, said = _told(data)
    for secret in hidden:
        for part in {secret, *secret.split(" "), secret.rpartition("=")[2]}:
            if len(part) >= _SHORTEST_HIDDEN:
                said = said.replace(part, "***")
    said = " ".join(said.split())[:LONGEST_SAID]
    message = f"{place} answered {status}"
    if code == _ALREADY_EXISTS or (status == 409 and code == _UNTOLD):
        return NameTaken(
            f"{message}: something of that name is there already",
            hint="If no list shows it, it was begun and not finished there. Whoever "
            "runs Kubeflow Pipelines can take it away.",
        )
    if status in TRANSIENT:
        # Most of what Kubeflow Pipelines refuses it tells as a fault of its own.
        is_told = status == 500 and code != _UNTOLD
        return (ServerBroke if is_told else ConnectorUnavailable)(
            f"{message}: {said}" if said else message, hint="Try again in a moment."
        )
    if 300 <= status < 400 or status == 401:
        return LoggedOut(
            f"{message}: it asks who you are",
            hint="The credentials are missing, wrong or have expired. A new token: "
            "kubectl create token NAME --audience pipelines.kubeflow.org",
        )
    if said:
        message = f"{message}: {said}"
    if status == 403:
        return NotAllowed(
            message,
            hint="Kubeflow asks the cluster whether you may, by the resources of "
            "pipelines.kubeflow.org. Is the namespace yours?",
        )
    if status in (404, 405, 501):
        return ObjectMissing(message, hint="Is it the right address and namespace?")
    return ConnectorRefused(message)


def _told(data: bytes) -> tuple[int, str]:
    """Code and message of a google.rpc.Status; or the message, without a code, of what
    the routes for files answer; or nothing of whatever else it is."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return _UNTOLD, ""
    if not isinstance(found, dict):
        return _UNTOLD, ""
    code = found.get("code")
    said = found.get("message") or found.get("error_message")
    return (
        code if isinstance(code, int) else _UNTOLD,
        said if isinstance(said, str) else "",
    )


def unreachable(place: str, cause: BaseException) -> ConnectorUnavailable:
    """Without the cause in the chain: what it shows may hold what was sent."""
    return ConnectorUnavailable(
        f"{place} does not answer ({type(cause).__name__})",
        hint="Can Kubeflow Pipelines be reached from here?",
    )
