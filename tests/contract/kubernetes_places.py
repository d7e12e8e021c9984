"""Where the tests of Kubernetes run: a server of their own, and a real one if named.

COUNTERSIGN_TEST_KUBECONFIG names a kubeconfig whose user may create namespaces and
custom resource definitions; every test works in a namespace of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contract.kubernetes_server.cluster import Cluster
from tests.contract.kubernetes_server.controller import Controller
from tests.contract.kubernetes_server.cron import CronController
from tests.contract.kubernetes_server.kubeconfigs import write_kubeconfig
from tests.contract.kubernetes_server.objects import Object
from tests.contract.kubernetes_server.server import serving

VARIABLE = "COUNTERSIGN_TEST_KUBECONFIG"
KINDS = ("in-repo", pytest.param("real", marks=pytest.mark.peer))
JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
EDIT = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
OWN_LABEL = "countersign.example/made-by"
"""On definitions that a test makes, so that those of operators are left alone."""


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def __getitem__(self, key: str) -> Any:
        return self.body[key]


@dataclass
class KubernetesPlace:
    """One API server and a namespace in it."""

    kubeconfig: Path
    namespace: str
    cluster: Cluster | None = None
    """The server itself, where it is the one of this repository."""
    _configuration: Any = field(default=None, repr=False)
    _pool: Any = field(default=None, repr=False)

    @property
    def own(self) -> Cluster:
        """The server of this repository; the test is skipped on any other."""
        if self.cluster is None:
            pytest.skip("only a server of one's own misbehaves when asked")
        return self.cluster

    @property
    def controller(self) -> Controller:
        """Its controllers; see `own`."""
        return Controller(self.own)

    @property
    def cron(self) -> CronController:
        """Its controller of schedules; see `own`."""
        return CronController(self.own)

    @property
    def core(self) -> str:
        """The path of the core group in the namespace."""
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def batch(self) -> str:
        """The path of jobs in the namespace."""
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    @property
    def cron_jobs(self) -> str:
        """The path of CronJobs in the namespace."""
        return f"/apis/batch/v1/namespaces/{self.namespace}/cronjobs"

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        kind: str = JSON,
        **query: object,
    ) -> Answer:
        """One request, without any patience."""
        data = None if body is None else json.dumps(body).encode()
        answer = self._begin(method, path, data, kind, query)
        data = answer.data
        is_json = answer.headers.get("Content-Type", "").startswith(JSON)
        found = json.loads(data) if is_json else data.decode()
        return Answer(answer.status, dict(answer.headers), found)

    def forward(self, method: str, path: str, body: bytes | None, kind: str) -> Any:
        """Pass somebody else's request on, with the credentials of this place."""
        return self._begin(method, path, body, kind, {})

    def watch(self, path: str, **query: object) -> Iterator[Object]:
        """The events of a watch, until it ends."""
        query = {"watch": "true", "timeoutSeconds": 3} | query
        answer = self._begin("GET", path, None, JSON, query, preload_content=False)
        try:
            if answer.status != 200:
                yield {"type": "REFUSED", "object": json.loads(answer.read())}
                return
            waiting = b""
            for piece in answer.stream(65536):
                *lines, waiting = (waiting + piece).split(b"\n")
                yield from (json.loads(line) for line in lines)
        finally:
            answer.close()

    def _begin(
        self,
        method: str,
        path: str,
        body: bytes | None,
        kind: str,
        query: Mapping[str, object],
        **more: Any,
    ) -> Any:
        import urllib3
        from kubernetes import config

        if self._pool is None:
            client: Any = config.new_client_from_config(str(self.kubeconfig))  # type: ignore[no-untyped-call]
            self._configuration = client.configuration
            self._pool = urllib3.PoolManager(
                ca_certs=self._configuration.ssl_ca_cert,
                cert_file=self._configuration.cert_file,
                key_file=self._configuration.key_file,
                timeout=20,
                retries=False,
            )
        headers = {"Content-Type": kind, "Accept": str(dict(query).pop("accept", JSON))}
        said = {key: value for key, value in query.items() if key != "accept"}
        for setting in self._configuration.auth_settings().values():
            headers[setting["key"]] = setting["value"]
        url = self._configuration.host + path
        return self._pool.request(
            method,
            f"{url}?{urlencode(said)}" if said else url,
            body=body,
            headers=headers,
            **more,
        )

    def make(self, plural: str, name: str, **more: object) -> Answer:
        """Create something in the core group."""
        kinds = {"configmaps": "ConfigMap", "pods": "Pod", "secrets": "Secret"}
        found = {"apiVersion": "v1", "kind": kinds[plural], "metadata": {"name": name}}
        return self.ask("POST", f"{self.core}/{plural}", merged(found, more))

    def require(self, definitions: Iterable[Object]) -> None:
        """Skip the test where the cluster does not serve what they define."""
        for one in definitions:
            spec = one["spec"]
            version = spec["versions"][0]["name"]
            found = self.ask("GET", f"/apis/{spec['group']}/{version}")
            served = found["resources"] if found.status == 200 else []
            if spec["names"]["plural"] not in [it["name"] for it in served]:
                pytest.skip(f"this cluster has no operator of {spec['names']['kind']}")

    def close(self) -> None:
        """Leave no connection open."""
        if self._pool is not None:
            self._pool.clear()


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Object:
    """Two objects, one laid over the other."""
    result = dict(one)
    for key, value in other.items():
        had = result.get(key)
        is_deep = isinstance(value, dict) and isinstance(had, dict)
        result[key] = merged(had, value) if is_deep and had is not None else value
    return result


def job(name: str, **spec: object) -> Object:
    """A job that says hello."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [
                        {"name": "main", "image": "busybox:1", "command": ["true"]}
                    ],
                }
            }
        }
        | spec,
    }


@contextlib.contextmanager
def kubernetes_place(kind: str, folder: Path) -> Iterator[KubernetesPlace]:
    """A place of the kind; skipped where no real server is named."""
    if kind == "in-repo":
        with serving(Cluster()) as cluster:
            kubeconfig = write_kubeconfig(folder / "kubeconfig", cluster.address)
            yield from _in_namespace(KubernetesPlace(kubeconfig, "default", cluster))
        return
    named = os.environ.get(VARIABLE, "")
    if not named:
        pytest.skip(f"a cluster of your own is optional: {VARIABLE} names none")
    yield from _in_namespace(KubernetesPlace(Path(named), "default"))


def _in_namespace(place: KubernetesPlace) -> Iterator[KubernetesPlace]:
    name = f"countersign-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        made = place.ask("POST", "/api/v1/namespaces", body)
        assert made.status == 201, made.body
        place.namespace = name
        yield place
        place.ask("DELETE", f"/api/v1/namespaces/{name}")
    finally:
        place.close()


def widget_definition(group: str) -> Object:
    """A definition that uses what schemas can say."""
    spec: Object = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 9},
            "colour": {"type": "string", "enum": ["red", "green"], "default": "red"},
            "port": {
                "x-kubernetes-int-or-string": True,
                "anyOf": [{"type": "integer"}, {"type": "string"}],
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "x-kubernetes-list-type": "set",
            },
            "parts": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string"},
                        "count": {"type": "integer", "default": 1},
                    },
                },
            },
            "once": {
                "type": "string",
                "x-kubernetes-validations": [
                    {"rule": "self == oldSelf", "message": "field is immutable"}
                ],
            },
            "maybe": {"type": "string", "nullable": True},
        },
    }
    status: Object = {
        "type": "object",
        "properties": {"phase": {"type": "string"}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    ],
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": spec, "status": status},
                        }
                    },
                }
            ],
        },
    }


@dataclass(frozen=True)
class Widgets:
    """A custom resource of one test."""

    place: KubernetesPlace
    group: str

    @property
    def path(self) -> str:
        """Where its objects are."""
        return f"/apis/{self.group}/v1/namespaces/{self.place.namespace}/widgets"

    def body(self, name: str, **spec: object) -> Object:
        """A widget."""
        return {
            "apiVersion": f"{self.group}/v1",
            "kind": "Widget",
            "metadata": {"name": name},
            "spec": {"size": 1} | spec,
        }

    def make(self, name: str, **spec: object) -> Answer:
        """Create a widget."""
        return self.place.ask("POST", self.path, self.body(name, **spec))


@contextlib.contextmanager
def defined(place: KubernetesPlace, definition: Object) -> Iterator[None]:
    """The definition, until the test is over; skipped where an operator's lies."""
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    name = definition["metadata"]["name"]
    marked = merged(definition, {"metadata": {"labels": {OWN_LABEL: "tests"}}})
    for _ in range(100):
        made = place.ask("POST", root, marked)
        if made.status != 409:
            break
        there = place.ask("GET", f"{root}/{name}")
        if there.status == 200 and OWN_LABEL not in there["metadata"].get("labels", {}):
            pytest.skip(f"this cluster has an operator that defines {name}")
        time.sleep(0.1)
    assert made.status == 201, made.body
    spec = definition["spec"]
    served = f"/apis/{spec['group']}/{spec['versions'][0]['name']}"
    plural = spec["names"]["plural"]
    for _ in range(100):
        found = place.ask("GET", f"{root}/{name}")["status"].get("conditions") or []
        is_there = any(
            one["type"] == "Established" and one["status"] == "True" for one in found
        )
        if is_there and place.ask("GET", f"{served}/{plural}").status == 200:
            break
        time.sleep(0.1)
    try:
        yield
    finally:
        place.ask("DELETE", f"{root}/{name}")


@contextlib.contextmanager
def widgets(place: KubernetesPlace) -> Iterator[Widgets]:
    """Widgets in a group of their own."""
    group = f"t{uuid.uuid4().hex[:8]}.countersign.example"
    with defined(place, widget_definition(group)):
        yield Widgets(place, group)
