"""The steps of Workflows, from the nodes of their status."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import WORKFLOW, Served
from connectors.kubernetes.workflow_nodes import Node, missing_nodes, nodes_of
from connectors.kubernetes.works import work_of

PLACE = Served(WORKFLOW, "v1alpha1")
BEGAN = "2026-11-26T10:00:00Z"


def found(nodes: Any, *names: str, kind: str = "dag") -> Json:
    """A Workflow `wf` that declares some steps, with some nodes."""
    inner = [{"name": name, "template": name} for name in names]
    whole = {"dag": {"tasks": inner}} if kind == "dag" else {"container": {}}
    status = {"phase": "Running", "nodes": nodes}
    metadata = {"name": "wf", "namespace": "n", "uid": "u", "resourceVersion": "1"}
    spec = {"entrypoint": "whole", "templates": [{"name": "whole", **whole}]}
    return {"metadata": metadata, "spec": spec, "status": status}


def node(name: str, phase: str, boundary: str = "wf", kind: str = "Pod") -> Json:
    return {
        "name": f"wf.{name}",
        "displayName": name,
        "type": kind,
        "phase": phase,
        "boundaryID": boundary,
        "startedAt": BEGAN,
    }


def told(nodes: tuple[Node, ...]) -> list[Any]:
    """Names and phases, with those within."""
    return [
        (one.name, one.phase, *([told(one.nodes)] if one.nodes else []))
        for one in nodes
    ]


def test_what_is_declared_and_did_not_begin_is_a_step_too() -> None:
    status = {"a": node("one", "Failed"), "wf": node("wf", "Failed", "", "DAG")}
    assert told(nodes_of(found(status, "one", "two"))) == [
        ("one", "Failed"),
        ("two", ""),
    ]


def test_a_step_that_comes_of_a_list_holds_one_for_each_of_it() -> None:
    status = {
        "a": node("one(0:x)", "Succeeded"),
        "b": node("one(1:y)", "Running"),
        "c": node("one-more", "Failed"),
    }
    assert told(nodes_of(found(status, "one"))) == [
        ("one", "Running", [("one(0:x)", "Succeeded"), ("one(1:y)", "Running")])
    ]


def test_attempts_are_within_the_step_that_was_tried_again() -> None:
    status = {
        "a": node("one", "Succeeded", kind="Retry"),
        "b": node("one(0)", "Failed"),
        "c": node("one(1)", "Succeeded"),
    }
    assert told(nodes_of(found(status, "one"))) == [
        ("one", "Succeeded", [("one(0)", "Failed"), ("one(1)", "Succeeded")])
    ]


def test_steps_within_steps_are_within_them_and_groups_are_left_out() -> None:
    status = {
        "a": node("one", "Running", kind="Steps"),
        "g": node("[0]", "Running", "a", "StepGroup"),
        "b": node("inner", "Running", "a"),
    }
    assert told(nodes_of(found(status, "one"))) == [
        ("one", "Running", [("inner", "Running")])
    ]


def test_a_workflow_of_one_pod_has_one_step_and_its_exit_handler_is_one() -> None:
    status = {
        "wf": node("wf", "Succeeded", "") | {"outputs": {"exitCode": "0"}},
        "e": node("onExit", "Running", ""),
    }
    steps = nodes_of(found(status, kind="container"))
    assert told(steps) == [("whole", "Succeeded"), ("onExit", "Running")]
    assert steps[0].exit_status == 0


def test_nodes_that_hold_each_other_end_somewhere() -> None:
    loop = {"a": node("one", "Running", "b"), "b": node("two", "Running", "a")}
    loop["wf"] = node("wf", "Running", "a", "Pod")
    assert nodes_of(found(loop, "one", kind="container"))


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"offloadNodeStatusVersion": "fnv:1"}, "offloaded"),
        ({"compressedNodes": "H4sI"}, "compressed"),
        ({}, ""),
    ],
)
def test_nodes_that_lie_elsewhere_are_said_to_be_there(status: Json, why: str) -> None:
    said = missing_nodes({"status": status})
    assert why in said
    assert bool(said) is bool(why)


@pytest.mark.parametrize(
    "nodes",
    [
        ["a"],
        {"a": "x"},
        {"a": {"boundaryID": ["x"]}},
        {"a": node("one", "Running") | {"startedAt": "soon"}},
        {"a": node("one", "Running") | {"displayName": 1}},
        {"a": node("one", "Running") | {"outputs": "x"}},
    ],
)
def test_nodes_in_no_known_form_are_malformed(nodes: Any) -> None:
    with pytest.raises(MalformedInput):
        work_of(found(nodes, "one"), PLACE)


def test_ten_thousand_nodes_are_read_in_their_time() -> None:
    """Each is looked at once: the time grows with their number, not with its square."""
    status = {f"n{one}": node(f"one({one}:x)", "Running") for one in range(10_000)}
    (step,) = nodes_of(found(status, "one"))
    assert len(step.nodes) == 10_000
