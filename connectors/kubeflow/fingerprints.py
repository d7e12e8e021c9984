"""What decides what a pipeline does, in a form that a server's own copy has too.

A server reads a package into messages and writes it anew: it leaves out fields that
hold nothing, writes 3 for 3.0, and may call the pipeline otherwise. All else stays.
"""

from __future__ import annotations

import json

from connectors.kubeflow.client import Json
from connectors.parsing import well_formed

_DECIDE = ("root", "components", "deploymentSpec")
_AS_THEY_ARE = frozenset({"constant", "defaultValue", "metadata"})
"""Fields that hold any value, in which one that holds nothing is one."""


def fingerprint(spec: Json, platform: Json | None = None) -> str:
    """All of a pipeline but what it and its compiler are called; `platform` is what
    stands beside it for clusters.

    Raises:
        MalformedInput: it is no pipeline.
    """
    with well_formed("a pipeline"):
        decides = {name: _written(spec.get(name) or {}) for name in _DECIDE}
        cluster = (platform or {}).get("platforms") or {}
        of_cluster = _kept(cluster.get("kubernetes") or {})
        return json.dumps([decides, of_cluster], sort_keys=True)


def _written(value: object) -> object:
    """A message as protobuf writes it."""
    if isinstance(value, dict):
        inner = {
            name: _kept(one) if name in _AS_THEY_ARE else _written(one)
            for name, one in value.items()
        }
        return {
            name: one
            for name, one in inner.items()
            if name in _AS_THEY_ARE or one not in ("", 0, [], {}, None)
        }
    return list(map(_written, value)) if isinstance(value, list) else _kept(value)


def _kept(value: object) -> object:
    """Any value, in which all numbers are doubles."""
    if isinstance(value, dict):
        return {name: _kept(one) for name, one in value.items()}
    if isinstance(value, list):
        return list(map(_kept, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
