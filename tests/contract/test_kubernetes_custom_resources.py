"""Custom resources: schemas, the status apart, and apply, as a real server has them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.kubernetes_places import (
    APPLY,
    KINDS,
    MERGE,
    STRATEGIC,
    KubernetesPlace,
    Widgets,
    kubernetes_place,
    merged,
    widgets,
)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def wd(place: KubernetesPlace) -> Iterator[Widgets]:
    with widgets(place) as found:
        yield found


def test_the_status_is_written_apart(place: KubernetesPlace, wd: Widgets) -> None:
    made = place.ask(
        "POST", wd.path, merged(wd.body("a"), {"status": {"phase": "Faked"}})
    )
    assert "status" not in made.body
    path = f"{wd.path}/a"
    place.ask("PATCH", path, {"status": {"phase": "Faked"}}, MERGE)
    assert "status" not in place.ask("GET", path).body
    both = {"status": {"phase": "Ready"}, "spec": {"size": 7}}
    told = place.ask("PATCH", f"{path}/status", both, MERGE)
    assert told["status"] == {"phase": "Ready"}
    assert told["spec"]["size"] == 1
    assert told["metadata"]["generation"] == 1
    grown = place.ask("PATCH", path, {"spec": {"size": 2}}, MERGE)
    assert grown["metadata"]["generation"] == 2
    assert grown["status"] == {"phase": "Ready"}


def test_a_custom_resource_is_pruned_and_filled_in(wd: Widgets) -> None:
    made = wd.make(
        "a",
        unknown=1,
        port="http",
        free={"any": {"thing": 1}},
        parts=[{"name": "x", "extra": 1}],
    )
    assert made.status == 201, made.body
    assert made["spec"] == {
        "size": 1,
        "colour": "red",
        "port": "http",
        "free": {"any": {"thing": 1}},
        "parts": [{"name": "x", "count": 1}],
    }


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"size": "big"}, "spec.size", "FieldValueTypeInvalid"),
        ({"size": 10}, "spec.size", "FieldValueInvalid"),
        ({"size": 1, "colour": "blue"}, "spec.colour", "FieldValueNotSupported"),
        ({"size": 1, "port": 1.5}, "spec.port", "FieldValueTypeInvalid"),
        ({"size": 1, "tags": ["a", "a"]}, "spec.tags[1]", "FieldValueDuplicate"),
        ({"size": 1, "parts": [{}]}, "spec.parts[0].name", "FieldValueRequired"),
        ({"size": None}, "spec.size", "FieldValueRequired"),
        ({"size": 1, "labels": {"a": 1}}, "spec.labels.a", "FieldValueTypeInvalid"),
    ],
)
def test_a_custom_resource_is_held_to_its_schema(
    wd: Widgets, spec: dict[str, object], field: str, reason: str
) -> None:
    answer = wd.make("a", **spec)
    assert (answer.status, answer["reason"]) == (422, "Invalid")
    causes = answer["details"]["causes"]
    assert (field, reason) in {(one["field"], one["reason"]) for one in causes}


def test_null_stays_only_where_it_may(wd: Widgets) -> None:
    made = wd.make("a", maybe=None, colour=None, tags=None, labels={"a": None})
    assert made["spec"] == {"size": 1, "maybe": None, "colour": "red", "labels": {}}


def test_a_rule_that_a_field_is_immutable_is_held_to(
    place: KubernetesPlace, wd: Widgets
) -> None:
    wd.make("a", once="this")
    path = f"{wd.path}/a"
    answer = place.ask("PATCH", path, {"spec": {"once": "that"}}, MERGE)
    assert (answer.status, answer["reason"]) == (422, "Invalid")
    assert "field is immutable" in answer["message"]


def test_a_custom_resource_takes_no_strategic_patch(
    place: KubernetesPlace, wd: Widgets
) -> None:
    wd.make("a")
    body = {"spec": {"size": 2}}
    assert place.ask("PATCH", f"{wd.path}/a", body, STRATEGIC).status == 415


def test_a_custom_resource_is_replaced_only_with_its_version(
    place: KubernetesPlace, wd: Widgets
) -> None:
    wd.make("a")
    answer = place.ask("PUT", f"{wd.path}/a", wd.body("a", size=2))
    assert (answer.status, answer["reason"]) == (422, "Invalid")


def test_a_definition_must_be_structural(place: KubernetesPlace) -> None:
    from tests.contract.kubernetes_places import widget_definition

    definition = widget_definition("u.countersign.example")
    version = definition["spec"]["versions"][0]
    version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["x"] = {}
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    answer = place.ask("POST", root, definition)
    assert (answer.status, answer["reason"]) == (422, "Invalid")


def test_applying_owns_fields_and_meets_conflicts(
    place: KubernetesPlace, wd: Widgets
) -> None:
    path = f"{wd.path}/a"
    mine = wd.body("a", size=1, tags=["x"], parts=[{"name": "p", "count": 2}])
    made = place.ask("PATCH", path, mine, APPLY, fieldManager="one")
    assert made.status == 201, made.body
    entry = made["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"]) == ("one", "Apply")
    assert entry["fieldsV1"]["f:spec"] == {
        "f:size": {},
        "f:tags": {'v:"x"': {}},
        "f:parts": {'k:{"name":"p"}': {".": {}, "f:count": {}, "f:name": {}}},
    }
    theirs = wd.body("a", size=2, tags=["y"])
    fight = place.ask("PATCH", path, theirs, APPLY, fieldManager="two")
    assert (fight.status, fight["reason"]) == (409, "Conflict")
    causes = fight["details"]["causes"]
    assert [(one["reason"], one["field"]) for one in causes] == [
        ("FieldManagerConflict", ".spec.size")
    ]
    assert 'conflict with "one"' in causes[0]["message"]
    forced = place.ask("PATCH", path, theirs, APPLY, fieldManager="two", force="true")
    assert forced["spec"]["size"] == 2
    assert forced["spec"]["tags"] == ["x", "y"]
    fewer = wd.body("a")
    del fewer["spec"]["size"]
    left = place.ask("PATCH", path, fewer, APPLY, fieldManager="one")
    assert left["spec"] == {"size": 2, "colour": "red", "tags": ["y"]}


def test_applying_the_same_again_changes_nothing(
    place: KubernetesPlace, wd: Widgets
) -> None:
    path = f"{wd.path}/a"
    one = place.ask("PATCH", path, wd.body("a"), APPLY, fieldManager="m")
    two = place.ask("PATCH", path, wd.body("a"), APPLY, fieldManager="m")
    assert (one.status, two.status) == (201, 200)
    versions = [found["metadata"]["resourceVersion"] for found in (one, two)]
    assert versions[0] == versions[1]


def test_applying_needs_the_name_of_a_manager(
    place: KubernetesPlace, wd: Widgets
) -> None:
    answer = place.ask("PATCH", f"{wd.path}/a", wd.body("a"), APPLY)
    assert answer.status in (400, 422)


def test_a_table_has_columns_and_rows(place: KubernetesPlace, wd: Widgets) -> None:
    wd.make("a", size=3)
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = place.ask("GET", wd.path, accept=accept)
    assert table["kind"] == "Table"
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Size"]
    assert table["rows"][0]["cells"] == ["a", 3]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_a_definition_that_goes_takes_its_objects_along(
    place: KubernetesPlace,
) -> None:
    with widgets(place) as wd:
        wd.make("a")
        root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        place.ask("DELETE", f"{root}/widgets.{wd.group}")
        for _ in range(100):
            if place.ask("GET", f"{wd.path}/a").status == 404:
                break
            threading.Event().wait(0.1)
        else:
            pytest.fail("the object is still there")
