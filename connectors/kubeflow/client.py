"""HTTP to Kubeflow Pipelines: bounded, patient with questions, careful with changes.

A question is asked again while it is worth it. A change is sent once: where its answer
is lost nobody knows what came of it, and that is what the caller is told. Only what the
server says it did not begin, or what a name makes safe to repeat, is sent again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.kubeflow.access import Endpoint
from connectors.kubeflow.problems import (
    NOTHING_DONE,
    LoggedOut,
    OutcomeUnknown,
    problem,
    unreachable,
)
from connectors.kubernetes.stream import Stream
from connectors.parsing import parse_json, text_of, well_formed

Json = dict[str, Any]
"""One decoded JSON object."""
Query = Mapping[str, str | int]

BASE = "/apis/v2beta1"
LARGEST_PAGE = 200
"""More than this a list does not give at once."""
_JSON = "application/json"
_PROBLEM_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long, how much and how often."""

    connect_seconds: float = 10.0
    answer_seconds: float = 30.0
    whole_seconds: float = 120.0
    answer_bytes: int = 64 * 1024**2
    pages: int = 1000
    attempts: int = 4
    first_pause_seconds: float = 0.25
    longest_wait_seconds: float = 15.0
    """The longest Retry-After that is waited for."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Query
    body: bytes | None = None
    kind: str = _JSON
    is_repeatable: bool = True


class KfpClient:
    """One identity at one endpoint. Constructing it does no input or output."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        bounds: Bounds | None = None,
        sleep: Callable[[float], None] = time.sleep,
        waiting: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.endpoint = endpoint
        self.bounds = bounds or Bounds()
        self.server_time: datetime | None = None
        """What the server last said that the time is."""
        self._sleep = sleep
        self._waiting = waiting
        """Around whatever waits for the server."""
        self._pool: Any = None

    def get(self, path: str, query: Query | None = None) -> Json:
        """GET an object.

        Raises:
            ConnectorError: there is no such object, or no answer.
        """
        return self._patiently(_Request("GET", path, query or {}))

    def pages(self, path: str, key: str, query: Query | None = None) -> Iterator[Json]:
        """The entries of a list under their key, page by page at its ceiling.

        Raises:
            ConnectorError: there is no answer, or no end.
        """
        asked: dict[str, str | int] = {"page_size": LARGEST_PAGE, **(query or {})}
        seen = set[str]()
        for _ in range(self.bounds.pages):
            page = self.get(path, asked)
            with well_formed(f"a page of {path}"):
                found, token = page.get(key) or [], text_of(page.get("next_page_token"))
                if not all(isinstance(one, dict) for one in found):
                    raise TypeError("something other than objects")
            yield from found
            if not token:
                return
            if token in seen:
                raise ConnectorRefused(f"{path} gives the same page again and again")
            seen.add(token)
            asked["page_token"] = token
        raise ConnectorRefused(f"{path} has more than {self.bounds.pages} pages")

    def change(
        self, path: str, body: Json | None = None, *, method: str = "POST"
    ) -> Json:
        """Send a change once.

        Raises:
            OutcomeUnknown: it was sent, and there is no answer.
            ConnectorError: it was not done.
        """
        data = b"" if body is None else json.dumps(body).encode()
        return self._patiently(_Request(method, path, {}, data, is_repeatable=False))

    def repeatable_change(self, path: str, body: Json | None = None) -> Json:
        """Send a change that does no harm when it is done twice, until it is answered.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        data = b"" if body is None else json.dumps(body).encode()
        return self._patiently(_Request("POST", path, {}, data))

    def upload(self, path: str, query: Query, name: str, data: bytes) -> Json:
        """POST a file in a form, as often as needed: its name is taken once.

        Raises:
            NameTaken: it is there, perhaps because an earlier answer was lost.
            ConnectorError: it was not done, or not known whether.
        """
        from urllib3.filepost import encode_multipart_formdata

        body, kind = encode_multipart_formdata({"uploadfile": (name, data)})
        return self._patiently(_Request("POST", path, query, body, kind))

    def close(self) -> None:
        """Leave no connection open."""
        if self._pool is not None:
            self._pool.clear()
        self._pool = None

    def _patiently(self, request: _Request) -> Json:
        with self._waiting():
            return self._repeated(request)

    def _repeated(self, request: _Request) -> Json:
        has_logged_in_again = False
        for attempt in range(self.bounds.attempts):
            is_last = attempt == self.bounds.attempts - 1
            try:
                return self._once(request)
            except _Refused as refused:
                found = refused.problem
                if refused.status == 401 and not has_logged_in_again:
                    has_logged_in_again = True
                    continue
                is_safe = request.is_repeatable or refused.status in NOTHING_DONE
                if not isinstance(found, ConnectorUnavailable):
                    raise found from None
                if not is_safe:
                    raise OutcomeUnknown(str(found)) from None
                if is_last or refused.wait_seconds > self.bounds.longest_wait_seconds:
                    raise found from None
                self._sleep(refused.wait_seconds or self._pause(attempt))
            except _NotBegun as lost:
                if is_last:
                    raise lost.problem from None
                self._sleep(self._pause(attempt))
            except (ConnectorUnavailable, MalformedInput) as lost:
                if not request.is_repeatable:
                    raise OutcomeUnknown(str(lost)) from None
                if is_last or isinstance(lost, MalformedInput):
                    raise
                self._sleep(self._pause(attempt))
        raise ConnectorUnavailable(f"{self.endpoint.address} does not answer")

    def _pause(self, attempt: int) -> float:
        return self.bounds.first_pause_seconds * float(2**attempt)

    def _once(self, request: _Request) -> Json:
        import urllib3

        place = f"{self.endpoint.address}{request.path}"
        found = f"{place}?{urlencode(request.query)}" if request.query else place
        try:
            answer = self._connections().request(
                request.method,
                found,
                body=request.body,
                headers=self._headers(request),
                timeout=urllib3.Timeout(
                    connect=self.bounds.connect_seconds,
                    read=self.bounds.answer_seconds,
                ),
                preload_content=False,
                redirect=False,
            )
        except (
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.ConnectTimeoutError,
        ) as cause:
            raise _NotBegun(unreachable(place, cause)) from None
        except (urllib3.exceptions.HTTPError, UnicodeError) as cause:
            raise unreachable(place, cause) from None
        self._note_time(answer.headers.get("Date", ""))
        if answer.status != 200:
            raise self._refusal(place, answer)
        stream = Stream(place, answer)
        data = stream.read_all(self.bounds.answer_bytes, self.bounds.whole_seconds)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise _Refused(
                LoggedOut(
                    f"{place} answered with a page for people, not for programs",
                    hint="A log-in page? Give the session as a header of the endpoint.",
                ),
                200,
            )
        value = parse_json(data or b"{}", f"the answer of {place}")
        if not isinstance(value, dict):
            raise MalformedInput(f"the answer of {place} is no object")
        return value

    def _headers(self, request: _Request) -> dict[str, str]:
        """What is sent along. Never kept in a variable of a call that can fail: the
        variables of those are shown with an error."""
        own = {"Accept": _JSON, "User-Agent": "countersign"}
        if request.body is not None:
            own["Content-Type"] = request.kind
        return own | self.endpoint.headers()

    def _connections(self) -> Any:
        import urllib3

        if self._pool is None:
            self._pool = urllib3.PoolManager(
                retries=False, ssl_context=self.endpoint.tls()
            )
        return self._pool

    def _refusal(self, place: str, answer: Any) -> _Refused:
        try:
            data = Stream(place, answer).read_all(_PROBLEM_BYTES, 10.0)
        except ConnectorError:
            data = b""
        found = problem(place, answer.status, data, self.endpoint.headers().values())
        wait = answer.headers.get("Retry-After", "")
        is_number = wait.isascii() and wait.isdigit() and len(wait) < 10
        return _Refused(found, answer.status, float(wait) if is_number else 0.0)

    def _note_time(self, said: str) -> None:
        try:
            self.server_time = parsedate_to_datetime(said)
        except ValueError:
            self.server_time = None


class _Refused(Exception):
    """An answer other than yes."""

    def __init__(
        self, found: ConnectorError, status: int, wait_seconds: float = 0.0
    ) -> None:
        super().__init__(str(found))
        self.problem, self.status, self.wait_seconds = found, status, wait_seconds


class _NotBegun(Exception):
    """There was no connection, so nothing was sent."""

    def __init__(self, found: ConnectorUnavailable) -> None:
        super().__init__(str(found))
        self.problem = found


def segment(name: str) -> str:
    """A name as one step of a path, whatever it holds."""
    return quote(name, safe="")
