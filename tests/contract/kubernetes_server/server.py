"""HTTP: routes, forms of an answer, chunked watches, and faults on the wire."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.contract.kubernetes_server import (
    deleting,
    discovery,
    openapi,
    reading,
    tables,
    watching,
    writing,
)
from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.faults import Fault
from tests.contract.kubernetes_server.identities import check_allowed
from tests.contract.kubernetes_server.objects import Object, compact, timestamp
from tests.contract.kubernetes_server.problems import (
    PAGE_NOT_FOUND,
    ApiError,
    no_such_path,
)
from tests.contract.kubernetes_server.requests import Request, decoded, understood

_LARGEST_BODY_BYTES = 3 * 1024 * 1024
_JSON = "application/json"
_READY = ("/readyz", "/livez", "/healthz")


class _Answers(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"
    # A watch writes small pieces that must not wait for one another.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _handle(self) -> None:
        body = self._body()
        try:
            if self.cluster.faults.is_down or body is None:
                self._hang_up()
                return
            time.sleep(self.cluster.faults.delay_seconds)
            self._route(body)
        except ApiError as problem:
            self._refuse(problem)
        except OSError:
            self.close_connection = True
        except Exception:
            self.cluster.crashes.append(traceback.format_exc())
            self._refuse(ApiError(500, "Internal error occurred"))

    def _body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        size = int(self.headers.get("Content-Length") or 0)
        if size > _LARGEST_BODY_BYTES:
            return None
        return self.rfile.read(size)

    def _chunks(self) -> bytes | None:
        whole = b""
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
            if len(whole) > _LARGEST_BODY_BYTES:
                return None
        self.rfile.readline()
        return whole

    def _route(self, body: bytes) -> None:
        path = urlsplit(self.path).path.rstrip("/") or "/"
        if path in _READY:
            self._send(200, b"ok", "text/plain")
            return
        self.identity = self.cluster.identities.of(
            self.headers.get("Authorization", "")
        )
        found = self._told_of_itself(path)
        if found is not None:
            return
        request = understood(
            self.cluster, self.command, self.path, dict(self.headers), body
        )
        self._answer(request)

    def _told_of_itself(self, path: str) -> bool | None:
        """Answer discovery and its like; None where the path is a resource's."""
        cluster, accept = self.cluster, self.headers.get("Accept", "")
        if path in ("/api", "/apis") and discovery.wants_aggregated(accept):
            said = discovery.aggregated(cluster, is_core=path == "/api", accept=accept)
            self._send(200, compact(said), discovery.aggregated_type(accept))
            return True
        match path.strip("/").split("/"):
            case ["version"]:
                answer = discovery.version()
            case ["api"]:
                answer = discovery.core_versions(cluster.address)
            case ["apis"]:
                answer = discovery.groups(cluster)
            case ["api", version]:
                answer = discovery.resources(cluster, "", version)
            case ["apis", group]:
                answer = discovery.group(cluster, group)
            case ["apis", group, version]:
                answer = discovery.resources(cluster, group, version)
            case ["openapi", "v2"]:
                answer = openapi.swagger()
            case ["openapi", "v3"]:
                answer = openapi.index(cluster)
            case ["openapi", "v3", "api", version]:
                answer = openapi.document(cluster, "", version)
            case ["openapi", "v3", "apis", group, version]:
                answer = openapi.document(cluster, group, version)
            case _:
                return None
        self._send(200, compact(answer), _JSON)
        return True

    def _answer(self, request: Request) -> None:
        faults, resource = self.cluster.faults, request.resource
        shown = resource.plural + (
            f"/{request.subresource}" * bool(request.subresource)
        )
        faults.seen.append(f"{request.verb} {shown}")
        fault = faults.next(request.verb)
        if fault is Fault.RESET:
            self._hang_up()
            return
        refusal = faults.refusal(fault)
        if refusal is not None:
            raise refusal
        if fault is Fault.NOT_JSON:
            self._send(200, b"<html>Sign in to continue</html>", "text/html")
            return
        check_allowed(
            self.identity,
            request.verb,
            resource.group,
            resource.plural,
            request.subresource,
            request.namespace,
            request.name,
        )
        if request.verb == "watch":
            self._watch(request, fault)
            return
        if request.subresource == "log":
            self._log(request, fault)
            return
        code, found = self._carried_out(request)
        if fault is Fault.LOSE_ANSWER:
            self._hang_up()
            return
        self._send(
            code,
            compact(self._form(found, request)),
            _JSON,
            warnings=request.warnings,
            is_cut=fault is Fault.CUT_BODY,
        )

    def _carried_out(self, request: Request) -> tuple[int, Object]:
        cluster = self.cluster
        if request.subresource == "token":
            return 201, _token(cluster, request)
        match request.verb:
            case "get":
                return 200, reading.get_one(cluster, request)
            case "list":
                return 200, reading.get_list(cluster, request)
            case "create":
                return 201, writing.create(cluster, request)
            case "update":
                return 200, writing.update(cluster, request)
            case "patch":
                return writing.patch(cluster, request)
            case "delete":
                return 200, deleting.delete(cluster, request)
            case "deletecollection":
                return 200, deleting.delete_all(cluster, request)
        raise no_such_path()

    def _form(self, found: Object, request: Request) -> Object:
        accept = self.headers.get("Accept", "")
        if found.get("kind") == "Status":
            return found
        if tables.wants_table(accept):
            include = request.query.get("includeObject", "Metadata")
            return tables.table(found, request.resource, include)
        return tables.bare(found) if tables.wants_metadata(accept) else found

    def _log(self, request: Request, fault: Fault | None) -> None:
        if request.flag("follow"):
            self._follow_log(request)
            return
        text = reading.get_log(self.cluster, request)
        code = 200 if text else 204
        self._send(code, text, "text/plain", is_cut=fault is Fault.CUT_BODY)

    def _follow_log(self, request: Request) -> None:
        """Send what is printed as it is printed, until the pod has ended."""
        sent, most = 0, int(request.query.get("limitBytes") or 2**31)
        reading.get_one(self.cluster, request)
        self._begin_chunks("text/plain")
        while not self.cluster.stopping.is_set() and not self._is_left():
            try:
                pod = reading.get_one(self.cluster, request)
            except ApiError:
                break
            phase = (pod.get("status") or {}).get("phase")
            text = reading.get_log(self.cluster, request)
            if text[sent:]:
                self._chunk(text[sent:])
            sent = max(sent, len(text))
            if phase in ("Succeeded", "Failed") or sent >= most:
                break
            time.sleep(0.02)
        self._chunk(b"")

    def _begin_chunks(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _watch(self, request: Request, fault: Fault | None) -> None:
        batches = watching.events(self.cluster, request, fault)
        self._begin_chunks(_JSON)
        told = 0
        for batch in batches:
            faults = self.cluster.faults
            if faults.is_down or self._is_left():
                self._hang_up()
                return
            for event in faults.told(batch):
                is_error = event["type"] == "ERROR"
                said = event["object"]
                said = said if is_error else self._form(said, request)
                line = compact({"type": event["type"], "object": said}) + b"\n"
                if faults.cuts_watch_after and told >= faults.cuts_watch_after:
                    self._chunk(line[: len(line) // 2])
                    self._hang_up()
                    return
                self._chunk(line)
                told += 1
        self._chunk(b"")

    def _is_left(self) -> bool:
        """Whether the other side has gone away."""
        self.connection.setblocking(False)
        try:
            return len(self.connection.recv(1, socket.MSG_PEEK)) == 0
        except BlockingIOError:
            return False
        finally:
            self.connection.setblocking(True)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _refuse(self, problem: ApiError) -> None:
        after = problem.retry_after_seconds
        if problem.message == PAGE_NOT_FOUND:
            self._send(404, b"404 page not found\n", "text/plain")
            return
        with contextlib.suppress(OSError):
            self._send(
                problem.code,
                compact(problem.status()),
                _JSON,
                headers={"Retry-After": str(after)} if after else {},
            )

    def _send(
        self,
        code: int,
        body: bytes,
        kind: str,
        *,
        warnings: list[str] | None = None,
        headers: dict[str, str] | None = None,
        is_cut: bool = False,
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for warning in warnings or []:
            self.send_header("Warning", f"299 - {json.dumps(warning)}")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self._hang_up()

    def _hang_up(self) -> None:
        """Break the connection so that the other side notices at once."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *arguments: object) -> None:
        return


def _token(cluster: Cluster, request: Request) -> Object:
    reading.get_one(cluster, request)
    body = decoded(request.body, request.content_type)
    asked = (body.get("spec") or {}).get("expirationSeconds") or 3600
    user = f"system:serviceaccount:{request.namespace}:{request.name}"
    token, expires = cluster.identities.issue(user, int(asked))
    until = timestamp(datetime.fromtimestamp(expires, UTC))
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": request.name, "namespace": request.namespace},
        "spec": body.get("spec") or {},
        "status": {"token": token, "expirationTimestamp": until},
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are no news."""


@contextlib.contextmanager
def serving(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, answering on a port of this machine."""
    handler = type("Handler", (_Answers,), {"cluster": cluster})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    cluster.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield cluster
    finally:
        cluster.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
    if cluster.crashes:
        raise AssertionError(cluster.crashes[0])
