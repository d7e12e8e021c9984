"""A proxy before an S3 service that loses answers, delays them and says no."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from enum import StrEnum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Fault(StrEnum):
    """What happens to one request."""

    LOSE_ANSWER = auto()
    """The service does it, and the connection breaks before anybody is told."""
    RESET = auto()
    """The connection breaks before the service hears of it."""
    SLOW_DOWN = auto()
    CONFLICT = auto()
    EXPIRED_TOKEN = auto()
    SKEWED = auto()
    NOT_S3 = auto()


_ANSWERS = {
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.CONFLICT: (409, "ConditionalRequestConflict"),
    Fault.EXPIRED_TOKEN: (400, "ExpiredToken"),
    Fault.SKEWED: (403, "RequestTimeTooSkewed"),
}


@dataclass
class FaultyService:
    """Where the proxy listens, and what it does to the next requests."""

    endpoint: str = ""
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    """Method and fault, each for one request, in order."""
    seen: list[str] = field(default_factory=list)
    has_policy: bool = False
    """Whether it holds to the bucket policy that the documentation asks for."""
    is_read_only: bool = False
    seconds_off: int = 0
    """How far its clock is from this machine's."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def forbids(self, method: str, path: str, headers: Message) -> bool:
        if method != "GET" and self.is_read_only:
            return True
        if not self.has_policy:
            return False
        is_bare = method == "PUT" and "if-none-match" not in headers
        return method == "DELETE" or (is_bare and "/entry/" in path)

    def next_fault(self, method: str) -> Fault | None:
        with self.lock:
            self.seen.append(method)
            if self.faults and self.faults[0][0] == method:
                return self.faults.pop(0)[1]
        return None


@contextlib.contextmanager
def faulty(upstream: str) -> Iterator[FaultyService]:
    """A proxy before `upstream`; the signed Host header goes through as it came."""
    service, target = FaultyService(), urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._relay()

        def do_PUT(self) -> None:
            self._relay()

        def do_DELETE(self) -> None:
            self._relay()

        def _relay(self) -> None:
            if self.headers.get("expect", "").lower() == "100-continue":
                self.close_connection = True
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            fault = service.next_fault(self.command)
            if fault is Fault.RESET:
                self.close_connection = True
                return
            if fault is Fault.NOT_S3:
                self._answer(404, b"<html>Nothing here</html>")
                return
            if fault in _ANSWERS:
                status, code = _ANSWERS[fault]
                self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())
                return
            if service.forbids(self.command, self.path, self.headers):
                self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                return
            status, answer = self._forward(body)
            if fault is Fault.LOSE_ANSWER:
                self.close_connection = True
                return
            self._answer(status, answer)

        def _forward(self, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(
                target.hostname or "", target.port, timeout=20
            )
            headers = {k: v for k, v in self.headers.items() if k.lower() != "expect"}
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            data = response.read()
            connection.close()
            return response.status, data

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            now = time.time() if timestamp is None else timestamp
            return super().date_time_string(int(now) + service.seconds_off)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    service.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
