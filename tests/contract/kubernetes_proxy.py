"""A proxy before a real API server that loses answers, breaks off and says no."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.contract.kubernetes_places import KubernetesPlace
from tests.contract.kubernetes_server.faults import Fault, Faults

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@contextlib.contextmanager
def faulty(place: KubernetesPlace, faults: Faults) -> Iterator[str]:
    """The address of a proxy before the server of a place, with its credentials."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = faults.next(self._verb())
            if faults.is_down or fault is Fault.RESET:
                self._hang_up()
                return
            refusal = faults.refusal(fault)
            if refusal is not None:
                after = refusal.retry_after_seconds
                headers = {"Retry-After": str(after)} if after else {}
                status = json.dumps(refusal.status()).encode()
                self._answer(refusal.code, status, headers)
                return
            code, data = self._forwarded(body)
            if fault is Fault.LOSE_ANSWER:
                self._hang_up()
            elif fault is Fault.CUT_BODY:
                self._answer(code, data, {}, is_cut=True)
            else:
                self._answer(code, data, {})

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def _verb(self) -> str:
            if self.command != "GET":
                return _VERBS[self.command]
            steps = urlsplit(self.path).path.strip("/").split("/")
            return "list" if "namespaces" in steps[-3:-1] else "get"

        def _forwarded(self, body: bytes) -> tuple[int, bytes]:
            kind = self.headers.get("Content-Type", "application/json")
            answer: Any = place.forward(self.command, self.path, body or None, kind)
            return answer.status, answer.data

        def _answer(
            self,
            status: int,
            data: bytes,
            headers: dict[str, str],
            *,
            is_cut: bool = False,
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if is_cut else data)
            if is_cut:
                self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
