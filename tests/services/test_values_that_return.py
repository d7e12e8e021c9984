"""A value that comes back is the present one, whatever was told before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from console.services import catalogue, inspection
from console.services.moments import Asked
from store.facts import Fact, FactKind
from store.identifiers import (
    experiment_key,
    job_key,
    model_key,
    model_version_key,
    run_key,
)
from store.projection import keeping
from tests.worlds import NOON, World

RUN = run_key("mlflow", "a")
VERSION = Fact(
    kind=FactKind.MODEL_VERSION,
    subject=model_version_key("mlflow", "fraud", "1"),
    object=model_key("mlflow", "fraud"),
    name="1",
)


def run(text: str) -> Fact:
    return Fact(
        kind=FactKind.RUN,
        subject=RUN,
        object=experiment_key("mlflow", "0"),
        name="train",
        status=text,
    )


def tag(text: str) -> Fact:
    return Fact(kind=FactKind.TAG, subject=RUN, name="dirty", text=text)


def experiment(text: str) -> Fact:
    return Fact(
        kind=FactKind.EXPERIMENT, subject=experiment_key("mlflow", "0"), name=text
    )


def description(text: str) -> Fact:
    return Fact(kind=FactKind.MODEL, subject=VERSION.object, name="fraud", text=text)


def tells_status(world: World, asked: Asked) -> str:
    return catalogue.runs(world.store, limit=1, asked=asked)[0].status


def tells_tag(world: World, asked: Asked) -> str:
    return dict(inspection.details(world.store, "run:a", asked).tags)["dirty"]


def tells_experiment(world: World, asked: Asked) -> str:
    return catalogue.experiments(world.store, asked)[0].name


def tells_description(world: World, asked: Asked) -> str:
    shown = inspection.details(world.store, "model:fraud@1", asked)
    return dict(shown.fields)["description"]


CASES = [
    (run, tells_status),
    (tag, tells_tag),
    (experiment, tells_experiment),
    (description, tells_description),
]


@pytest.mark.parametrize(("fact", "tells"), CASES)
def test_what_is_again_what_it_was_is_told_again(
    world: World,
    fact: Callable[[str], Fact],
    tells: Callable[[World, Asked], str],
) -> None:
    known: list[int] = []
    world.tell(VERSION, *([] if fact is run else [run("FINISHED")]))
    for text in ("one", "two", "one", "two", "three", "one"):
        world.clock.forward(hours=1)
        world.tell(fact(text))
        known.append(world.store.index.size - 1)
        assert tells(world, Asked()) == text
        again = world.tell(fact(text))
        assert (again.new, again.index) == ({}, None)
    assert [tells(world, Asked(known_at=entry)) for entry in known] == [
        *("one", "two", "one", "two", "three", "one")
    ]


def test_what_returns_is_found_in_whichever_window_it_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a few rows that are looked up together, and of a thing told in two of them."""
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", 1)
    others = [
        Fact(kind=FactKind.TAG, subject=RUN, name=f"other {n}", text="as ever")
        for n in range(5)
    ]
    for text in ("clean", "dirty"):
        world.clock.forward(hours=1)
        world.tell(run("FINISHED"), *others, tag(text))
    world.clock.forward(hours=1)
    report = world.tell(tag("clean"), run("FINISHED"), *others, tag("clean"))
    assert report.new == {"tag": 1}
    assert tells_tag(world, Asked()) == "clean"


def test_a_tag_is_answered_at_each_moment_as_it_was_last_seen(world: World) -> None:
    world.tell(run("FINISHED"))
    for text in ("clean", "dirty", "clean"):
        world.clock.forward(hours=1)
        world.tell(tag(text))

    def at(minutes: int) -> tuple[str, str]:
        asked = Asked(as_of=NOON + timedelta(minutes=minutes))
        shown = inspection.details(world.store, "run:a", asked)
        (held,) = [held for name, held in shown.held if name == "tag dirty"]
        return held.value, str(held.certainty)

    assert at(30) == ("clean", "possible")
    assert at(60) == ("clean", "certain")
    assert at(90) == ("clean", "unobserved")
    assert at(150) == ("dirty", "unobserved")
    assert at(180) == ("clean", "certain")
    assert at(240) == ("clean", "possible")


def test_what_events_add_up_to_is_never_told_back(world: World) -> None:
    """A receiver that hears an early part late changes nothing for the worse."""
    early = Fact(
        kind=FactKind.RUN,
        subject=RUN,
        object=job_key("events", "n", "train"),
        status="RUNNING",
        started=NOON,
    )
    late = Fact(
        kind=FactKind.RUN,
        subject=RUN,
        object=early.object,
        status="FINISHED",
        started=NOON.replace(hour=13),
        ended=NOON.replace(hour=14),
    )
    for fact in (early, late, early, late, early):
        world.clock.forward(hours=1)
        world.tell(fact, source="events")
    (found,) = catalogue.runs(world.store, limit=9)
    assert (found.status, found.started, found.ended) == (
        "FINISHED",
        NOON,
        NOON.replace(hour=14),
    )
    assert len(world.store.index.batches(0)) == 2
