"""Conditions in the status of an object."""

from __future__ import annotations

from tests.contract.kubernetes_server.objects import Object, dig, timestamp


def conditions(found: Object) -> list[Object]:
    """Those that it has."""
    return list(dig(found, "status", "conditions", default=[]))


def has(found: Object, kind: str) -> bool:
    """Whether one is true."""
    return any(
        one["type"] == kind and one["status"] == "True" for one in conditions(found)
    )


def say(found: Object, kind: str, status: str, reason: str, message: str) -> None:
    """Set one; its time is that of the last change."""
    told = found["status"].setdefault("conditions", [])
    had = next((one for one in told if one["type"] == kind), None)
    if had is not None and had["status"] == status:
        return
    said = {
        "type": kind,
        "status": status,
        "lastTransitionTime": timestamp(),
        "reason": reason,
        "message": message,
    }
    told[:] = [one for one in told if one["type"] != kind] + [said]
