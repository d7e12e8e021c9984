"""Who may send: whoever knows the bearer key, which is given by reference."""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Mapping

from aiohttp import web

from console.server.problems import Handler, RequestProblem
from console.services.problems import Misuse
from console.services.secret_references import LONGEST_SECRET, read_reference

SHORTEST_KEY = 16
OPEN_PATHS = ("/healthz",)
SIGNED_ROUTE = "/api/v1/webhooks/mlflow/{source}"
"""Senders there cannot send a key; each request is signed with a secret instead."""


class BearerKey:
    """A secret that says nothing of itself."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "BearerKey(***)"

    def is_in(self, header: str) -> bool:
        """Whether an Authorization header holds it; takes as long either way."""
        scheme, _, given = header.partition(" ")
        sent = given.strip().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(sent, self._secret) and scheme.lower() == "bearer"


def bearer_key(
    reference: str, environment: Mapping[str, str] = os.environ
) -> BearerKey:
    """The key that `env:NAME` or `file:PATH` refers to.

    Raises:
        Misuse: it is not there, too short, or the reference is the key itself.
    """
    hint = "Give --bearer env:NAME or --bearer file:PATH."
    return BearerKey(referenced_secret(reference, "bearer key", hint, environment))


def referenced_secret(
    reference: str,
    what: str,
    hint: str,
    environment: Mapping[str, str] = os.environ,
) -> bytes:
    """The secret that `env:NAME` or `file:PATH` refers to, without blanks around it.

    Raises:
        Misuse: it is not there, too short, or the reference is the secret itself.
    """
    secret = read_reference(reference, what, hint, environment)
    if not SHORTEST_KEY <= len(secret) <= LONGEST_SECRET:
        raise Misuse(
            f"the {what} in {reference} is missing, or not {SHORTEST_KEY} to "
            f"{LONGEST_SECRET} bytes long",
            hint="Make one: openssl rand -hex 32",
        )
    return secret


def listen_address(given: str, *, has_key: bool) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; beyond this machine only with a key.

    Raises:
        Misuse: it is none, or anybody on the network could write.
    """
    host, _, port = given.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise Misuse(f"{given!r} is no HOST:PORT", hint="Such as 127.0.0.1:8765.")
    if not has_key and not _is_loopback(host):
        raise Misuse(
            f"{host} is reachable by others, and no bearer key was given",
            hint="Give --bearer env:NAME or --bearer file:PATH.",
        )
    return host, int(port)


def only_with(key: BearerKey | None) -> object:
    """A middleware that lets nobody past who does not send the key.

    Health is open to all, and signed routes have a check of their own.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        is_signed = resource is not None and resource.canonical == SIGNED_ROUTE
        if key is not None and request.path not in OPEN_PATHS and not is_signed:
            given = request.headers.getall("Authorization", [])
            if len(given) != 1 or not key.is_in(given[0]):
                raise RequestProblem(
                    401, "a bearer key is asked for here", WWW_Authenticate="Bearer"
                )
        return await handler(request)

    return check


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
