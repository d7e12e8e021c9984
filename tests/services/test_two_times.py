"""Importing again, in another order or after a source broke off, changes no answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.openlineage_received import ReceivedEvents
from connectors.protocols import KnownState
from console.services import catalogue, inspection
from console.services.importing import import_address, import_source
from console.services.moments import NOW, Asked
from console.services.signing import act_as_service
from console.services.tenures import model_history
from policies.trust_root import ServiceKind
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import dataset_version_key, run_key
from store.queries.lineage import Direction
from store.queries.runs import list_runs
from store.queries.tenures import tags_held
from tests.mlflow_folders import Registry
from tests.told import Batch, projection_of
from tests.worlds import NOON, ToldSource, World, new_world

IDS = [f"01930000-0000-7000-8000-00000000000{n}" for n in range(3)]
START = datetime(2026, 1, 1, tzinfo=UTC)


def event(run: str, minute: int, kind: str, **tags: str) -> dict[str, object]:
    told = [{"key": name, "value": value} for name, value in tags.items()]
    return {
        "eventTime": (START + timedelta(minutes=minute)).isoformat(),
        "eventType": kind,
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": run, "facets": {"tags": {"tags": told}} if told else {}},
        "job": {"namespace": "n", "name": "train"},
        "inputs": [{"namespace": "file", "name": f"loans-{minute % 2}"}],
    }


EVENTS = st.builds(
    event,
    st.sampled_from(IDS[:2]),
    st.integers(0, 9),
    st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL"]),
    colour=st.sampled_from(["red", "blue"]),
)


def parts(
    events: Sequence[dict[str, object]], random: Random
) -> list[list[dict[str, object]]]:
    """The events in some order, cut into some parts."""
    shuffled = list(events)
    random.shuffle(shuffled)
    cuts = sorted(random.randrange(len(events) + 1) for _ in range(2))
    bounds = [0, *cuts, len(events)]
    pieces = [shuffled[a:b] for a, b in itertools.pairwise(bounds)]
    return [piece for piece in pieces if piece]


@pytest.mark.slow
@settings(
    max_examples=max(settings().max_examples // 12, 1),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(EVENTS, min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_events_say_the_same_in_whatever_order_and_parts_they_are_imported(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[dict[str, object]],
    random: Random,
) -> None:
    folder = tmp_path_factory.mktemp("events")
    found = []
    for number, pieces in enumerate(([events], parts(events, random))):
        told = []
        for piece in (*pieces, pieces[0]):
            kept = [json.dumps(one).encode() for one in piece]
            facts = list(ReceivedEvents("ol", kept).facts(KnownState(NOON)))
            told.append(Batch("ol", NOON, facts))
        projection = projection_of(told, folder / str(number))
        with projection.reading() as connection:
            found.append(
                [
                    (
                        list_runs(connection, limit=9, as_of=moment),
                        [
                            {
                                name: (held.value, held.seen_from, held.certainty)
                                for name, held in tags_held(
                                    connection, FactKind.TAG, key, moment
                                ).items()
                            }
                            for key in (run_key("ol", IDS[0]), run_key("ol", IDS[1]))
                        ],
                    )
                    for moment in (
                        None,
                        *(START + timedelta(minutes=m) for m in range(10)),
                    )
                ]
            )
    assert found[0] == found[1]


def answers(world: World, asked: Asked = NOW) -> list[object]:
    store = world.store
    return [
        catalogue.models(store, asked),
        catalogue.runs(store, limit=99, asked=asked),
        catalogue.experiments(store, asked),
        catalogue.datasets(store, asked),
        catalogue.commits(store, limit=99, asked=asked),
        model_history(store, "model:fraud", asked),
        [
            (set(closure.nodes), set(closure.edges))
            for direction in Direction
            for closure in [
                inspection.lineage(
                    store, f"run:{IDS[0]}", direction, depth=9, asked=asked
                )
            ]
        ],
    ]


def test_sources_say_the_same_in_whatever_order_and_however_often_they_are_imported(
    tmp_path: Path,
) -> None:
    registry = Registry(tmp_path / "mlruns")
    registry.version("fraud", 1, "Production")
    registry.point("fraud", {"champion": 1})
    files = []
    for number, minutes in enumerate(([0, 3], [1, 2], [5])):
        files.append(tmp_path / f"part-{number}.ndjson")
        kinds = {0: "START", 3: "RUNNING", 1: "RUNNING", 2: "OTHER", 5: "COMPLETE"}
        lines = [event(IDS[0], m, kinds[m], colour=f"c{m // 2}") for m in minutes]
        files[-1].write_text("".join(json.dumps(line) + "\n" for line in lines))
    addresses = [str(registry.path), *map(str, files)]
    moments = [None, *(START + timedelta(minutes=m) for m in range(6)), NOON]
    found = []
    for order in ((0, 1, 2, 3), (3, 2, 1, 0, 1, 3), (2, 0, 0, 3, 1, 2)):
        world = new_world(tmp_path / "".join(map(str, order)))
        acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
        for position in order:
            name = "dev" if position == 0 else "ol"
            import_address(world.store, acting, addresses[position], name=name)
        size = world.store.index.size
        for position in order:
            name = "dev" if position == 0 else "ol"
            import_address(world.store, acting, addresses[position], name=name)
        assert world.store.index.size == size
        found.append([answers(world, Asked(as_of=moment)) for moment in moments])
        world.store.close()
    assert found[0] == found[1] == found[2]


def test_a_source_that_dies_half_way_leaves_nothing_and_resumes(world: World) -> None:
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    facts = [
        Fact(
            kind=FactKind.RUN,
            subject=run_key("mlflow", str(number)),
            name=str(number),
            started=NOON,
        )
        for number in range(50)
    ] + [
        Fact(
            kind=FactKind.EDGE,
            subject=run_key("mlflow", str(number)),
            name=Relation.READ.value,
            object=dataset_version_key("loans", "sha256:1"),
            strength=Strength.DECLARED.value,
        )
        for number in range(50)
    ]
    size = world.store.index.size
    for breaks_after in (0, 1, 60, 99):
        source = ToldSource("mlflow", facts, breaks_after=breaks_after)
        with pytest.raises(OSError, match="died"):
            import_source(world.store, acting, source)
        assert world.store.catch_up() == size
        assert catalogue.runs(world.store, limit=99) == []
        assert not list(world.store.folder.glob("tmp*"))
    report = import_source(world.store, acting, ToldSource("mlflow", facts))
    assert report.new == {"run": 50, "edge": 50}
    again = import_source(world.store, acting, ToldSource("mlflow", facts))
    assert (again.new, again.index) == ({}, None)
    assert [d.readers for d in catalogue.datasets(world.store)] == []
    closure = inspection.lineage(world.store, "run:7", Direction.UP, depth=2)
    assert len(closure.nodes) == 2


def test_a_source_that_dies_in_an_import_that_corrects_leaves_the_old_fact(
    world: World,
) -> None:
    from dataclasses import replace

    from store.facts import fact_id

    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    wrong = Fact(kind=FactKind.TAG, subject=run_key("mlflow", "a"), name="k", text="x")
    right = replace(wrong, text="y", replaces=fact_id("mlflow", wrong))
    world.tell(Fact(kind=FactKind.RUN, subject=wrong.subject, name="a"), wrong)
    before = world.store.index.size - 1
    with pytest.raises(OSError, match="died"):
        import_source(
            world.store, acting, ToldSource("mlflow", [right, right], breaks_after=1)
        )
    assert inspection.details(world.store, "run:a").tags == (("k", "x"),)
    report = world.tell(right)
    assert report.new == {"tag": 1}
    assert inspection.details(world.store, "run:a").tags == (("k", "y"),)
    then = inspection.details(world.store, "run:a", Asked(known_at=before))
    assert then.tags == (("k", "x"),)
    assert world.tell(wrong, right).new == {}
