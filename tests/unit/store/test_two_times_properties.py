"""Both times are exact: every question, at every past moment and at every entry, is
answered as a naive replay answers it, and the order of the log decides nothing."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.facts import Fact, FactKind, Relation, Strength, fact_id
from store.identifiers import (
    commit_key,
    dataset_version_key,
    experiment_key,
    job_key,
    model_key,
    model_version_key,
    run_key,
)
from store.projection.rebuild import compare_with_rebuilt
from store.queries.lineage import Direction, neighbours, walk
from store.queries.models import aliases_held, list_versions, stages_held
from store.queries.runs import list_runs, metrics_of
from store.queries.tenures import tags_held
from tests.replay import Replay
from tests.told import Batch, projection_of

if TYPE_CHECKING:
    import duckdb

pytestmark = pytest.mark.slow
START = datetime(2026, 1, 1, tzinfo=UTC)
LAST_HOUR = 12
SOURCES = ("dev", "events")
RUNS: list[str] = [run_key("dev", name) for name in ("", "a", "b")]
MODEL = model_key("dev", "fraud")
VERSIONS: list[str] = [
    model_version_key("dev", "fraud", number) for number in ("1", "2")
]
DATA: list[str] = [
    dataset_version_key("loans", digest) for digest in ("sha256:1", "named:2")
]
COMMIT = commit_key("9f")
ENDS: dict[Relation, list[str]] = {
    Relation.READ: DATA,
    Relation.WROTE: DATA,
    Relation.USED: [COMMIT],
    Relation.PRODUCED: VERSIONS,
    Relation.CONTAINS: RUNS,
}


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


HOURS = st.integers(0, LAST_HOUR).map(hour)
MAYBE = st.none() | HOURS
BOUNDS = st.tuples(MAYBE, HOURS).map(
    lambda pair: (pair[0] and min(pair[0], pair[1]), pair[1])
)
TEXTS = st.sampled_from(["", "x", "y"])


@st.composite
def tags(draw: st.DrawFn) -> Fact:
    """A tag, a parameter or a description; some say since when."""
    kind = draw(st.sampled_from([FactKind.TAG, FactKind.PARAM, FactKind.MODEL]))
    bounds = st.just((None, None))
    low, high = draw(bounds if kind is FactKind.PARAM else bounds | BOUNDS)
    name = "fraud" if kind is FactKind.MODEL else draw(st.sampled_from(["", "k"]))
    subject = MODEL if kind is FactKind.MODEL else draw(st.sampled_from(RUNS[:2]))
    return Fact(
        kind=kind,
        subject=subject,
        name=name,
        text=draw(st.none() | TEXTS),
        low=low,
        high=high,
    )


@st.composite
def places(draw: st.DrawFn) -> Fact:
    """An alias that moves, or a stage."""
    low, high = draw(BOUNDS)
    if draw(st.booleans()):
        return Fact(
            kind=FactKind.ALIAS,
            subject=MODEL,
            name="champion",
            object=draw(st.sampled_from(["", *VERSIONS])),
            low=low,
            high=high,
        )
    return Fact(
        kind=FactKind.STAGE,
        subject=draw(st.sampled_from(VERSIONS)),
        name=draw(st.sampled_from(["", "Staging", "Production"])),
        low=low,
        high=high,
    )


@st.composite
def runs(draw: st.DrawFn) -> Fact:
    """An account of a run: a tracking server's, or what events add up to."""
    groups = [experiment_key("dev", "1"), job_key("events", "n", "train")]
    return Fact(
        kind=FactKind.RUN,
        subject=draw(st.sampled_from(RUNS)),
        object=draw(st.sampled_from(groups)),
        name=draw(st.sampled_from(["", "train"])),
        status=draw(st.sampled_from(["RUNNING", "FINISHED", "FAILED"])),
        started=draw(MAYBE),
        ended=draw(MAYBE),
    )


@st.composite
def metrics(draw: st.DrawFn) -> Fact:
    return Fact(
        kind=FactKind.METRIC,
        subject=draw(st.sampled_from(RUNS[:2])),
        name="r2",
        text=draw(st.sampled_from(["0.1", "0.2"])),
        step=draw(st.none() | st.integers(0, 1)),
        started=draw(MAYBE),
    )


@st.composite
def links(draw: st.DrawFn) -> Fact:
    relation = draw(st.sampled_from(list(ENDS)))
    return Fact(
        kind=FactKind.EDGE,
        subject=draw(st.sampled_from(RUNS)),
        name=relation.value,
        object=draw(st.sampled_from(ENDS[relation])),
        strength=draw(st.sampled_from([Strength.DECLARED, Strength.OBSERVED])).value,
    )


@st.composite
def things(draw: st.DrawFn) -> Fact:
    """Versions, commits and snapshots with when they were made, and deletions."""
    kind, subject = draw(
        st.sampled_from(
            [
                (FactKind.MODEL_VERSION, VERSIONS[0]),
                (FactKind.MODEL_VERSION, VERSIONS[1]),
                (FactKind.DELETION, VERSIONS[0]),
                (FactKind.COMMIT, COMMIT),
                (FactKind.DATASET_VERSION, DATA[0]),
            ]
        )
    )
    made = None if kind is FactKind.DELETION else draw(MAYBE)
    holder = MODEL if kind is FactKind.MODEL_VERSION else ""
    return Fact(
        kind=kind,
        subject=subject,
        object=holder,
        started=made,
        status=draw(st.sampled_from(["", "READY"])),
    )


FACTS = tags() | places() | runs() | metrics() | links() | things()


@st.composite
def corrections(draw: st.DrawFn, owner: str, mistaken: Fact) -> Fact:
    """What a source says in place of a fact, mostly of the same kind."""
    identity = fact_id(owner, mistaken)
    if draw(st.integers(0, 4)) == 0:
        return replace(draw(FACTS), replaces=identity)
    match mistaken.kind:
        case FactKind.EDGE:
            ends = ENDS[Relation(mistaken.name)]
            return replace(
                mistaken, object=draw(st.sampled_from(ends)), replaces=identity
            )
        case FactKind.ALIAS:
            other = draw(st.sampled_from(["", *VERSIONS]))
            return replace(mistaken, object=other, replaces=identity)
        case FactKind.STAGE:
            return replace(mistaken, name="Archived", replaces=identity)
        case FactKind.RUN | FactKind.MODEL_VERSION:
            return replace(
                mistaken, status="KILLED", started=draw(MAYBE), replaces=identity
            )
        case FactKind.COMMIT | FactKind.DATASET_VERSION:
            return replace(mistaken, started=draw(MAYBE), replaces=identity)
        case FactKind.DELETION:
            low, high = draw(BOUNDS)
            return replace(mistaken, low=low, high=high, replaces=identity)
        case _:
            return replace(mistaken, text="corrected", replaces=identity)


@st.composite
def histories(draw: st.DrawFn, *, once: bool = False) -> list[Batch]:
    """Batches of two sources, heard late and out of order, with corrections among them
    of what was told, is yet to be told, or is told by the other source.

    `once`: no source tells a thing twice, so that no telling of it is the first.
    """
    count = draw(st.integers(2, 5))
    heard = draw(st.permutations(range(LAST_HOUR)))[:count]
    pool = draw(st.lists(FACTS, min_size=3, max_size=14))
    pairs = [(source, fact) for fact in pool for source in SOURCES]
    batches: list[Batch] = []
    told: set[str] = set()
    for moment in heard:
        source = draw(st.sampled_from(SOURCES))
        facts = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=7))
        if draw(st.booleans()):
            before = [(b.source, fact) for b in batches for fact in b.facts]
            owner, mistaken = draw(st.sampled_from(before or pairs))
            facts.append(draw(corrections(owner, mistaken)))
            source = draw(st.sampled_from([owner, owner, owner, *SOURCES]))
            pool.append(facts[-1])
        if once:
            facts = [f for f in dict.fromkeys(facts) if fact_id(source, f) not in told]
            told |= {fact_id(source, fact) for fact in facts}
        batches.append(Batch(source, hour(moment), facts))
    return [batch for batch in batches if batch.facts]


def answers(
    connection: duckdb.DuckDBPyConnection, as_of: datetime | None
) -> dict[str, object]:
    """What the queries say at a moment."""
    return {
        "aliases": {
            (alias.model, alias.name): {
                "value": alias.version,
                "certainty": alias.certainty,
                "not_before": alias.low,
                "seen_from": alias.high,
                "seen_until": alias.seen_until,
                "not_after": alias.not_after,
                "instead": alias.instead,
            }
            for alias in aliases_held(connection, as_of=as_of)
        },
        "stages": {
            (key, ""): asdict(held)
            for key, held in stages_held(connection, as_of=as_of).items()
        },
        "texts": {
            (kind.value, subject): {
                name: asdict(held)
                for name, held in tags_held(connection, kind, subject, as_of).items()
            }
            for kind, subject in TEXTED
        },
        "metrics": {
            run: {m.name: m.value for m in metrics_of(connection, run, as_of=as_of)}
            for run in RUNS[:2]
        },
        "runs": {
            run.key: {
                "name": run.name,
                "status": run.status,
                "started": run.started,
                "ended": run.ended,
                "certainty": run.certainty,
            }
            for run in list_runs(connection, limit=99, as_of=as_of)
        },
        "versions": {
            version.key: {
                "certainty": version.certainty,
                "created": version.created,
                "status": version.status,
                "deleted": version.deleted and version.deleted.high,
                "run": version.run_key,
            }
            for version in list_versions(connection, as_of=as_of)
        },
        "walks": {
            (start, way): (
                set(closure.nodes),
                {(e.subject, e.relation, e.object) for e in closure.edges},
            )
            for start in WALKED
            for way in Direction
            for closure in [walk(connection, start, way, as_of=as_of)]
        },
    }


TEXTED = [
    (FactKind.TAG, RUNS[0]),
    (FactKind.TAG, RUNS[1]),
    (FactKind.PARAM, RUNS[0]),
    (FactKind.PARAM, RUNS[1]),
    (FactKind.MODEL, MODEL),
]
WALKED = [RUNS[0], VERSIONS[0], DATA[0]]


def replayed(batches: list[Batch], as_of: datetime | None) -> dict[str, object]:
    """What a naive replay says at a moment."""
    replay = Replay(batches)
    aliases = replay.tracks(FactKind.ALIAS, as_of)
    for held in aliases.values():
        for name in ("value", "instead"):
            if held[name] is not None:
                held[name] = str(held[name]).rpartition("/")[2]
    return {
        "aliases": aliases,
        "stages": replay.tracks(FactKind.STAGE, as_of),
        "texts": {
            (kind.value, subject): replay.texts(kind, subject, as_of)
            for kind, subject in TEXTED
        },
        "metrics": {run: replay.metrics(run, as_of) for run in RUNS[:2]},
        "runs": replay.runs(as_of),
        "versions": replay.versions(as_of),
        "walks": {
            (start, way): replay.closure(start, way.value, as_of)
            for start in WALKED
            for way in Direction
        },
    }


MOMENTS = st.none() | HOURS
SLOWLY = settings(
    max_examples=max(settings().max_examples // 10, 1),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@SLOWLY
@given(histories(), MOMENTS, st.integers(0, 4))
def test_every_question_is_answered_as_a_naive_replay_answers_it(
    batches: list[Batch], as_of: datetime | None, hidden: int
) -> None:
    known_at = max(len(batches) - 1 - hidden, 0)
    with tempfile.TemporaryDirectory() as folder:
        projection = projection_of(batches, Path(folder) / "p")
        with projection.reading(known_at) as connection:
            found = answers(connection, as_of)
    for question, answer in replayed(batches[: known_at + 1], as_of).items():
        assert found[question] == answer, question


@SLOWLY
@given(histories(once=True), st.randoms(use_true_random=False), MOMENTS)
def test_the_order_of_the_log_changes_no_answer_by_event_time(
    batches: list[Batch], random: Random, as_of: datetime | None
) -> None:
    shuffled = list(batches)
    random.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for name, order in (("p", batches), ("q", shuffled)):
            projection = projection_of(order, Path(folder) / name)
            with projection.reading() as connection:
                found.append(answers(connection, as_of))
    assert found[0] == found[1]


@SLOWLY
@given(histories())
def test_whatever_was_told_a_rebuilt_projection_is_the_same(
    batches: list[Batch],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        projection = projection_of(batches, Path(folder) / "p")
        assert compare_with_rebuilt(projection) == []


@SLOWLY
@given(histories(), HOURS)
def test_a_link_that_counts_says_how_sure_it_is(
    batches: list[Batch], as_of: datetime
) -> None:
    replay = Replay(batches)
    with tempfile.TemporaryDirectory() as folder:
        projection = projection_of(batches, Path(folder) / "p")
        with projection.reading() as connection:
            for way in Direction:
                for _, edge in neighbours(connection, RUNS, way, as_of=as_of):
                    run = edge.object if edge.relation == "contains" else edge.subject
                    known = replay.began(run)
                    assert edge.certainty == ("certain" if known else "possible")
                    assert known is None or known <= as_of
