"""The installation over HTTP, every request and answer held to the description."""

from __future__ import annotations

import contextlib
import email.parser
import email.policy
import json
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.contract.kfp_server import calls
from tests.contract.kfp_server.faults import AFTER_THE_EFFECT, Fault
from tests.contract.kfp_server.fields import populated
from tests.contract.kfp_server.installation import Installation
from tests.contract.kfp_server.problems import (
    BROKEN,
    DENIED,
    EXHAUSTED,
    INVALID,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNAVAILABLE,
    ApiError,
)
from tests.contract.kfp_server.swagger import wrong_answer, wrong_request

_UPLOAD = "upload version"
_NEWER = ("list tasks", "get artifact")
"""What no published description has yet."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    here: Installation

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        here = self.here
        parts = urlsplit(self.path)
        path = parts.path
        query = {k: v[0] for k, v in parse_qs(parts.query, True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", "0") or 0))
        found = calls.found(self.command, path)
        operation = found[0] if found else "unknown"
        fault = here.faults.next(operation)
        time.sleep(here.faults.delays.get(operation, 0.0))
        if here.faults.is_down or fault is Fault.RESET:
            self._hang_up()
            return
        if self._is_refused(fault):
            return
        status, told = self._carried_out(found, path, query, body)
        if not here.tells_empty_fields:
            told = populated(told)
        is_described = operation not in _NEWER and (
            status == 200 or operation != _UPLOAD
        )
        if is_described:
            here.crashes += wrong_answer(self.command, path, status, told)
        if fault is Fault.LOSE_ANSWER:
            self._hang_up()
        elif fault is Fault.BROKEN_AFTER:
            self._send(502, b"upstream connect error", "text/plain")
        else:
            data = json.dumps(told).encode()
            self._send(status, data, is_cut=fault is Fault.CUT_BODY)

    def _is_refused(self, fault: Fault | None) -> bool:
        if fault is None or fault in AFTER_THE_EFFECT:
            return False
        after = {"Retry-After": str(self.here.faults.retry_after_seconds)}
        problems = {
            Fault.TOO_MANY: ApiError(EXHAUSTED, "too many requests"),
            Fault.BROKEN: ApiError(BROKEN, "Internal error: the database is gone"),
            Fault.UNAVAILABLE: ApiError(UNAVAILABLE, "no healthy upstream"),
            Fault.EXPIRED_TOKEN: ApiError(UNAUTHENTICATED, "the token has expired"),
            Fault.FORBIDDEN: ApiError(DENIED, "User 'ana' is not authorized"),
        }
        if fault is Fault.LOG_IN:
            self._send(302, b"", "text/html", {"Location": "/dex/auth"})
        elif fault is Fault.NOT_JSON:
            self._send(200, b"<html>log in</html>", "text/html; charset=utf-8")
        else:
            problem = problems[fault]
            self._send(
                problem.http_status,
                json.dumps(problem.status()).encode(),
                headers=after if fault is Fault.TOO_MANY else None,
            )
        return True

    def _carried_out(
        self,
        found: tuple[str, calls.Answers, tuple[str, ...]] | None,
        path: str,
        query: dict[str, str],
        body: bytes,
    ) -> tuple[int, Any]:
        here = self.here
        try:
            self._authenticate()
            if found is None:
                raise ApiError(NOT_FOUND, "Not Found")
            operation, answers, ids = found
            decoded, file = self._decoded(body)
            problems = wrong_request(self.command, path, query, decoded)
            if problems and operation not in _NEWER:
                here.crashes += problems
                raise ApiError(INVALID, problems[0])
            call = calls.Call(path, query, decoded, file, tuple(map(unquote, ids)))
            with here.lock:
                # A copy, so that what is told does not change while it is written.
                return 200, json.loads(json.dumps(answers(here, call)))
        except ApiError as problem:
            if found is not None and found[0] == _UPLOAD:
                return problem.of_upload()
            return problem.http_status, problem.status()
        except Exception:
            here.crashes.append(traceback.format_exc())
            return 500, ApiError(BROKEN, "it broke").status()

    def _authenticate(self) -> None:
        if self.here.header is None:
            return
        name, value = self.here.header
        if self.headers.get(name) != value:
            # As the real one does: it repeats what it was given.
            said = f"there is no user identity in {self.headers.get(name)}"
            raise ApiError(UNAUTHENTICATED, said)

    def _decoded(self, body: bytes) -> tuple[Any, bytes]:
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            try:
                return (json.loads(body) if body else {}), b""
            except ValueError as cause:
                raise ApiError(INVALID, "the body is no JSON") from cause
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        for part in parser.parsebytes(head + body).walk():
            if part.get_param("name", header="content-disposition") == "uploadfile":
                data = part.get_payload(decode=True)
                return None, data if isinstance(data, bytes) else b""
        raise ApiError(INVALID, "the form has no uploadfile")

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
        *,
        is_cut: bool = False,
    ) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self._hang_up()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The clock of the server is that of the installation."""
        return format_datetime(self.here.now, usegmt=True)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *arguments: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are no news."""


@contextlib.contextmanager
def serving(here: Installation) -> Iterator[Installation]:
    """The installation, answering on a port of this machine."""
    handler = type("Handler", (_Handler,), {"here": here})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    here.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    if here.crashes:
        raise AssertionError(here.crashes[0])
