"""Whatever stands in a manifest or a runtime, a plan is made or refused as such."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import ConnectorError, MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import KINDS, Served, kind_of
from connectors.kubernetes.runtimes import Runtime, overriding_images, sets_of
from connectors.kubernetes.templates import images_of
from connectors.kubernetes.works import work_of
from connectors.pipelines.kubernetes_leads import Leads
from connectors.pipelines.kubernetes_planning import plan_manifest
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import LaunchRequest
from tests.contract.kubernetes_flavours import (
    MPI,
    PYTORCH,
    TENSORFLOW,
    operated,
    runtime,
    trained,
    workflow,
)
from tests.contract.kubernetes_launching import manifest_of_steps

MANIFESTS = [
    manifest_of_steps("quick", "fails"),
    operated(PYTORCH, "quick", "fails", workers=2),
    operated(TENSORFLOW, "quick"),
    operated(MPI, "quick"),
    trained("quick"),
    workflow("quick", "fails"),
]
ODD = st.recursive(
    st.sampled_from([None, True, 0, -1, "", "x", "{{x}}", "a@sha256:1", "\x1b[2J"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["name", "image", "inline", "templateRef", "env", "steps", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=4,
)


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [path] if path else []
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for key, one in inner:
        found += places_of(one, (*path, key))
    return found


@st.composite
def disturbed(draw: st.DrawFn, documents: list[Json]) -> Json:
    """A document in which one thing is another, or gone."""
    found = copy.deepcopy(draw(st.sampled_from(documents)))
    *steps, last = draw(st.sampled_from(places_of(found)))
    place: Any = found
    for step in steps:
        place = place[step]
    if draw(st.booleans()):
        place[last] = draw(ODD)
    else:
        del place[last]
    return found


def leads_by(spec: Any) -> Any:
    def leads(manifest: Json) -> Leads:
        sets = sets_of(manifest, Runtime("TrainingRuntime", "x", "u", 1, "", spec))
        return Leads(sets, (*images_of(sets), *overriding_images(manifest)), ())

    return leads


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifest=disturbed(MANIFESTS))
def test_a_disturbed_manifest_is_planned_or_refused(
    tmp_path: Path, manifest: Json
) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    request = LaunchRequest(str(path), settings={"A": "1"})
    with contextlib.suppress(ConnectorError):
        plan = plan_manifest(request, "there", "", leads_by(runtime("quick")["spec"]))
        assert read_plan(plan.to_bytes()) == plan
        assert plan.images
        assert all("@sha256:" in image for image in plan.images)


@settings(max_examples=200)
@given(spec=disturbed([runtime("quick", "fails")["spec"]]))
def test_a_disturbed_runtime_leads_somewhere_or_is_malformed(spec: Json) -> None:
    with contextlib.suppress(MalformedInput):
        assert all(
            isinstance(image, str) for image in leads_by(spec)(MANIFESTS[4]).images
        )


@settings(max_examples=300)
@given(manifest=disturbed(MANIFESTS), status=ODD, nodes=ODD)
def test_a_disturbed_job_is_read_or_malformed(
    manifest: Json, status: Any, nodes: Any
) -> None:
    with contextlib.suppress(ConnectorError):
        kind = kind_of(manifest)
        if isinstance(status, dict):
            status = status | {"nodes": nodes, "storedTemplates": nodes}
        metadata = {"name": "x", "namespace": "n", "uid": "u", "resourceVersion": "1"}
        found = manifest | {"metadata": metadata, "status": status}
        work_of(found, Served(kind, kind.versions[0]))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_nothing_at_all_is_malformed_for_every_kind(kind: Any) -> None:
    with pytest.raises(MalformedInput):
        work_of({}, Served(kind, kind.versions[0]))
