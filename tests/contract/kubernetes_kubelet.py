"""A node for a cluster that others run: it takes every pod of one namespace, runs the
commands as real processes, says by the API how they stand, and serves what they print.

It is scheduler and kubelet in one. Containers that operators add are not run: their
images are not there. They end well at once, but what only ends with the others does.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contract.database_servers import make_certificate
from tests.contract.kubernetes_places import MERGE, KubernetesPlace
from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    dig,
    name_of,
    timestamp,
)
from tests.contract.kubernetes_server.processes import Processes

_TURN_SECONDS = 0.1
_OWN_IMAGES = "registry.example/"
_OVER = ("Succeeded", "Failed")
_WAITS = "wait"
"""What Argo calls the container that ends once the others have."""


@dataclass
class Kubelet:
    """Turns until it is closed."""

    place: KubernetesPlace
    folder: Path
    seen: set[str] = field(default_factory=set)
    """The uids of all pods that there ever were."""
    _processes: Processes = field(default_factory=Processes)
    _is_over: threading.Event = field(default_factory=threading.Event)
    _uids: dict[str, str] = field(default_factory=dict)
    _started: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server = _logs(self, self.folder)
        self._register()
        for target in (self._turn, self._server.serve_forever):
            threading.Thread(target=target, daemon=True).start()

    @property
    def name(self) -> str:
        """That of the node: that of the namespace whose pods it takes."""
        return self.place.namespace

    def close(self) -> None:
        """End, and leave no process and no node."""
        for pod in self._pods():
            self._end(pod)
        self._is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._processes.close()
        self.place.ask("DELETE", f"/api/v1/nodes/{self.name}")

    def lines(self, pod: str, container: str) -> list[tuple[str, str]]:
        """What a container has printed, each line with when it was seen."""
        return self._processes.lines(self._uids.get(pod, ""), container)

    def signal(self, pod: str, container: str, number: int) -> None:
        """Send a signal to a container, as a command in it would."""
        self._processes.signal(self._uids.get(pod, ""), container, number)

    def runs(self, pod: str) -> bool:
        """Whether a pod may still print something."""
        answer = self.place.ask("GET", f"{self.place.core}/pods/{pod}")
        phase = dig(answer.body, "status", "phase")
        return answer.status == 200 and phase not in _OVER

    def _register(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}}
        made = self.place.ask("POST", "/api/v1/nodes", node)
        assert made.status in (201, 409), made.body
        port = self._server.server_address[1]
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        path = f"/api/v1/nodes/{self.name}/status"
        answer = self.place.ask("PATCH", path, {"status": status}, MERGE)
        assert answer.status == 200, answer.body

    def _turn(self) -> None:
        while not self._is_over.wait(_TURN_SECONDS):
            pods = self._pods()
            for pod in pods:
                self._step(pod)
            self._processes.end_those_without({one["metadata"]["uid"] for one in pods})

    def _pods(self) -> list[Object]:
        answer = self.place.ask("GET", f"{self.place.core}/pods")
        return list(answer["items"]) if answer.status == 200 else []

    def _step(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        self.seen.add(uid)
        self._uids[name_of(pod)] = uid
        if not dig(pod, "spec", "nodeName"):
            self._bind(pod)
        elif dig(pod, "metadata", "deletionTimestamp"):
            self._end(pod)
        elif dig(pod, "status", "phase") not in _OVER:
            self._say(pod, self._processes.status_of(_runnable(pod)))

    def _bind(self, pod: Object) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
        self.place.ask(
            "POST",
            f"{self.place.core}/pods/{name_of(pod)}/binding",
            {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": name_of(pod), "uid": pod["metadata"]["uid"]},
                "target": target,
            },
        )

    def _end(self, pod: Object) -> None:
        """Kill it, say so, and let go of it, as a node does with what is deleted."""
        uid = pod["metadata"]["uid"]
        self._processes.end_those_without(self._alive_without(uid))
        if dig(pod, "status", "phase") not in _OVER:
            status: Object = {"phase": "Failed"}
            for told in ("initContainerStatuses", "containerStatuses"):
                states = copied(pod).get("status", {}).get(told) or []
                for one in states:
                    if "terminated" not in one["state"]:
                        killed = {"exitCode": 137, "reason": "Error"}
                        killed["finishedAt"] = timestamp()
                        one["state"] = {"terminated": killed}
                        one["ready"] = False
                status[told] = states
            self._patch(pod, status)
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": uid},
        }
        self.place.ask("DELETE", f"{self.place.core}/pods/{name_of(pod)}", body)

    def _alive_without(self, uid: str) -> set[str]:
        return self.seen - {uid}

    def _say(self, pod: Object, status: Object) -> None:
        runs = status["phase"] == "Running"
        for told in ("initContainerStatuses", "containerStatuses"):
            for one in status.get(told) or []:
                one |= {
                    "ready": "running" in one["state"],
                    "image": "",
                    "imageID": "",
                    "restartCount": 0,
                }
        uid = pod["metadata"]["uid"]
        started = self._started.setdefault(uid, timestamp())
        ready = {
            "type": "Ready",
            "status": "True" if runs else "False",
            "lastTransitionTime": started,
        }
        others = [
            one
            for one in dig(pod, "status", "conditions", default=[])
            if one["type"] != "Ready"
        ]
        status |= {"conditions": [*others, ready], "startTime": started}
        had = pod.get("status") or {}
        if any(had.get(key) != value for key, value in status.items()):
            self._patch(pod, status)

    def _patch(self, pod: Object, status: Object) -> None:
        path = f"{self.place.core}/pods/{name_of(pod)}/status"
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        self.place.ask("PATCH", path, body, MERGE)


def _runnable(pod: Object) -> Object:
    """The pod with what can be run here in the place of what operators put into it."""
    made = copied(pod)
    containers = made["spec"]["containers"]
    is_accompanied = any(one["name"] == _WAITS for one in containers)
    if is_accompanied:
        # It has nothing to wait for but the others; they decide how the pod ends.
        made["spec"]["containers"] = [
            one for one in containers if one["name"] != _WAITS
        ]
    for group in ("initContainers", "containers"):
        for one in made["spec"].get(group) or []:
            command = one.get("command") or []
            if not one.get("image", "").startswith(_OWN_IMAGES):
                one["command"], one["args"] = ["true"], []
            elif command[:1] and command[0].endswith("/argoexec"):
                one["command"] = command[command.index("--") + 1 :]
    return made


def _logs(kubelet: Kubelet, folder: Path) -> ThreadingHTTPServer:
    """Serves what the API server asks a node for: output, and commands within."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = {key: found[-1] for key, found in parse_qs(asked.query).items()}
            _, _, _, pod, container = asked.path.split("/")
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                for data in _told(kubelet, pod, container, query):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.write(b"0\r\n\r\n")

        def do_POST(self) -> None:
            """A command in a container: of those, only Argo's that ends it is known.

            The stream of it is refused once it is done: the asker only wants it dead.
            """
            asked = urlsplit(self.path)
            command = parse_qs(asked.query).get("command", [])
            _, _, _, pod, container = asked.path.split("/")
            if len(command) == 4 and command[0].endswith("argoexec"):
                kubelet.signal(pod, container, int(command[2]))
            self.send_error(501)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder, "kubelet"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def _told(
    kubelet: Kubelet, pod: str, container: str, query: dict[str, str]
) -> Iterator[bytes]:
    is_timed, is_followed = "timestamps" in query, "follow" in query
    left, told = int(query.get("limitBytes", 1 << 30)), 0
    while True:
        is_over = not (is_followed and kubelet.runs(pod))
        lines = kubelet.lines(pod, container)
        for seen, text in lines[told:]:
            data = f"{seen} {text}\n" if is_timed else f"{text}\n"
            piece = data.encode()[:left]
            left -= len(piece)
            if piece:
                yield piece
        told = len(lines)
        if is_over or not left:
            return
        time.sleep(_TURN_SECONDS)
