"""Definitions of the operators' resources: the published ones where they are, else
ones that say only what is needed and leave the rest open."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import yaml

from connectors.kubernetes.client import Json

VARIABLE = "COUNTERSIGN_TEST_SPECS"
_OPEN: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(group: str, version: str, kind: str, published: str = "") -> Json:
    """The definition of a kind, as published under a name or an open one."""
    found = _published(published) if published else None
    return found or _own(group, version, kind)


def _published(name: str) -> Json | None:
    path = Path(os.environ.get(VARIABLE, "")) / "kubeflow-trainer" / f"{name}.crd.yaml"
    return read_definition(path) if path.is_absolute() and path.exists() else None


@cache
def read_definition(path: Path) -> Json:
    """A definition from its file."""
    found = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    assert isinstance(found, dict)
    return found


def _own(group: str, version: str, kind: str) -> Json:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "properties": {"spec": _OPEN, "status": _OPEN}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster" if kind.startswith("Cluster") else "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
