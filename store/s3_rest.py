"""Reading from S3 by plain signed requests, so that a gate starts without boto3.

Source of the signature: AWS Signature Version 4. Credentials stay in memory; nothing
here prints them.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from store.errors import StoreUnavailable

TIMEOUT_SECONDS = 20.0
_PAUSES_SECONDS = (0.1, 0.4, 1.6)
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_NO_BODY = hashlib.sha256(b"").hexdigest()
LARGEST_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs a request."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said."""

    status: int
    body: bytes
    date: str
    """Its `Date` header."""


class SignedReader:
    """Signed GET requests to one endpoint, one connection a thread."""

    def __init__(
        self, endpoint: str, region: str, credentials: Callable[[], Credentials]
    ) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        self._is_tls = parts.scheme == "https"
        self._host, self._netloc = parts.hostname or "", parts.netloc
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._region = region
        self._credentials = credentials
        self._local = threading.local()

    def get(self, path: str, *, at_most: int) -> Answer:
        """Fetch `/bucket/key`; at most that many bytes and one more are read.

        Retries what is transient, a bounded number of times.

        Raises:
            StoreUnavailable: the service did not answer.
        """
        problem = ""
        for pause in (*_PAUSES_SECONDS, None):
            try:
                answer = self._once(self._base + path, at_most)
                if answer.status not in _TRANSIENT:
                    return answer
                problem = f"it answered {answer.status}"
            except (OSError, http.client.HTTPException) as cause:
                self._drop()
                problem = str(cause) or type(cause).__name__
            if pause is not None:
                time.sleep(pause)
        raise StoreUnavailable(
            f"{self._netloc} does not answer: {problem}",
            hint="Check the network and AWS_ENDPOINT_URL_S3; reading goes on from what "
            "this machine has.",
        )

    def _once(self, path: str, at_most: int) -> Answer:
        connection = self._connection()
        connection.request("GET", path, headers=self._headers(path, datetime.now(UTC)))
        response = connection.getresponse()
        limit = at_most if response.status < 300 else LARGEST_ERROR_BYTES
        body = response.read(limit + 1)
        if not response.isclosed():
            self._drop()
        return Answer(response.status, body, response.getheader("Date", ""))

    def _connection(self) -> http.client.HTTPConnection:
        known: http.client.HTTPConnection | None = getattr(self._local, "open", None)
        if known is None:
            kind = (
                http.client.HTTPSConnection
                if self._is_tls
                else http.client.HTTPConnection
            )
            known = kind(self._host, self._port, timeout=TIMEOUT_SECONDS)
            self._local.open = known
        return known

    def _drop(self) -> None:
        known: http.client.HTTPConnection | None = getattr(self._local, "open", None)
        if known is not None:
            known.close()
            self._local.open = None

    def _headers(self, path: str, now: datetime) -> dict[str, str]:
        credentials = self._credentials()
        headers = {
            "host": self._netloc,
            "x-amz-content-sha256": _NO_BODY,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        signature = sign("GET", path, headers, _NO_BODY, self._region, credentials)
        return headers | {"authorization": signature}


def quoted(path: str) -> str:
    """A path as S3 wants it signed and sent."""
    return urllib.parse.quote(path, safe="/-_.~")


def sign(
    method: str,
    path: str,
    headers: dict[str, str],
    body_sha256: str,
    region: str,
    credentials: Credentials,
) -> str:
    """The `Authorization` header of a request without a query (AWS SigV4).

    `path` is quoted already; `headers` are lower case and hold `x-amz-date`.
    """
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{body_sha256}"
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    key = ("AWS4" + credentials.secret_key).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
