"""What can be asked for: the built-in resources, and those that definitions add."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.contract.kubernetes_server.objects import Object

VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: str = "string"
    path: str = ""
    """JSONPath of the value; empty where code makes it."""
    priority: int = 0
    description: str = ""


@dataclass(frozen=True)
class Resource:
    """One resource in one version."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    is_namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = ()
    model: str = ""
    """The published model of a built-in kind."""
    schema: Object = field(default_factory=dict)
    """The structural schema of a custom one."""
    selectable_fields: tuple[str, ...] = ()
    has_generation: bool = True
    is_storage_version: bool = True

    @property
    def is_custom(self) -> bool:
        """Whether a definition made it."""
        return not self.model

    @property
    def group_version(self) -> str:
        """`batch/v1`, or `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[str, str]:
        """What its objects are stored under, whatever the version."""
        return self.group, self.plural

    @property
    def has_status(self) -> bool:
        """Whether the status is written apart from the rest."""
        return "status" in self.subresources


def _column(name: str, kind: str = "string") -> Column:
    return Column(name, kind)


_NAME = Column("Name", "string")
_AGE = Column("Age", "string")
_STATUS = frozenset({"status"})

BUILT_IN = (
    Resource(
        "",
        "v1",
        "Namespace",
        "namespaces",
        "namespace",
        is_namespaced=False,
        short_names=("ns",),
        subresources=frozenset({"status", "finalize"}),
        columns=(_NAME, _column("Status"), _AGE),
        model="V1Namespace",
        has_generation=False,
    ),
    Resource(
        "",
        "v1",
        "Pod",
        "pods",
        "pod",
        short_names=("po",),
        categories=("all",),
        subresources=frozenset({"status", "log"}),
        columns=(
            _NAME,
            _column("Ready"),
            _column("Status"),
            _column("Restarts"),
            _AGE,
        ),
        model="V1Pod",
    ),
    Resource(
        "",
        "v1",
        "Event",
        "events",
        "event",
        short_names=("ev",),
        columns=(
            _column("Last Seen"),
            _column("Type"),
            _column("Reason"),
            _column("Object"),
            _column("Message"),
        ),
        model="CoreV1Event",
        has_generation=False,
    ),
    Resource(
        "",
        "v1",
        "ConfigMap",
        "configmaps",
        "configmap",
        short_names=("cm",),
        columns=(_NAME, _column("Data"), _AGE),
        model="V1ConfigMap",
        has_generation=False,
    ),
    Resource(
        "",
        "v1",
        "Secret",
        "secrets",
        "secret",
        columns=(_NAME, _column("Type"), _column("Data", "integer"), _AGE),
        model="V1Secret",
        has_generation=False,
    ),
    Resource(
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        "serviceaccount",
        short_names=("sa",),
        subresources=frozenset({"token"}),
        columns=(_NAME, _column("Secrets", "integer"), _AGE),
        model="V1ServiceAccount",
        has_generation=False,
    ),
    Resource(
        "batch",
        "v1",
        "Job",
        "jobs",
        "job",
        categories=("all",),
        subresources=_STATUS,
        columns=(
            _NAME,
            _column("Status"),
            _column("Completions"),
            _column("Duration"),
            _AGE,
        ),
        model="V1Job",
    ),
    Resource(
        "batch",
        "v1",
        "CronJob",
        "cronjobs",
        "cronjob",
        short_names=("cj",),
        categories=("all",),
        subresources=_STATUS,
        columns=(
            _NAME,
            _column("Schedule"),
            _column("Suspend", "boolean"),
            _column("Active", "integer"),
            _AGE,
        ),
        model="V1CronJob",
    ),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "customresourcedefinition",
        is_namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=_STATUS,
        columns=(_NAME, _column("Created At", "date")),
        model="V1CustomResourceDefinition",
    ),
)


def from_definition(definition: Object) -> list[Resource]:
    """The resources that a custom resource definition adds, one a served version."""
    spec = definition["spec"]
    names = spec["names"]
    return [
        _custom(spec, names, version)
        for version in spec["versions"]
        if version.get("served")
    ]


def _custom(spec: Object, names: Object, version: Object) -> Resource:
    listed = version.get("additionalPrinterColumns")
    columns = tuple(
        Column(
            one["name"],
            one["type"],
            one["jsonPath"],
            one.get("priority", 0),
            one.get("description", ""),
        )
        for one in listed or [_AGE_OF_CUSTOM]
    )
    made = Resource(
        spec["group"],
        version["name"],
        names["kind"],
        names["plural"],
        names.get("singular") or names["kind"].lower(),
        is_namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(version.get("subresources") or {}),
        columns=(_NAME, *columns),
        schema=(version.get("schema") or {}).get("openAPIV3Schema") or {},
        is_storage_version=bool(version.get("storage")),
    )
    fields = version.get("selectableFields") or []
    return replace(
        made, selectable_fields=tuple(one["jsonPath"].lstrip(".") for one in fields)
    )


_AGE_OF_CUSTOM: Object = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
}
