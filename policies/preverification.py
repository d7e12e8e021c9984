"""Reading entries and verifying their signatures ahead of the judge, on all cores.

It decides nothing: a judge asks it "does this key's signature over these bytes verify",
which depends on nothing else, so an answer found early is the answer found late.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from policies.dsse import LARGEST_ENVELOPE_BYTES, Envelope, read_envelope
from policies.errors import MalformedStatement
from policies.keys import PublicKey
from policies.statements import Statement, UnknownStatement, read_statement

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

KeysOf = Callable[[str], Iterable[PublicKey]]
"""The keys that somebody's statement may be signed with, as far as is known now."""
_Named = tuple[PublicKey, bytes, bytes]
"""A check by its key, the signature and the signed bytes."""
_FEWEST_ENTRIES = 16
"""Fewer are not worth a thread."""
_SWITCH_SECONDS = 0.0002
"""How long a thread that wants the interpreter waits for one that has it. A check runs
outside it for a tenth of a millisecond; at the usual five the judge would keep the
checking threads waiting forty times as long as they work."""


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """One entry, parsed."""

    envelope: Envelope
    statement: Statement | UnknownStatement


@dataclass(frozen=True, slots=True)
class _Check:
    key: PublicKey
    signature: bytes
    signed_bytes: bytes


class Preverification:
    """Entries read ahead, and signatures being verified, of one log."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = _usable_cores() if threads is None else threads
        self._pool: ThreadPoolExecutor | None = None
        self._read: dict[bytes, ReadEntry] = {}
        self._running: dict[
            tuple[PublicKey, bytes, bytes], tuple[Future[list[bool]], int]
        ]
        self._running = {}
        self._usual_interval: float | None = None

    def prepare(self, entries: Sequence[bytes], keys_of: KeysOf) -> None:
        """Read entries that will be judged next, and begin to verify them.

        What cannot be read is left to the judge, which says why.
        """
        if self._threads < 2 or len(entries) < _FEWEST_ENTRIES:
            return
        checks: list[_Check] = []
        for data in entries:
            read = self._read_ahead(data)
            if read is None or isinstance(read.statement, UnknownStatement):
                continue
            key = _likely_key(read.envelope, keys_of(read.statement.by))
            if key is not None:
                envelope = read.envelope
                checks.append(_Check(key, envelope.signature, envelope.signed_bytes))
        for start in range(0, len(checks), _FEWEST_ENTRIES):
            self._begin(checks[start : start + _FEWEST_ENTRIES])

    def take(self, data: bytes) -> ReadEntry | None:
        """An entry as it was parsed ahead, or None for the judge to read it itself."""
        return self._read.pop(data, None)

    def is_verified(self, key: PublicKey, envelope: Envelope) -> bool:
        """Whether a key made an envelope's signature; found before or now."""
        wanted = (key, envelope.signature, envelope.signed_bytes)
        found = self._running.pop(wanted, None)
        if found is None:
            return key.verifies(envelope.signature, envelope.signed_bytes)
        answers, position = found
        verdict = answers.result()[position]
        if not self._running:
            self._slow_down()
        return verdict

    def close(self) -> None:
        """Stop what is still running and forget what was read."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._slow_down()
        self._read.clear()
        self._running.clear()

    def _slow_down(self) -> None:
        if self._usual_interval is not None:
            sys.setswitchinterval(self._usual_interval)
            self._usual_interval = None

    def _read_ahead(self, data: bytes) -> ReadEntry | None:
        if len(data) > LARGEST_ENVELOPE_BYTES:
            return None
        try:
            read = _parsed(data)
        except MalformedStatement:
            return None
        self._read[data] = read
        return read

    def _begin(self, checks: list[_Check]) -> None:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._threads, "verify")
        if self._usual_interval is None:
            self._usual_interval = sys.getswitchinterval()
            sys.setswitchinterval(min(self._usual_interval, _SWITCH_SECONDS))
        answers = self._pool.submit(_verify_all, checks)
        for position, check in enumerate(checks):
            named = (check.key, check.signature, check.signed_bytes)
            self._running[named] = (answers, position)


def _likely_key(envelope: Envelope, keys: Iterable[PublicKey]) -> PublicKey | None:
    """The key to try ahead: the one hinted at, else the first."""
    known = list(keys)
    hinted = (key for key in known if key.id == envelope.key_hint)
    return next(hinted, known[0] if known else None)


def _usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _parsed(data: bytes) -> ReadEntry:
    envelope = read_envelope(data)
    return ReadEntry(envelope, read_statement(envelope.payload))


def _verify_all(checks: list[_Check]) -> list[bool]:
    return [c.key.verifies(c.signature, c.signed_bytes) for c in checks]
