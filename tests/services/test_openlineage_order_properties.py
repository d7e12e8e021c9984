"""Whatever the order, however often and by however many imports a run is told of."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.openlineage import OpenLineageSource
from connectors.openlineage_received import ReceivedEvents, Reception
from connectors.protocols import KnownState
from console.services.importing import import_source
from console.services.inspection import details
from console.services.opened import OpenStore
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.facts import Fact
from store.identifiers import dataset_version_key, run_key
from store.queries.lineage import Direction, neighbours
from store.queries.runs import list_runs
from tests.worlds import NOON, World

SHA = "sha256:" + "ab" * 32
COMMIT = "0123456789abcdef" * 2 + "01234567"
COLUMNS = {
    "fields": {
        "a": {"inputFields": [{"namespace": "s3://b", "name": "raw", "field": "b"}]}
    }
}


def event(
    native_id: str, kind: str | None, minute: int | None, **changed: Any
) -> bytes:
    value = {
        "eventType": kind,
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": native_id},
        "job": {"namespace": "n", "name": "j"},
        **changed,
    }
    if minute is not None:
        value["eventTime"] = f"2026-01-02T03:{minute:02d}:00Z"
    return json.dumps(value).encode()


def dataset(name: str, **facets: Any) -> dict[str, Any]:
    return {"namespace": "s3://b", "name": name, "facets": facets}


def events(run: str) -> list[bytes]:
    """One run with everything that could depend on the order."""
    version = {"datasetVersion": SHA}
    parent = {"parent": {"run": {"runId": run[:-1] + "f"}, "job": {"name": "dag"}}}
    code = {"sourceCodeLocation": {"version": COMMIT}}
    return [
        event(run, "START", 2, inputs=[dataset("raw"), dataset("never versioned")]),
        event(run, "OTHER", 1, job={"namespace": "a", "name": "another"}),
        event(run, "RUNNING", 3, inputs=[dataset("raw", version=version)]),
        event(run, "RUNNING", 4, run={"runId": run, "facets": parent}),
        event(run, None, 5, job={"namespace": "n", "name": "j", "facets": code}),
        event(run, "COMPLETE", 6, outputs=[dataset("mart", columnLineage=COLUMNS)]),
        event(run, "FAIL", 6, outputs=[dataset("mart", version=version)]),
        event(run, "ABORT", None),
        event(run, "COMPLETE", 5, inputs=[dataset("raw", x={"_deleted": True})]),
    ]


def as_import(
    store: OpenStore, folder: Path, told: Iterable[bytes], *, sent: bool
) -> None:
    """Take events in from a file, or as the receiver does."""
    acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
    if sent:
        reception = Reception()
        kept = [reception.accepted_event(data) for data in told]
        import_source(store, acting, ReceivedEvents("ol", kept))
        return
    path = folder / f"{uuid.uuid4()}.ndjson"
    path.write_bytes(b"".join(data + b"\n" for data in told))
    import_source(store, acting, OpenLineageSource("ol", path))


def answers(store: OpenStore, run: str) -> str:
    """Everything that is said of a run, with its id taken out."""
    key = run_key("ol", run)
    shown = details(store, f"run:{run.replace('-', '')}")
    with store.projection.reading() as connection:
        (row,) = list_runs(connection, limit=2, key=key)
        up = neighbours(connection, [key], Direction.UP)
        down = [
            edge
            for name in ("raw", "mart", "never versioned")
            for digest in (SHA, "none:unversioned")
            for direction in Direction
            for _, edge in neighbours(
                connection, [dataset_version_key(f"s3://b/{name}", digest)], direction
            )
            if edge.subject == key
        ]
    said = repr((row, sorted(map(repr, up)), sorted(map(repr, down)), shown))
    compact = run.replace("-", "")
    for form in (run[:-1], compact[:-1], compact[:12]):
        said = said.replace(form, "RUN")
    return said


@lru_cache(1)
def told_together() -> list[int]:
    return list(range(len(events(str(uuid.UUID(int=0))))))


@st.composite
def tellings(draw: st.DrawFn) -> list[list[int]]:
    """All events in some order, some more than once, cut into some parts."""
    order = draw(st.permutations(told_together()))
    again = draw(st.lists(st.sampled_from(told_together()), max_size=4))
    whole = draw(st.permutations([*order, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(whole) - 1), max_size=3)))
    return [
        list(whole[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
    ]


def new_run(number: list[int]) -> str:
    number[0] += 1
    return str(uuid.UUID(int=(number[0] * 2654435761 << 64) + (4 << 76), version=4))


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=tellings(), sent=st.lists(st.booleans(), min_size=4, max_size=4))
def test_any_order_of_any_imports_ends_in_the_same_answers(
    world: World, tmp_path: Path, parts: list[list[int]], sent: list[bool]
) -> None:
    number = [int(uuid.uuid4().int >> 96)]
    plain, mixed = new_run(number), new_run(number)
    as_import(world.store, tmp_path, events(plain), sent=False)
    told = events(mixed)
    for part, is_sent in zip(parts, sent, strict=False):
        as_import(world.store, tmp_path, [told[n] for n in part], sent=is_sent)
    wanted = answers(world.store, plain)
    assert answers(world.store, mixed) == wanted
    assert "FAILED" in wanted
    assert "'s3://b/raw'" in wanted or "s3%3A%2F%2Fb%2Fraw" in wanted


@given(parts=tellings())
def test_any_order_within_one_import_tells_the_same_facts(
    parts: list[list[int]],
) -> None:
    told = events(str(uuid.UUID(int=9, version=4)))
    mixed = [told[n] for part in parts for n in part]
    assert _facts(mixed) == _facts(told)


def _facts(told: list[bytes]) -> set[Fact]:
    return set(ReceivedEvents("ol", told).facts(KnownState(NOON)))


def test_what_a_version_is_told_for_later_has_no_link_without_one(
    world: World, tmp_path: Path
) -> None:
    run = str(uuid.UUID(int=77, version=4))
    first, *_, last = events(run)[:3]
    as_import(world.store, tmp_path, [first], sent=True)
    as_import(world.store, tmp_path, [last], sent=True)
    said = answers(world.store, run)
    assert "raw/sha256" in said
    assert "raw/none%3Aunversioned" not in said
    assert "never%20versioned/none%3Aunversioned" in said
