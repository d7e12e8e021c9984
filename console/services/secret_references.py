"""Secrets by reference: `env:NAME` or `file:PATH`, never the secret itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from connectors.mlflow.client import Secret
from console.services.configuration import SourceSetting
from console.services.problems import Misuse

LONGEST_SECRET = 4096
_HINT = 'password = "env:NAME" or "file:PATH"'


def read_reference(
    reference: str,
    what: str,
    hint: str,
    environment: Mapping[str, str] = os.environ,
) -> bytes:
    """What a reference refers to, without blanks around it; empty if that is not set.

    Raises:
        Misuse: it cannot be read, is too long, or is no reference.
    """
    kind, _, place = reference.partition(":")
    if kind == "env" and place:
        secret = environment.get(place, "").encode("utf-8", "surrogateescape")
    elif kind == "file" and place:
        try:
            with open(Path(place).expanduser(), "rb") as stream:
                secret = stream.read(LONGEST_SECRET + 1)
        except OSError as cause:
            raise Misuse(
                f"cannot read the {what} in {place}: {cause.strerror}"
            ) from cause
    else:
        raise Misuse(f"a {what} is given by reference, never itself", hint=hint)
    if len(secret) > LONGEST_SECRET:
        raise Misuse(f"the {what} in {kind}:{place} is too long", hint=hint)
    return secret.strip()


def password_of(
    setting: SourceSetting, environment: Mapping[str, str] = os.environ
) -> Secret | None:
    """The password that a source's settings refer to, if they do.

    Raises:
        Misuse: it is not there.
    """
    if not setting.password:
        return None
    found = read_reference(setting.password, "password", _HINT, environment)
    if not found:
        raise Misuse(f"the password in {setting.password} is missing")
    try:
        return Secret(found.decode("utf-8"))
    except UnicodeDecodeError:
        raise Misuse(f"the password in {setting.password} is not UTF-8") from None
