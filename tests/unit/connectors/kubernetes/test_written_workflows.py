"""What a Workflow's controller writes back says the same, and nothing else does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from connectors.errors import MalformedInput
from connectors.kubernetes.kinds import WORKFLOW
from connectors.kubernetes.manifests import difference
from connectors.kubernetes.written_workflows import as_written

Spec = dict[str, Any]


def sent() -> Spec:
    """As somebody writes one."""
    return {
        "entrypoint": "whole",
        "arguments": {
            "parameters": [
                {"name": "number", "value": 5, "enum": [5, "x"]},
                {"name": "truth", "value": True},
                {"name": "ratio", "value": 0.5},
                {"name": "long", "value": 1e21},
            ]
        },
        "hooks": {"running": {"template": "quick", "expression": "1 == 1"}},
        "metrics": {
            "prometheus": [{"name": "x", "help": "h", "gauge": {"value": "1"}}]
        },
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1024Mi"}},
            {"name": "plain", "emptyDir": {}},
        ],
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "work"},
                "spec": {"resources": {"requests": {"storage": "1024Mi"}}},
            }
        ],
        "templates": [
            {
                "name": "whole",
                "steps": [
                    {
                        "name": "one",
                        "template": "quick",
                        "withItems": [1, {"name": ""}],
                    },
                    [{"name": "two", "template": "waits"}],
                ],
            },
            {
                "name": "quick",
                "inputs": {"parameters": [{"name": "p", "default": 7}]},
                "outputs": {
                    "parameters": [
                        {"name": "o", "valueFrom": {"path": "/o", "default": 1}}
                    ]
                },
                "memoize": {"key": "k", "cache": {"configMap": {"name": "m"}}},
                "container": {
                    "image": "busybox:1",
                    "env": [
                        {"name": "EMPTY", "value": ""},
                        {
                            "name": "CPU",
                            "valueFrom": {
                                "resourceFieldRef": {"resource": "limits.cpu"}
                            },
                        },
                    ],
                    "resources": {
                        "limits": {"cpu": "1000m", "memory": "0.5Gi", "gpu": 1},
                        "requests": {"cpu": 0.1, "memory": "1e3"},
                    },
                    "securityContext": {"runAsNonRoot": False},
                },
                "sidecars": [{"name": "beside", "image": "busybox:1"}],
            },
            {"name": "waits", "suspend": {}},
        ],
    }


def written() -> Spec:
    """As the controller of release 3.7 left it on a cluster."""
    nothing: Spec = {"inputs": {}, "outputs": {}, "metadata": {}}
    quick: Spec = {
        "name": "quick",
        "inputs": {"parameters": [{"name": "p", "default": "7"}]},
        "outputs": {
            "parameters": [{"name": "o", "valueFrom": {"path": "/o", "default": "1"}}]
        },
        "metadata": {},
        "memoize": {
            "key": "k",
            "maxAge": "",
            "cache": {"configMap": {"name": "m", "key": ""}},
        },
        "container": {
            "name": "",
            "image": "busybox:1",
            "env": [
                {"name": "EMPTY"},
                {
                    "name": "CPU",
                    "valueFrom": {
                        "resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}
                    },
                },
            ],
            "resources": {
                "limits": {"cpu": "1", "memory": "512Mi", "gpu": "1"},
                "requests": {"cpu": "100m", "memory": "1k"},
            },
            "securityContext": {"runAsNonRoot": False},
        },
        "sidecars": [{"name": "beside", "image": "busybox:1", "resources": {}}],
    }
    one: Spec = {"name": "one", "template": "quick", "withItems": [1, {"name": ""}]}
    two: Spec = {"name": "two", "template": "waits"}
    gauge = {"value": "1", "realtime": None}
    return {
        "entrypoint": "whole",
        "arguments": {
            "parameters": [
                {"name": "number", "value": "5", "enum": ["5", "x"]},
                {"name": "truth", "value": "true"},
                {"name": "ratio", "value": "0.5"},
                {"name": "long", "value": "1000000000000000000000"},
            ]
        },
        "hooks": {
            "running": {"template": "quick", "expression": "1 == 1", "arguments": {}}
        },
        "metrics": {"prometheus": [{"name": "x", "help": "h", "gauge": gauge}]},
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "plain", "emptyDir": {}},
        ],
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "work", "creationTimestamp": None},
                "spec": {"resources": {"requests": {"storage": "1Gi"}}},
                "status": {},
            }
        ],
        "templates": [
            {
                "name": "whole",
                "steps": [[{**one, "arguments": {}}], [{**two, "arguments": {}}]],
                **nothing,
            },
            quick,
            {"name": "waits", "suspend": {}, **nothing},
        ],
    }


def differs(found: Spec) -> str:
    """Where a cluster's Workflow says otherwise than what was sent."""
    expected: Spec = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    expected |= {"metadata": {}, "spec": sent()}
    return difference(expected, {**expected, "spec": found}, WORKFLOW)


def test_what_its_controller_writes_back_says_the_same() -> None:
    assert differs(written()) == ""
    assert as_written(as_written(sent())) == as_written(sent())


OTHER: dict[str, tuple[Callable[[Spec], object], str]] = {
    "a wait is left out": (
        lambda s: s["templates"][2].pop("suspend"),
        "suspend",
    ),
    "a volume is left open": (lambda s: s["volumes"][1].pop("emptyDir"), "emptyDir"),
    "a truth value is left out": (
        lambda s: s["templates"][1]["container"]["securityContext"].clear(),
        "securityContext",
    ),
    "a parameter is emptied": (
        lambda s: s["arguments"]["parameters"][0].update(value=""),
        "value",
    ),
    "a parameter is another": (
        lambda s: s["arguments"]["parameters"][0].update(value="6"),
        "value",
    ),
    "an amount is another": (
        lambda s: s["templates"][1]["container"]["resources"]["limits"].update(cpu="2"),
        "cpu",
    ),
    "a unit is another": (
        lambda s: s["templates"][1]["container"]["resources"]["limits"].update(
            memory="512M"
        ),
        "memory",
    ),
    "an amount is none": (
        lambda s: s["templates"][1]["container"]["resources"]["limits"].update(
            cpu=True
        ),
        "cpu",
    ),
    "a label is put on": (
        lambda s: s["templates"][1].update(metadata={"labels": {"name": ""}}),
        "metadata",
    ),
    "an item is another": (
        lambda s: s["templates"][0]["steps"][0][0]["withItems"][1].clear(),
        "withItems",
    ),
    "steps run side by side": (
        lambda s: s["templates"][0].update(
            steps=[[one for group in s["templates"][0]["steps"] for one in group]]
        ),
        "steps",
    ),
    "a variable is given a value": (
        lambda s: s["templates"][1]["container"]["env"][0].update(value="x"),
        "env",
    ),
    "an input is taken": (
        lambda s: s["templates"][2].update(inputs={"artifacts": []}),
        "inputs",
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_what_somebody_changes_is_seen_in_what_was_written_back(name: str) -> None:
    alter, where = OTHER[name]
    found = copy.deepcopy(written())
    alter(found)
    assert where in differs(found)


def test_what_is_nested_without_end_is_refused() -> None:
    deep: object = "x"
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(MalformedInput):
        differs({**written(), "affinity": deep})
