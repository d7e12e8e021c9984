"""What is there now, kept up to date: a list, then a watch from its version on.

Trusted are only a whole list and the events of a stream that ended properly. After
anything else (a stream that broke off, a version that expired, an event that makes no
sense) everything is listed anew. Events may come twice or out of order: of each object
the newest version counts, and of one that was deleted its deletion, until a newer one.
Where nothing can be watched, the list is asked for again and again. Each picture says
when the cluster was last heard of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from connectors.errors import ConnectorError, ConnectorUnavailable, MalformedInput
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.problems import NotAllowed, VersionExpired, problem
from connectors.kubernetes.stream import Stream
from connectors.parsing import parse_json, text_of, well_formed

_LARGEST_EVENT_BYTES = 16 * 1024**2
_FAILURES_BEFORE_POLLING = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds."""

    watch: int = 60
    """The longest that one watch is asked to last."""
    idle: float = 90.0
    """Silence after which a watch is taken for broken."""
    poll: float = 10.0
    """Between two lists where nothing can be watched."""
    relist: float = 600.0
    """After which everything is listed anew, however well the watch goes."""
    first_pause: float = 0.25
    longest_pause: float = 30.0


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known, and since when."""

    objects: Mapping[str, Json]
    """By name."""
    version: str
    heard_at: float
    """On the watcher's clock: when the cluster last confirmed it."""
    is_live: bool
    """Whether changes are heard of as they happen, not by asking again."""
    trouble: ConnectorError | None = None
    """Why it may be out of date; None while all is well."""

    def age(self, now: float) -> float:
        """For how many seconds nothing was heard."""
        return max(0.0, now - self.heard_at)


@dataclass
class _Known:
    """The newest version of each name, and whether it is one of a deletion."""

    objects: dict[str, Json] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    version: str = ""

    def begin(self, found: list[Json], version: str) -> None:
        """Take a whole list for what there is."""
        self.objects = {_name(one): one for one in found}
        self.versions = {_name(one): _version(one) for one in found}
        self.version = version

    def hear(self, kind: str, found: Json) -> bool:
        """Take one event in; whether it changed anything.

        Raises:
            MalformedInput: it makes no sense.
        """
        version = _version(found)
        self.version = str(max(version, int(self.version)))
        if kind == "BOOKMARK":
            return False
        name = _name(found)
        if version <= self.versions.get(name, -1):
            return False
        self.versions[name] = version
        if kind == "DELETED":
            return self.objects.pop(name, None) is not None
        self.objects[name] = found
        return True


class Watcher:
    """One list of one cluster, followed."""

    def __init__(
        self,
        client: KubernetesClient,
        path: str,
        *,
        selector: str = "",
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._path = client, path
        self._query: dict[str, str | int] = (
            {"labelSelector": selector} if selector else {}
        )
        self._pace = pace or Pace()
        self._sleep, self._clock = sleep, clock
        self._known = _Known()
        self._heard_at = float("-inf")
        self._stream: Stream | None = None
        self._has_heard_event = False
        self._is_stopped = False

    def stop(self) -> None:
        """End `pictures`, also from another thread."""
        self._is_stopped = True
        if self._stream is not None:
            self._stream.stop()

    def pictures(self) -> Iterator[Picture]:
        """What there is: at once, after each change, and when trust in it changes.

        Raises:
            ConnectorRefused: it may not be listed, or there is no such resource.
        """
        failures, needs_list, listed_at = 0, True, 0.0
        while not self._is_stopped:
            try:
                if needs_list or self._clock() - listed_at > self._pace.relist:
                    self._list()
                    needs_list, listed_at = False, self._clock()
                    yield self._picture(is_live=failures < _FAILURES_BEFORE_POLLING)
                if failures >= _FAILURES_BEFORE_POLLING:
                    self._sleep(self._pace.poll)
                    needs_list = True
                    failures = 0 if self._can_watch_again() else failures
                    continue
                yield from self._watch()
                failures = 0
            except NotAllowed as refused:
                if not self._known.version:
                    raise
                if needs_list:
                    # It was allowed before: somebody may log in again.
                    failures += 1
                    self._pause(failures)
                else:
                    # It may be listed, but not watched.
                    failures, needs_list = _FAILURES_BEFORE_POLLING, True
                yield self._picture(is_live=False, trouble=refused)
            except VersionExpired:
                needs_list = True
                self._pause(0)
            except (ConnectorUnavailable, MalformedInput) as lost:
                if self._is_stopped:
                    return
                failures = 1 if self._has_heard_event else failures + 1
                needs_list, self._has_heard_event = True, False
                yield self._picture(is_live=False, trouble=lost)
                self._pause(failures - 1)

    def _list(self) -> None:
        found, version = self._client.items(self._path, **self._query)
        with well_formed(f"the list of {self._path}"):
            int(version)
            self._known.begin(found, version)
        self._heard_at = self._clock()

    def _watch(self) -> Iterator[Picture]:
        """Follow one watch to its proper end."""
        stream = self._stream = self._client.stream(
            self._path,
            idle_seconds=self._pace.idle,
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self._known.version,
            timeoutSeconds=self._pace.watch,
            **self._query,
        )
        self._heard_at = self._clock()
        try:
            for line in _lines(stream):
                kind, found = _event(line, self._path)
                if kind == "ERROR":
                    raise _error(found, self._path)
                with well_formed(f"an event of {self._path}"):
                    has_changed = self._known.hear(kind, found)
                self._has_heard_event, self._heard_at = True, self._clock()
                if has_changed or kind == "BOOKMARK":
                    yield self._picture(is_live=True)
                if self._is_stopped:
                    return
        finally:
            stream.close()
        self._heard_at = self._clock()
        yield self._picture(is_live=True)

    def _can_watch_again(self) -> bool:
        """Try a watch of a moment, without believing anything of it."""
        try:
            stream = self._client.stream(
                self._path,
                idle_seconds=self._pace.idle,
                watch="true",
                timeoutSeconds=1,
                resourceVersion=self._known.version,
                **self._query,
            )
            stream.close()
        except ConnectorError:
            return False
        return True

    def _picture(
        self, *, is_live: bool, trouble: ConnectorError | None = None
    ) -> Picture:
        return Picture(
            dict(self._known.objects),
            self._known.version,
            self._heard_at,
            is_live,
            trouble,
        )

    def _pause(self, failures: int) -> None:
        pause = self._pace.first_pause * 2 ** min(failures, 16)
        self._sleep(min(pause, self._pace.longest_pause))


def _lines(stream: Stream) -> Iterator[bytes]:
    """The lines of a stream that ends after a whole one.

    Raises:
        ConnectorUnavailable: it broke off.
        MalformedInput: an event is larger than any object can be.
    """
    waiting = b""
    for piece in stream.pieces():
        *lines, waiting = (waiting + piece).split(b"\n")
        yield from (line for line in lines if line.strip())
        if len(waiting) > _LARGEST_EVENT_BYTES:
            stream.close()
            raise MalformedInput("an event is larger than any object can be")
    if waiting.strip():
        raise ConnectorUnavailable("a watch ended in the middle of an event")


def _event(line: bytes, path: str) -> tuple[str, Json]:
    value = parse_json(line, f"an event of {path}")
    with well_formed(f"an event of {path}"):
        kind, found = text_of(value["type"]), value["object"]
        if kind not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"):
            raise ValueError(f"there is no event {kind!r:.40}")
        if not isinstance(found, dict):
            raise TypeError("an event is about no object")
    return kind, found


def _error(found: Json, path: str) -> ConnectorError:
    """The error that an event tells; one that says nothing known is transient."""
    code = found.get("code")
    if isinstance(code, int) and code in (403, 410):
        return problem(path, code, b"")
    return ConnectorUnavailable(f"the watch of {path} ended with an error")


def _name(found: Json) -> str:
    return text_of(found["metadata"]["name"])


def _version(found: Json) -> int:
    return int(text_of(found["metadata"]["resourceVersion"]))
