"""HTTP to an MLflow server or its like: bounded, patient, secretive."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.parsing import parse_json

TIMEOUT_SECONDS = 30.0
LARGEST_ANSWER_BYTES = 256 * 1024**2
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.2
SLOWEST_BYTES_PER_SECOND = 1024
CREDENTIALS_HINT = (
    "Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD, for somebody who may do this."
)
_PIECE_BYTES = 256 * 1024
_TRANSIENT = {429, 500, 502, 503, 504}


T = TypeVar("T")


class Secret:
    """A credential that shows itself to nobody by accident."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


Authorisation = Callable[[], Secret | None]
"""Gives the value of the Authorization header when one is needed."""


def no_authorisation() -> Secret | None:
    """For servers that ask for nothing."""
    return None


def authorisation_from(environment: Mapping[str, str]) -> Authorisation:
    """MLflow's own variables: a token, or a user name and a password."""

    def find() -> Secret | None:
        token = environment.get("MLFLOW_TRACKING_TOKEN")
        if token:
            return Secret(f"Bearer {token}")
        user = environment.get("MLFLOW_TRACKING_USERNAME")
        if user:
            password = environment.get("MLFLOW_TRACKING_PASSWORD", "")
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            return Secret(f"Basic {pair}")
        return None

    return find


class MlflowClient:
    """One MLflow server."""

    def __init__(
        self,
        address: str,
        *,
        authorisation: Authorisation = no_authorisation,
        timeout_seconds: float = TIMEOUT_SECONDS,
        workspace: str = "",
        credentials_hint: str = CREDENTIALS_HINT,
    ) -> None:
        try:
            parts = urlsplit(address)
        except ValueError as cause:
            raise ConnectorRefused(f"{address[:200]!r} is no address") from cause
        if parts.username or parts.password:
            raise ConnectorRefused(
                "an address must not hold a user name or password",
                hint=credentials_hint,
            )
        self.address = address.rstrip("/")
        self._authorisation = authorisation
        self._timeout = timeout_seconds
        self._credentials_hint = credentials_hint
        self._headers = {"X-MLFLOW-WORKSPACE": workspace} if workspace else {}
        self._pool: Any = None

    def in_workspace(self, name: str) -> MlflowClient:
        """The same server, seen from one of its workspaces."""
        return MlflowClient(
            self.address,
            authorisation=self._authorisation,
            timeout_seconds=self._timeout,
            workspace=name,
            credentials_hint=self._credentials_hint,
        )

    def get(
        self, path: str, query: Mapping[str, str | int] | None = None
    ) -> dict[str, Any]:
        """GET a JSON answer below the server's address."""
        found = f"{path}?{urlencode(query)}" if query else path
        return self._json("GET", found, None, is_repeatable=True)

    def search(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """POST a question: like `get`, it changes nothing and may be repeated."""
        return self._json("POST", path, json.dumps(body).encode(), is_repeatable=True)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """POST a change, once, and return the JSON answer."""
        return self._json("POST", path, json.dumps(body).encode(), is_repeatable=False)

    def delete(self, path: str, body: Mapping[str, object]) -> None:
        """DELETE what the body names, once."""
        self._json("DELETE", path, json.dumps(body).encode(), is_repeatable=False)

    def put(self, path: str, body: IO[bytes], size: int) -> None:
        """PUT a file of `size` bytes, once; `path` is quoted here."""
        for _ in self._pieces("PUT", quote(path), body, LARGEST_ANSWER_BYTES, size):
            pass

    def read(
        self, path: str, query: Mapping[str, str] | None = None, *, at_most: int
    ) -> bytes:
        """GET bytes; `path` is quoted here.

        Raises:
            ConnectorRefused: there are more than `at_most`.
        """
        return patiently(lambda: b"".join(self.stream(path, query, at_most=at_most)))

    def stream(
        self, path: str, query: Mapping[str, str] | None = None, *, at_most: int
    ) -> Iterator[bytes]:
        """GET bytes in pieces, once; see `read`."""
        found = quote(path) + (f"?{urlencode(query)}" if query else "")
        yield from self._pieces("GET", found, None, at_most)

    def _json(
        self, method: str, path: str, body: bytes | None, *, is_repeatable: bool
    ) -> dict[str, Any]:
        def once() -> bytes:
            return b"".join(self._pieces(method, path, body, LARGEST_ANSWER_BYTES))

        place = f"the answer of {self.address}{path.partition('?')[0]}"
        value = parse_json(
            (patiently(once) if is_repeatable else once()) or b"{}", place
        )
        if not isinstance(value, dict):
            raise MalformedInput(f"{place} is no JSON object")
        return value

    def _pieces(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None,
        at_most: int,
        size: int | None = None,
    ) -> Iterator[bytes]:
        import urllib3

        if self._pool is None:
            self._pool = urllib3.PoolManager(
                timeout=urllib3.Timeout(total=self._timeout), retries=False
            )
        headers = {"Content-Type": "application/json"} if body else {}
        if size is not None:
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(size),
            }
        headers |= self._headers
        secret = self._authorisation()
        if secret is not None:
            headers["Authorization"] = secret.reveal()
        url = self.address + path
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                preload_content=False,
                redirect=False,
            )
            try:
                if answer.status != 200:
                    raise self._problem(path, answer.status, answer.read1(2000), secret)
                yield from self._bounded(answer, path, at_most)
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, UnicodeError) as cause:
            raise ConnectorUnavailable(
                f"{self.address} does not answer ({type(cause).__name__})",
                hint="Check that the server runs and can be reached from here.",
            ) from cause

    def _bounded(self, answer: Any, path: str, at_most: int) -> Iterator[bytes]:
        """The pieces of an answer that is neither too large nor too slow."""
        size, started = 0, time.monotonic()
        while piece := answer.read1(_PIECE_BYTES, decode_content=True):
            size += len(piece)
            if size > at_most:
                raise ConnectorRefused(f"{path} answered more than {at_most} bytes")
            elapsed = time.monotonic() - started
            if elapsed > self._timeout and size < elapsed * SLOWEST_BYTES_PER_SECOND:
                raise ConnectorUnavailable(
                    f"{self.address} is too slow: {size} bytes in {elapsed:.0f} s"
                )
            yield piece

    def _problem(
        self, path: str, status: int, data: bytes, secret: Secret | None
    ) -> Exception:
        place = f"{self.address}{path.partition('?')[0]}"
        message = f"{place} answered {status}"
        said = data[:300].decode("utf-8", "replace").strip()
        if secret is not None:
            said = said.replace(secret.reveal(), "***")
        if status in _TRANSIENT:
            return ConnectorUnavailable(message, hint="Try again in a moment.")
        if status in (401, 403):
            return ConnectorRefused(
                message,
                hint=self._credentials_hint,
            )
        return ConnectorRefused(f"{message}: {said}" if said else message)


def patiently(call: Callable[[], T]) -> T:
    """Make a call that may be repeated, again after a pause when it gets no answer.

    Raises:
        ConnectorUnavailable: there was no answer to the last attempt either.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return call()
        except ConnectorUnavailable:
            time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return call()
