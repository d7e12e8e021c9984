"""Search: the best hit first, misspellings forgiven, hostile text only text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli import main
from console.services.demonstration import Demonstrated
from console.services.inspection import details
from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.searching import MOST_HITS, Hit, find
from store.facts import Fact, FactKind
from store.identifiers import (
    commit_key,
    dataset_key,
    dataset_version_key,
    experiment_key,
    model_key,
    model_version_key,
    run_key,
)
from store.queries.search import MOST_OF_A_KIND, HitKind, Match
from tests.worlds import World

SHA = "c0ffee" * 6 + "beef"
RUN = "0123456789abcdef0123456789abcdef"
DIGEST = "sha256:" + "ab" * 32


def named(
    kind: FactKind,
    subject: str,
    name: str,
    *,
    text: str | None = None,
    target: str = "",
    digest: str = "",
    status: str = "",
) -> Fact:
    return Fact(
        kind=kind,
        subject=subject,
        name=name,
        text=text,
        object=target,
        digest=digest,
        status=status,
    )


HISTORY = (
    *(
        named(FactKind.MODEL, model_key("s", name), name)
        for name in ("fraud", "fraud-lite", "anti-fraud", "defraudment", "churn")
    ),
    named(
        FactKind.MODEL_VERSION,
        model_version_key("s", "fraud", "7"),
        "7",
        target=model_key("s", "fraud"),
    ),
    named(FactKind.EXPERIMENT, experiment_key("s", "1"), "Fraud of 2026"),
    named(FactKind.RUN, run_key("s", RUN), "bright-fox-17", status="RUNNING"),
    named(FactKind.RUN, run_key("s", RUN), "bright-fox-17", status="FINISHED"),
    named(FactKind.DATASET, dataset_key("loans"), "loans"),
    named(
        FactKind.DATASET_VERSION,
        dataset_version_key("loans", DIGEST),
        "loans",
        digest=DIGEST,
    ),
    named(FactKind.COMMIT, commit_key(SHA), "Weigh the groups alike", digest=SHA),
    named(FactKind.TAG, run_key("s", RUN), "team", text="Risk 🦊"),
)


@pytest.fixture
def store(world: World) -> OpenStore:
    world.tell(*HISTORY, source="s")
    return world.store


def texts(hits: list[Hit]) -> list[str]:
    return [hit.text for hit in hits]


def test_the_better_a_name_fits_the_earlier_it_stands(store: OpenStore) -> None:
    assert [(hit.text, hit.match) for hit in find(store, "FRAUD")] == [
        ("fraud", Match.EXACT),
        ("fraud-lite", Match.BEGINNING),
        ("Fraud of 2026", Match.BEGINNING),
        ("anti-fraud", Match.WORD),
        ("defraudment", Match.PART),
    ]


@pytest.mark.parametrize(
    ("typed", "kind", "text"),
    [
        ("fruad", HitKind.MODEL, "fraud"),
        ("xraud", HitKind.MODEL, "fraud"),
        ("chrun", HitKind.MODEL, "churn"),
        ("lones", HitKind.DATASET, "loans"),
        ("brihgt", HitKind.RUN, "bright-fox-17"),
        ("gruops", HitKind.COMMIT, "Weigh the groups alike"),
    ],
)
def test_a_misspelling_finds_what_was_meant(
    store: OpenStore, typed: str, kind: HitKind, text: str
) -> None:
    first = find(store, typed)[0]
    assert (first.kind, first.text, first.match) == (kind, text, Match.SIMILAR)


@pytest.mark.parametrize(
    ("typed", "kinds"),
    [
        ("model:fraud", {HitKind.MODEL}),
        ("experiment:fraud", {HitKind.EXPERIMENT}),
        ("run:bright", {HitKind.RUN}),
        ("Dataset:loans", {HitKind.DATASET}),
        ("commit:groups", {HitKind.COMMIT}),
        ("tag:risk", {HitKind.TAG}),
        ("version:fraud", {HitKind.VERSION}),
        ("run:fraud", set()),
    ],
)
def test_a_kind_in_front_asks_for_that_kind_alone(
    store: OpenStore, typed: str, kinds: set[HitKind]
) -> None:
    assert {hit.kind for hit in find(store, typed)} == kinds


@pytest.mark.parametrize(
    ("typed", "reference"),
    [
        ("fraud@7", "model:s/fraud@7"),
        ("c0ffeec0", f"commit:{SHA[:12]}"),
        ("012345", f"run:{RUN[:12]}"),
        ("abababab", f"dataset:loans@{DIGEST[:19]}"),
        ("groups alike", f"commit:{SHA[:12]}"),
        ("alike weigh", f"commit:{SHA[:12]}"),
        ("team=risk", f"run:{RUN[:12]}"),
        ("🦊", f"run:{RUN[:12]}"),
    ],
)
def test_ids_versions_words_and_tags_are_found(
    store: OpenStore, typed: str, reference: str
) -> None:
    assert reference in {hit.reference for hit in find(store, typed)}


def test_what_was_told_twice_is_one_hit(store: OpenStore) -> None:
    assert len(find(store, "run:bright-fox")) == 1


def test_many_of_one_kind_do_not_crowd_out_another(world: World) -> None:
    runs = (
        named(FactKind.RUN, run_key("s", f"{n:032x}"), f"alpha-{n}") for n in range(300)
    )
    model = named(FactKind.MODEL, model_key("s", "some-alpha"), "some-alpha")
    world.tell(*runs, model, source="s")
    hits = find(world.store, "alpha")
    assert sum(hit.kind is HitKind.RUN for hit in hits) == MOST_OF_A_KIND
    assert "some-alpha" in texts(hits)
    assert len(hits) <= MOST_HITS


def test_what_a_hit_names_can_be_shown(demo_store: OpenStore) -> None:
    hits = find(demo_store, "diabetes-progression@6") + find(demo_store, "run:ridge")
    assert len(hits) > 5
    for hit in hits:
        assert details(demo_store, hit.reference).key


@pytest.mark.parametrize("typed", ["", "  ", "model:", "run:  ", "\t\n"])
def test_nothing_to_search_for_is_misuse(store: OpenStore, typed: str) -> None:
    with pytest.raises(Misuse, match="nothing to search for"):
        find(store, typed)


def test_any_text_is_only_text(store: OpenStore) -> None:
    @given(st.text(min_size=1, max_size=30))
    def search(typed: str) -> None:
        if typed.strip() and ":" not in typed:
            find(store, typed)

    search()
    for typed in (
        "%",
        "_",
        "'; DROP TABLE run; --",
        "$1",
        "\\",
        "x" * 100_000,
        "=",
        "a==",
    ):
        assert all(hit.text for hit in find(store, typed))


def test_a_person_and_a_script_are_told_the_kind(
    demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
    assert main(["search", "tumuor"]) == 0
    assert "model       similar" in capsys.readouterr().out
    assert main(["search", "model:tumuor", "--format", "json"]) == 0
    (hit,) = json.loads(capsys.readouterr().out)["hits"]
    assert hit == {
        "kind": "model",
        "reference": "model:mlflow/tumour-screening",
        "text": "tumour-screening",
        "match": "similar",
    }
