"""How a Kubeflow Pipelines endpoint is reached, and as whom.

A token, a cookie or another header says who asks. Each is read anew for every request,
so that one that is renewed in its file is used at once. None of them shows in a repr.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from connectors.errors import ConnectorRefused
from connectors.mlflow.client import Secret

Credentials = Callable[[], Mapping[str, Secret]]
"""The headers that say who asks, by their names."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,79}")
_OURS = frozenset(
    {"accept", "connection", "content-length", "content-type", "host", "user-agent"}
)


def nobody() -> Mapping[str, Secret]:
    """For endpoints that ask for nothing."""
    return {}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One Kubeflow Pipelines installation, seen from one namespace."""

    address: str
    """What stands before `/apis/v2beta1`."""
    namespace: str = ""
    """Empty where the installation has one user."""
    credentials: Credentials = field(default=nobody, repr=False)
    authority: str = ""
    """File of the authority that signed its certificate; empty: the system's."""

    def headers(self) -> dict[str, str]:
        """What says who asks.

        Raises:
            ConnectorRefused: one of it cannot stand in a header.
        """
        given = self.credentials()
        for name, secret in given.items():
            require_header_name(name)
            if not _is_sendable(secret):
                raise ConnectorRefused(f"the value of the header {name} cannot be sent")
        return {name: secret.reveal() for name, secret in given.items()}

    def tls(self) -> ssl.SSLContext | None:
        """How the server's certificate is checked; None where there is none.

        Raises:
            ConnectorRefused: the authority cannot be read.
        """
        if not self.address.startswith("https://"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.authority or None)
        except (OSError, ValueError) as cause:
            raise ConnectorRefused(
                f"the authority {self.authority} cannot be read "
                f"({type(cause).__name__})"
            ) from cause
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def endpoint(
    address: str,
    *,
    namespace: str = "",
    credentials: Credentials = nobody,
    authority: str = "",
) -> Endpoint:
    """An endpoint at an address that may be spoken to.

    Raises:
        ConnectorRefused: it is none, holds a password, or would not be encrypted.
    """
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError as cause:
        raise ConnectorRefused(f"{address[:200]!r} is no address") from cause
    if parts.username or parts.password:
        raise ConnectorRefused(
            "the address of Kubeflow Pipelines must not hold a user name or password",
            hint='Write token = "env:NAME" or "file:PATH" beside it.',
        )
    if not is_address or parts.query or parts.fragment:
        raise ConnectorRefused(f"{address[:200]!r} is no address of an endpoint")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConnectorRefused(
            f"{address[:200]} would be spoken to without encryption",
            hint="Use https, or a port that is forwarded to this machine: kubectl "
            "port-forward svc/ml-pipeline 8888",
        )
    return Endpoint(address.rstrip("/"), namespace, credentials, authority)


def require_header_name(name: str) -> None:
    """Refuse the name of a header that cannot say who asks.

    Raises:
        ConnectorRefused: it is none, or one that every request has.
    """
    if not _NAME.fullmatch(name) or name.lower() in _OURS:
        raise ConnectorRefused(f"{name[:80]!r} is no header that says who asks")


def _is_sendable(secret: Secret) -> bool:
    return secret.reveal().isascii() and secret.reveal().isprintable()
