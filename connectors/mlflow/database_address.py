"""Addresses of databases, as MLflow writes them; a password in one is taken off first.

What is shown and remembered of an address never holds the password, and an address that
cannot be read is not repeated: what is wrong with it may be the password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from connectors.errors import MalformedInput
from connectors.mlflow.client import Secret


class DatabaseKind(StrEnum):
    """The servers that MLflow keeps its tables in."""

    POSTGRES = "postgresql"
    MYSQL = "mysql"


PASSWORD_VARIABLES = {
    DatabaseKind.POSTGRES: "PGPASSWORD",
    DatabaseKind.MYSQL: "MYSQL_PWD",
}
"""Where a password is looked for: the variables of the servers' own clients."""
_SCHEME = re.compile(r"(postgres|postgresql|mysql|mariadb)(\+[a-z0-9_]+)?://", re.I)
_KINDS = {"postgres": DatabaseKind.POSTGRES, "mariadb": DatabaseKind.MYSQL}
_PORTS = {DatabaseKind.POSTGRES: 5432, DatabaseKind.MYSQL: 3306}
_OPTIONS = {
    DatabaseKind.POSTGRES: frozenset(
        {
            "host",
            "sslmode",
            "sslrootcert",
            "sslcert",
            "sslkey",
            "sslcrl",
            "channel_binding",
            "gssencmode",
            "target_session_attrs",
            "passfile",
            "options",
        }
    ),
    DatabaseKind.MYSQL: frozenset(
        {
            "unix_socket",
            "charset",
            "ssl_ca",
            "ssl_cert",
            "ssl_key",
            "ssl_verify_cert",
            "ssl_verify_identity",
        }
    ),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database server is, and as whom it is asked."""

    kind: DatabaseKind
    host: str
    port: int
    user: str
    database: str
    options: Mapping[str, str] = field(default_factory=dict)
    password: Secret | None = None

    @property
    def shown(self) -> str:
        """The place for messages and people: no password, no options."""
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{user}{host}:{self.port}/{self.database}"

    @property
    def default_name(self) -> str:
        """What its source is called unless it is named: the host and the database."""
        host = "localhost" if self.host.startswith("/") else self.host
        return f"{host}-{self.database}".replace(".", "-")


def is_database_address(address: str) -> bool:
    """Whether an address names a database on a server."""
    return _SCHEME.match(address) is not None


def without_password(address: str) -> tuple[str, Secret | None]:
    """An address without the password in it, and that; any other address as it is.

    Raises:
        MalformedInput: it is a database's and cannot be read.
    """
    if not is_database_address(address):
        return address, None
    parts = _split(address)
    user, colon, password = _userinfo(parts)
    if not colon:
        return address, None
    host = parts.netloc.rpartition("@")[2]
    kept = parts._replace(netloc=f"{user}@{host}" if user else host)
    secret = Secret(unquote(password)) if password else None
    return kept.geturl(), secret


def read_address(
    address: str,
    environment: Mapping[str, str],
    password: Secret | None = None,
) -> DatabaseAddress:
    """Where a database is; the password as given, else the address's, else by variable.

    Raises:
        MalformedInput: it cannot be read, or holds an option that is not taken.
    """
    parts = _split(address)
    kind = _kind_of(parts.scheme)
    plain, inside = without_password(address)
    options = _options(parts, kind)
    host, port = parts.hostname or "", parts.port
    host = unquote(options.pop("host", "") or options.get("unix_socket", "") or host)
    found = DatabaseAddress(
        kind,
        host or "localhost",
        port or _PORTS[kind],
        unquote(_userinfo(urlsplit(plain))[0]),
        unquote(parts.path.removeprefix("/")),
        options,
        password or inside or _by_variable(kind, environment),
    )
    told = (found.host, found.user, found.database, *found.options.values())
    if any(_CONTROL.search(text) for text in told) or not found.database:
        raise _unreadable()
    return found


def _by_variable(kind: DatabaseKind, environment: Mapping[str, str]) -> Secret | None:
    value = environment.get(PASSWORD_VARIABLES[kind], "")
    return Secret(value) if value else None


def _kind_of(scheme: str) -> DatabaseKind:
    base = scheme.partition("+")[0].lower()
    return _KINDS.get(base) or DatabaseKind(base)


def _split(address: str) -> SplitResult:
    """The parts of an address; every `@`, `/`, `?` and `#` stands where it should."""
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise _unreadable() from None
    rest = parts.path + parts.query
    is_odd = "@" in rest or parts.fragment or "/" in parts.path[1:] or "#" in address
    if is_odd or port == 0 or "," in host:
        raise _unreadable()
    return parts


def _userinfo(parts: SplitResult) -> tuple[str, str, str]:
    return parts.netloc.rpartition("@")[0].partition(":")


def _options(parts: SplitResult, kind: DatabaseKind) -> dict[str, str]:
    found = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in found:
        if name not in _OPTIONS[kind]:
            secret = "; a password is given by " + PASSWORD_VARIABLES[kind]
            raise MalformedInput(
                f"the address of a database takes no option {name[:40]!r}"
                + (secret if "pass" in name.lower() else ""),
                hint="It takes " + ", ".join(sorted(_OPTIONS[kind])) + ".",
            )
    return found


def _unreadable() -> MalformedInput:
    return MalformedInput(
        "the address of the database cannot be read",
        hint="Write postgresql://USER@HOST:5432/DATABASE or mysql://...; a character "
        "such as @ : / ? # % within a part is written %40 %3A %2F %3F %23 %25",
    )
