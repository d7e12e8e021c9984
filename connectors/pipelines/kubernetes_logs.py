"""What the containers of a job print, in the order in which they begin; bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from connectors.kubernetes.pods import ClusterPods, ContainerStatus, Pod
from connectors.kubernetes.works import Work
from connectors.pipelines.protocols import LogLine

IDLE_SECONDS = 5.0
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d) ")


class JobLog:
    """The log of one job. Asked again, it goes on where it was."""

    def __init__(
        self, pods: ClusterPods, most_bytes: int, stop: Callable[[], bool]
    ) -> None:
        self._pods = pods
        self._left = most_bytes
        self._most = most_bytes
        self._stop = stop
        self._seen: dict[tuple[str, str], int] = {}
        """Lines that each container of each pod has told."""

    def new_lines(self, work: Work, *, follow: bool) -> Iterator[LogLine]:
        """What it printed since it was asked last.

        Raises:
            ConnectorError: it cannot be read.
        """
        steps = [part.set_name for part in work.parts]
        steps += [node.name for node in work.nodes]
        for pod in sorted(self._pods.of(work), key=lambda pod: _begun(pod, steps)):
            for one in pod.statuses:
                is_own = one.name in work.kind.own_containers
                has_begun = one.started is not None or one.exit_status is not None
                if has_begun and not is_own:
                    is_followed = follow and one.exit_status is None
                    yield from self._of(work, pod, one, is_followed)

    def _of(
        self, work: Work, pod: Pod, one: ContainerStatus, follow: bool
    ) -> Iterator[LogLine]:
        key, at = (pod.uid, one.name), one.started or datetime.now(UTC)
        told = self._seen.get(key, 0)
        lines = self._pods.lines(
            work,
            pod,
            most_bytes=self._most,
            container=one.name,
            is_timed=True,
            follow=follow,
            stop=self._stop,
            idle_seconds=IDLE_SECONDS,
        )
        for number, data in enumerate(lines):
            at, text = _split(data, at)
            if number < told:
                continue
            if self._left <= 0:
                return
            self._left -= len(data) + 1
            self._seen[key] = number + 1
            yield LogLine(one.step, "out", at, text.decode("utf-8", "replace"))
            if self._stop():
                return


def _begun(pod: Pod, steps: Sequence[str]) -> tuple[float, int]:
    """When a pod began, and the place of its step among those that began with it."""
    starts = [one.started.timestamp() for one in pod.statuses if one.started]
    step = pod.set_name or pod.step
    place = steps.index(step) if step in steps else len(steps)
    return min(starts, default=float("inf")), place


def _split(data: bytes, before: datetime) -> tuple[datetime, bytes]:
    """A line and its moment; the piece of a long line has that of its beginning."""
    found = _STAMP.match(data)
    if found is None:
        return before, data
    whole, part, zone = (group or b"" for group in found.groups())
    said = (whole + part[:7] + zone.replace(b"Z", b"+00:00")).decode()
    try:
        return datetime.fromisoformat(said), data[found.end() :]
    except ValueError:
        return before, data
