"""A fuzzing loop in plain Python: mutate, run under a tracer, keep what is new.

Coverage is the set of steps from line to line within the packages under test. It is
slow beside a compiled fuzzer, and needs nothing but this interpreter.
"""

from __future__ import annotations

import json
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from tests.conftest import REPOSITORY
from tests.fuzz.targets import verdict

SLOWEST_SECONDS = 2.0
LARGEST_BYTES = 70_000
TOKENS = (
    b'"', b"\\", b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"{", b"}", b"[", b"]",
    b":", b",", b"null", b"true", b"1e9", b"0.1", b"-0", b"NaN", b"9" * 17, b"9" * 400,
    b"\n", b"\n\n", b"\r\n", b"\xef\xbb\xbf", b"\xe2\x80\x94 ", b"\xc2\xb2", b"=",
    b"==", b"+", b"A", b"/", b"..", b"\x00", b"\xff", b"\xe2\x80\xae", b"\x1b]52;",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**53, 2**53 + 1, 10**40, 0.5, "", "x" * 5_000, "\u202e",
    "\x1b[2J", [], {}, [[]], {"": ""}, "0" * 64, "F" * 64, "a" * 63 + "\u0430", "*",
)  # fmt: skip
_Edge = tuple[CodeType, int, int]
_WATCHED = tuple(
    str(REPOSITORY / name) + "/"
    for name in ("policies", "store", "connectors", "console")
)


@dataclass(frozen=True)
class Finding:
    """An input that broke what must hold."""

    target: str
    data: bytes
    problem: str


@dataclass
class Fuzzer:
    """One target, its corpus and what it has covered."""

    target: str
    corpus: list[bytes]
    chance: random.Random
    runs: int = 0
    covered: set[_Edge] = field(default_factory=set)
    findings: dict[str, Finding] = field(default_factory=dict)

    def learn(self) -> None:
        """Run every seed once."""
        for data in list(self.corpus):
            self._try(data)

    def search(self, until: float) -> None:
        """Mutate and run until a moment of time.monotonic."""
        while time.monotonic() < until:
            data = mutated(self.corpus, self.chance)
            if self._try(data):
                self.corpus.append(data)

    def _try(self, data: bytes) -> bool:
        """Run one input; say whether it reached something new."""
        self.runs += 1
        before = len(self.covered)
        started = time.monotonic()
        try:
            with_trace(self._trace_call, lambda: verdict(self.target, data))
        except Exception as problem:
            self._note(data, problem)
        taken = time.monotonic() - started
        if taken > SLOWEST_SECONDS:
            self._keep("slow", data, f"took {taken:.1f} s")
        return len(self.covered) > before

    def _note(self, data: bytes, problem: Exception) -> None:
        frames = traceback.extract_tb(problem.__traceback__)
        place = f"{type(problem).__name__} at {frames[-1].filename}:{frames[-1].lineno}"
        self._keep(place, data, "".join(traceback.format_exception(problem)))

    def _keep(self, place: str, data: bytes, problem: str) -> None:
        known = self.findings.get(place)
        if known is None or len(data) < len(known.data):
            self.findings[place] = Finding(self.target, data, problem)

    def _trace_call(self, frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(_WATCHED):
            return None
        last = frame.f_lineno

        def trace_line(frame: FrameType, event: str, _: object) -> Any:
            nonlocal last
            if event == "line":
                self.covered.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return trace_line

        return trace_line


def with_trace(tracer: Callable[..., Any], action: Callable[[], object]) -> None:
    """Run something under a tracer."""
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        action()
    finally:
        sys.settrace(before)


def mutated(corpus: Sequence[bytes], chance: random.Random) -> bytes:
    """A seed, rather a short one, with a few changes."""
    data = min(chance.choice(corpus), chance.choice(corpus), key=len)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        data = chance.choice(_MUTATIONS)(data, corpus, chance)
    return data[:LARGEST_BYTES]


def _flip(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _insert(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(TOKENS) + data[at:]


def _overwrite(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at, token = chance.randint(0, len(data)), chance.choice(TOKENS)
    return data[:at] + token + data[at + len(token) :]


def _remove(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + data[start + chance.choice((1, 1, 2, 8, 64)) :]


def _repeat(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    part = data[start : start + chance.choice((1, 4, 16, 128))]
    return data[:start] + part * chance.choice((2, 2, 3, 200)) + data[start:]


def _splice(data: bytes, corpus: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(corpus)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _change_value(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    """Another value, or none, or one more, somewhere in a JSON document."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = list(_places(value))
    if not places:
        return data
    holder, key = chance.choice(places)
    match chance.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[f"{key}x"] = holder[key]
        case 2:
            holder[key] = [holder[key]]
        case _:
            holder[key] = chance.choice(ODD_VALUES)
    text = json.dumps(value, ensure_ascii=chance.random() < 0.2, sort_keys=True)
    return text.encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting and len(found) < 500:
        held = waiting.pop()
        if isinstance(held, dict):
            found += [(held, key) for key in held]
            waiting += held.values()
        elif isinstance(held, list):
            found += [(held, position) for position in range(len(held))]
            waiting += held
    return found


_MUTATIONS = (
    _flip, _insert, _overwrite, _remove, _repeat, _splice, _change_value, _change_value,
)  # fmt: skip
