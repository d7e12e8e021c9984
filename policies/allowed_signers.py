"""OpenSSH's files of allowed signers: whose keys a team trusts for its commits.

Only plain keys that could sign statements are taken; certificates and other kinds of
keys are passed over. Nothing here makes anybody a person of the trust root.

Source: ssh-keygen(1), ALLOWED SIGNERS.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from policies.errors import MalformedStatement
from policies.patterns import matches
from store.errors import MalformedWire
from store.ssh_wire import GIT_NAMESPACE, SshKey, read_key_blob

LARGEST_BYTES = 1024**2
_LONGEST_LINE = 16_384
_OPTION = re.compile(r'([a-z-]+)(?:="([^"]*)")?(,|$)')
_KEY = re.compile(r"(?P<kind>(?:ssh|ecdsa|sk)-[^\s]+)\s+(?P<blob>[A-Za-z0-9+/=]+)")
_LINE = re.compile(
    r'(?P<who>"[^"]*"|[^\s"]+)\s+(?:(?P<options>(?:[^\s"]|"[^"]*")+)\s+)??'
    + _KEY.pattern
    + r"(?:\s.*)?"
)
_TIMES = ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
_KNOWN = frozenset({"cert-authority", "namespaces", "valid-after", "valid-before"})


def read_allowed_signers(data: bytes, now: datetime) -> Mapping[str, str]:
    """Fingerprint of every key that may sign for git now -> whose it is said to be.

    Raises:
        MalformedStatement: a line is none of such a file; it is named by its number.
    """
    if len(data) > LARGEST_BYTES:
        raise MalformedStatement("the file of allowed signers is too large")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as cause:
        raise MalformedStatement("the file of allowed signers is not UTF-8") from cause
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        parts = _LINE.fullmatch(text) if len(text) <= _LONGEST_LINE else None
        options = _options(parts["options"] or "") if parts else None
        if parts is None or options is None:
            raise MalformedStatement(
                f"line {number} is none of a file of allowed signers",
                hint="A line is: PRINCIPALS [OPTIONS] KEYTYPE KEY [COMMENT]",
            )
        key = _key(parts["kind"], parts["blob"])
        if key is not None and _may_sign(options, now, number):
            found.setdefault(key.fingerprint, parts["who"].strip('"'))
    return found


def _options(text: str) -> dict[str, str] | None:
    """The options of a line, or None where they are none."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        option = _OPTION.match(text, at)
        if option is None or option[1] not in _KNOWN or option[1] in found:
            return None
        found[option[1]] = option[2] or ""
        at = option.end()
    return found


def _key(kind: str, blob: str) -> SshKey | None:
    """The key, if it is of a kind that is verified here."""
    try:
        key = read_key_blob(base64.b64decode(blob, validate=True))
    except (MalformedWire, binascii.Error, ValueError):
        return None
    return key if key.kind.value == kind else None


def _may_sign(options: Mapping[str, str], now: datetime, number: int) -> bool:
    """Whether a line allows signatures for git now, by a key and no certificate."""
    if "cert-authority" in options:
        return False
    namespaces = options.get("namespaces", "*").split(",")
    if not any(matches(pattern, GIT_NAMESPACE) for pattern in namespaces):
        return False
    after, before = (_time(options, n, number) for n in ("valid-after", "valid-before"))
    return (after is None or after <= now) and (before is None or now < before)


def _time(options: Mapping[str, str], name: str, number: int) -> datetime | None:
    if name not in options:
        return None
    text = options[name].removesuffix("Z")
    for form in _TIMES:
        if len(text) == len(datetime(2026, 1, 1).strftime(form)):  # noqa: DTZ001 - for its length
            try:
                return datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                break
    raise MalformedStatement(
        f"line {number}: {name} is no time",
        hint="Write it as 20260131 or 202601311200Z.",
    )
