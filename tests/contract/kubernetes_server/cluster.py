"""The state of one pretended cluster: objects, resources, logs, identities, faults."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from tests.contract.kubernetes_server.built_in_schemas import model_schema
from tests.contract.kubernetes_server.faults import Faults
from tests.contract.kubernetes_server.identities import Identities
from tests.contract.kubernetes_server.objects import Object, timestamp
from tests.contract.kubernetes_server.problems import no_such_page, no_such_path
from tests.contract.kubernetes_server.resources import (
    BUILT_IN,
    Resource,
    from_definition,
)
from tests.contract.kubernetes_server.store import Store

VERSION = "v1.37.2"


@dataclass
class Cluster:
    """What the server serves."""

    store: Store = field(default_factory=Store)
    resources: list[Resource] = field(default_factory=lambda: list(BUILT_IN))
    identities: Identities = field(default_factory=Identities)
    faults: Faults = field(default_factory=Faults)
    logs: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    """(namespace, pod, container) -> lines."""
    cron_seen: dict[str, datetime] = field(default_factory=dict)
    """Until when Argo's controller has seen each of its schedules, by uid."""
    bookmark_seconds: float = 60.0
    stopping: threading.Event = field(default_factory=threading.Event)
    address: str = ""
    crashes: list[str] = field(default_factory=list)
    """Requests that the server itself failed at; a test must end with none."""

    def __post_init__(self) -> None:
        for name in ("default", "kube-system"):
            self.add_namespace(name)

    def add_namespace(self, name: str) -> None:
        """A namespace, active at once."""
        found: Object = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": timestamp(),
                "labels": {"kubernetes.io/metadata.name": name},
            },
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
        self.store.put(("", "namespaces"), found)

    def resource(self, group: str, version: str, plural: str) -> Resource:
        """The resource of that name.

        Raises:
            ApiError: there is none.
        """
        for found in self.resources:
            if (found.group, found.version, found.plural) == (group, version, plural):
                return found
        known = {found.group for found in self.resources}
        raise no_such_path() if group in known else no_such_page()

    def redefine(self, definition: Object, *, is_removed: bool = False) -> None:
        """Take a custom resource definition into account, or out of it."""
        key = (definition["spec"]["group"], definition["spec"]["names"]["plural"])
        kept = [one for one in self.resources if one.key != key]
        added = [] if is_removed else from_definition(definition)
        self.resources[:] = kept + added


def schema_of(resource: Resource) -> Object:
    """The whole schema of a resource, its metadata included."""
    if resource.model:
        return model_schema(resource.model)
    found = dict(resource.schema)
    properties = dict(found.get("properties") or {})
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"$ref": "#/components/schemas/V1ObjectMeta"}
    return found | {"properties": properties}
