"""What a launch prints, read in a thread as it comes, until its screen is left."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from connectors.pipelines.protocols import CanStreamLogs, LogLine
from console.services.problems import KNOWN_ERRORS
from console.widgets.followed_log import MOST_LINES, FollowedLog

_RETRY_SECONDS = 2.0


class LogFollower:
    """Lines of one log on their way to the screen, the newest where there are many."""

    def __init__(self, launch: str) -> None:
        self._launch = launch
        self._come: deque[LogLine | None] = deque(maxlen=MOST_LINES)
        """None: it begins anew."""
        self._is_left = threading.Event()
        self.has_begun = False

    def leave(self) -> None:
        """Let the thread that follows end."""
        self._is_left.set()

    def follow(self, place: CanStreamLogs, miss: Callable[[Exception], None]) -> None:
        """Read until it is over or left; a place that fails is asked again, from the
        beginning."""
        while not self._is_left.is_set():
            self._come.append(None)
            try:
                for line in place.log_lines(
                    self._launch, follow=True, stop=self._is_left.is_set
                ):
                    self._come.append(line)
            except KNOWN_ERRORS as problem:
                miss(problem)
                self._is_left.wait(_RETRY_SECONDS)
            else:
                return

    def put_on(self, shown: FollowedLog) -> None:
        """Put on the screen what has come."""
        lines: list[str] = []
        while self._come:
            line = self._come.popleft()
            if line is None:
                shown.forget()
                lines.clear()
            else:
                lines.append(f"{line.at:%H:%M:%S} {line.step}  {line.text}")
        if lines:
            shown.add(lines)
