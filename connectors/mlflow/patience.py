"""Waiting for a library that has no time-outs of its own, and not for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stalled(Exception):
    """A call did not come back in time."""


class Patience:
    """Makes calls one after the other, each in a thread that is left behind if late.

    While `is_free` is false, nothing that a call works on may be touched: it has not
    come back. The thread that is left does `afterwards` when it does.
    """

    def __init__(self, seconds: float, afterwards: Callable[[], object]) -> None:
        self._seconds = seconds
        self._afterwards = afterwards
        self._deciding = threading.Lock()
        self.is_free = True

    def wait_for(self, call: Callable[[], T]) -> T:
        """What a call returns or raises.

        Raises:
            Stalled: it did not come back.
        """
        results: list[T] = []
        problems: list[BaseException] = []
        is_back, is_late = threading.Event(), threading.Event()

        def work() -> None:
            try:
                results.append(call())
            except BaseException as problem:
                problems.append(problem)
            with self._deciding:
                is_back.set()
            if is_late.is_set():
                self._afterwards()

        self.is_free = False
        threading.Thread(target=work, daemon=True).start()
        try:
            is_back.wait(self._seconds)
        finally:
            with self._deciding:
                self.is_free = is_back.is_set()
                if not self.is_free:
                    is_late.set()
        if not self.is_free:
            raise Stalled(f"no answer in {self._seconds:.0f} s")
        if problems:
            raise problems[0]
        return results[0]
