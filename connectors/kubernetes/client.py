"""HTTP to one cluster: bounded, patient with what is transient, silent about secrets.

A thin client rather than the official dynamic one: that reads answers of any size,
waits for ever, retries nothing, and caches discovery on the disk. Requests that change
something are repeated like others, because each of them is one that may be: a create
by its name, a patch by the version it is for, a delete by its uid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.kubernetes.access import Access, OpensAccess
from connectors.kubernetes.problems import VersionExpired, problem, unreachable
from connectors.kubernetes.stream import Stream
from connectors.parsing import parse_json, text_of, well_formed

T = TypeVar("T")
Json = dict[str, Any]
"""One decoded JSON object."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
_PROBLEM_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long, how much and how often."""

    connect_seconds: float = 10.0
    answer_seconds: float = 30.0
    """Between two pieces of an answer."""
    whole_seconds: float = 120.0
    """For an answer that is no stream."""
    answer_bytes: int = 64 * 1024**2
    page_size: int = 500
    pages: int = 1000
    attempts: int = 4
    first_pause_seconds: float = 0.25
    longest_wait_seconds: float = 15.0
    """The longest Retry-After that is waited for."""


class KubernetesClient:
    """One identity at one cluster. Constructing it does no input or output."""

    def __init__(
        self,
        opens: OpensAccess,
        *,
        bounds: Bounds | None = None,
        sleep: Callable[[float], None] = time.sleep,
        waiting: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._opens = opens
        self.bounds = bounds or Bounds()
        self._sleep = sleep
        self._waiting = waiting
        """Around whatever waits for the cluster."""
        self._access: Access | None = None
        self._pool: Any = None

    @property
    def access(self) -> Access:
        """Whom we are and where.

        Raises:
            ConnectorRefused: the configuration cannot be used.
        """
        if self._access is None:
            self._access = self._opens()
        return self._access

    def get(self, path: str, **query: str | int) -> Json:
        """GET an object.

        Raises:
            ConnectorError: there is no such object, or no answer.
        """
        return self._json("GET", path, query, None, JSON)

    def pages(self, path: str, **query: str | int) -> Iterator[Json]:
        """GET a list, page by page, each as it was at the same moment.

        Raises:
            VersionExpired: the pages are no longer kept; begin again.
            ConnectorError: there is no answer, or no end.
        """
        token, seen = "", set[str]()
        for _ in range(self.bounds.pages):
            asked: dict[str, str | int] = {"limit": self.bounds.page_size, **query}
            if token:
                asked["continue"] = token
            page = self.get(path, **asked)
            items = page.get("items") or []
            if not isinstance(items, list) or not all(
                isinstance(one, dict) for one in items
            ):
                raise MalformedInput(f"{path} lists something other than objects")
            yield page
            token = _told(page, "continue", path)
            if not token:
                return
            if token in seen:
                raise ConnectorRefused(f"{path} gives the same page again and again")
            seen.add(token)
        raise ConnectorRefused(f"{path} has more than {self.bounds.pages} pages")

    def items(self, path: str, **query: str | int) -> tuple[list[Json], str]:
        """A whole list and the version it is of; begun anew when its pages expire.

        Raises:
            ConnectorError: there is no answer, or no end.
        """
        for attempt in range(self.bounds.attempts):
            found: list[Json] = []
            version = ""
            try:
                for page in self.pages(path, **query):
                    found += page.get("items") or []
                    version = _told(page, "resourceVersion", path)
                return found, version
            except VersionExpired:
                self._pause(attempt)
        raise ConnectorUnavailable(f"the pages of {path} expire before they are read")

    def create(self, path: str, body: Json, *, is_dry: bool = False) -> Json:
        """POST an object; fields that the cluster does not know are refused.

        Raises:
            NameTaken: it is there, perhaps because an earlier answer was lost.
            ConnectorError: it was not done, or not known whether.
        """
        query: dict[str, str | int] = {"fieldValidation": "Strict"}
        query["fieldManager"] = "countersign"
        if is_dry:
            query["dryRun"] = "All"
        return self._json("POST", path, query, _bytes(body), JSON)

    def patch(self, path: str, body: Json) -> Json:
        """Merge a patch that holds the version it is for.

        Raises:
            VersionConflict: the object is another by now.
            ConnectorError: it was not done, or not known whether.
        """
        query: dict[str, str | int] = {"fieldManager": "countersign"}
        return self._json("PATCH", path, query, _bytes(body), MERGE_PATCH)

    def delete(self, path: str, *, uid: str, propagation: str) -> None:
        """DELETE the object with that uid, and none that took its name since.

        Raises:
            ObjectMissing: it is gone.
            VersionConflict: another has its name.
            ConnectorError: it was not done, or not known whether.
        """
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": propagation,
            "preconditions": {"uid": uid},
        }
        self._json("DELETE", path, {}, _bytes(body), JSON)

    def stream(self, path: str, *, idle_seconds: float, **query: str | int) -> Stream:
        """Begin an answer that is read piece by piece, once.

        Raises:
            ConnectorError: it does not begin.
        """
        return self._patiently(
            lambda: self._begin("GET", path, query, None, JSON, idle_seconds)
        )

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: bytes | None,
        kind: str,
    ) -> Json:
        return self._patiently(lambda: self._once(method, path, query, body, kind))

    def _patiently(self, call: Callable[[], T]) -> T:
        with self._waiting():
            return self._repeated(call)

    def _repeated(self, call: Callable[[], T]) -> T:
        """Make a request again while it is worth it, or wait as long as asked to."""
        has_logged_in_again = False
        for attempt in range(self.bounds.attempts):
            is_last = attempt == self.bounds.attempts - 1
            problem: ConnectorError
            try:
                return call()
            except _AskedToWait as asked:
                problem = asked.problem
                if not is_last and not asked.is_too_long:
                    self._sleep(asked.seconds)
                    continue
            except _Unauthorised as refused:
                problem = refused.problem
                if not has_logged_in_again:
                    has_logged_in_again = True
                    self.close()
                    continue
            except ConnectorUnavailable as lost:
                problem = lost
                if not is_last:
                    self._pause(attempt)
                    continue
            raise problem
        raise ConnectorUnavailable(f"{self.access.server} does not answer")

    def _pause(self, attempt: int) -> None:
        self._sleep(self.bounds.first_pause_seconds * 2**attempt)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: bytes | None,
        kind: str,
    ) -> Json:
        seconds = self.bounds.answer_seconds
        stream = self._begin(method, path, query, body, kind, seconds)
        data = stream.read_all(self.bounds.answer_bytes, self.bounds.whole_seconds)
        value = parse_json(data or b"{}", f"the answer of {self._place(path)}")
        if not isinstance(value, dict):
            raise MalformedInput(f"the answer of {self._place(path)} is no object")
        return value

    def _begin(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: bytes | None,
        kind: str,
        idle_seconds: float,
    ) -> Stream:
        import urllib3

        url = f"{self.access.server}{path}"
        timeout = urllib3.Timeout(
            connect=self.bounds.connect_seconds, read=idle_seconds
        )
        try:
            answer = self._connections().request(
                method,
                f"{url}?{urlencode(query)}" if query else url,
                body=body,
                headers=self._headers(kind if body is not None else ""),
                timeout=timeout,
                preload_content=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, UnicodeError) as cause:
            raise unreachable(self._place(path), cause) from None
        if not 200 <= answer.status < 300:
            raise self._refusal(path, answer)
        return Stream(self._place(path), answer)

    def _headers(self, kind: str) -> dict[str, str]:
        """What is sent along. Never kept in a variable of a call that can fail: the
        variables of those are shown with an error."""
        headers = {"Accept": JSON, "User-Agent": "countersign"}
        if kind:
            headers["Content-Type"] = kind
        secret = self.access.authorisation()
        if secret is not None:
            headers["Authorization"] = secret.reveal()
        return headers

    def _connections(self) -> Any:
        import urllib3

        if self._pool is None:
            access = self.access
            settings: dict[str, Any] = {"ssl_context": access.tls, "retries": False}
            if access.server_name:
                settings["server_hostname"] = access.server_name
            self._pool = (
                urllib3.ProxyManager(access.proxy, **settings)
                if access.proxy
                else urllib3.PoolManager(**settings)
            )
        return self._pool

    def _refusal(self, path: str, answer: Any) -> Exception:
        place = self._place(path)
        try:
            data = Stream(place, answer).read_all(_PROBLEM_BYTES, 10.0)
        except (ConnectorUnavailable, ConnectorRefused):
            data = b""
        found = problem(place, answer.status, data, self.access.authorisation())
        if answer.status == 401:
            return _Unauthorised(found)
        wait = answer.headers.get("Retry-After", "")
        is_number = wait.isascii() and wait.isdigit() and len(wait) < 10
        if isinstance(found, ConnectorUnavailable) and is_number:
            is_too_long = int(wait) > self.bounds.longest_wait_seconds
            if is_too_long:
                found.hint = f"The cluster asks to wait {wait} seconds."
            return _AskedToWait(found, float(wait), is_too_long)
        return found

    def _place(self, path: str) -> str:
        return f"{self.access.server}{path}"

    def close(self) -> None:
        """Leave no connection open, and read the configuration again when needed."""
        if self._pool is not None:
            self._pool.clear()
        self._pool = None
        self._access = None


class _AskedToWait(Exception):
    def __init__(
        self, found: ConnectorError, seconds: float, is_too_long: bool
    ) -> None:
        super().__init__(str(found))
        self.problem, self.seconds, self.is_too_long = found, seconds, is_too_long


class _Unauthorised(Exception):
    def __init__(self, found: ConnectorError) -> None:
        super().__init__(str(found))
        self.problem = found


def _told(page: Json, key: str, path: str) -> str:
    with well_formed(f"a page of {path}"):
        return text_of((page.get("metadata") or {}).get(key))


def _bytes(body: Json) -> bytes:
    return json.dumps(body).encode()


def segment(name: str) -> str:
    """A name as one step of a path, whatever it holds."""
    return quote(name, safe="")
