"""Provenance from real imports: what was read again, by whom, on which branch."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.data import DataSource
from connectors.data_files import LocalFiles
from connectors.git import GitSource
from connectors.openlineage import OpenLineageSource
from console.services.gathering import Incumbent, gather
from console.services.importing import import_source
from console.services.signing import Acting, act_as_service
from policies.document_reading import read_policy
from policies.evidence import Evidence, item_bytes
from policies.evidence_origins import Account, Collector, CommitBranches, Known
from policies.rules import evaluate_facts
from policies.trust_root import ServiceKind
from policies.verdict import Verdict
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import (
    commit_key,
    dataset_version_key,
    model_key,
    model_version_key,
    run_key,
)
from store.queries.models import list_versions
from tests.unit.policies.test_rules import HEAD, QUORUMS
from tests.worlds import World

RUN = run_key("mlflow", "1")
VERSION = model_version_key("mlflow", "fraud", "1")


def git(folder: Path, *arguments: str) -> str:
    given = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    return subprocess.run(
        ["git", "-C", str(folder), *given, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def repository(folder: Path) -> tuple[str, str]:
    """A repository with a commit on main and one on a topic branch only."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "first")
    first = git(folder, "rev-parse", "HEAD")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(folder, "switch", "--quiet", "-c", "topic/new")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "aside")
    return first, git(folder, "rev-parse", "HEAD")


def parquet(path: Path, *rows: int) -> str:
    pq.write_table(pa.table({"x": list(rows)}), path)
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def edge(relation: Relation, target: str, context: str = "") -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=RUN,
        name=relation.value,
        object=target,
        strength=Strength.DECLARED.value,
        text=context or None,
    )


def trained(sha: str, train: str, test: str, **tags: str) -> list[Fact]:
    """A run that trained on one file, was measured on another, and made a model."""
    told = [
        Fact(kind=FactKind.RUN, subject=RUN, name="r", status="FINISHED"),
        edge(Relation.READ, dataset_version_key("train", train), "training"),
        edge(Relation.READ, dataset_version_key("test", test), "evaluation"),
        edge(Relation.USED, commit_key(sha)),
        edge(Relation.PRODUCED, VERSION),
        Fact(
            kind=FactKind.MODEL_VERSION,
            subject=VERSION,
            object=model_key("mlflow", "fraud"),
            name="1",
        ),
        Fact(
            kind=FactKind.FILE,
            subject=VERSION,
            name="MLmodel",
            digest="a" * 64,
            number=3.0,
        ),
    ]
    tags = {"countersign.evaluation.dataset": "test"} | tags
    return told + [
        Fact(kind=FactKind.TAG, subject=RUN, name=name, text=text)
        for name, text in tags.items()
    ]


def evidence_of(world: World) -> Evidence:
    with world.store.projection.reading() as connection:
        version = list_versions(connection, key=VERSION)[0]
    return gather(world.store, version, Incumbent())


def verdict(evidence: Evidence, kind: str, fields: str) -> Verdict:
    rule = f'[[rules]]\nid = "r"\nkind = "{kind}"\n{fields}\n'
    policy = read_policy((HEAD + rule + QUORUMS).encode())
    return evaluate_facts(policy, evidence).verdict


def service(world: World) -> Acting:
    return act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, str, str]:
    folder = tmp_path / "data"
    folder.mkdir()
    return (
        folder,
        parquet(folder / "train.parquet", 1, 2),
        parquet(folder / "test.parquet", 3),
    )


STRONG = (
    'require = ["dataset_version", "evaluation_dataset", "commit_known"]\nstrength = '
)


def test_what_an_import_read_again_is_stronger_and_by_a_service_strongest(
    world: World, tmp_path: Path, files: tuple[Path, str, str]
) -> None:
    folder, train, test = files
    first, _ = repository(tmp_path / "code")
    world.tell(*trained(first, train, test))
    before = evidence_of(world)
    assert verdict(before, "provenance", f'{STRONG}"observed"') is Verdict.NO
    dana = world.people["dana"]
    import_source(world.store, dana, DataSource("data", LocalFiles(folder)))
    import_source(world.store, dana, GitSource("code", tmp_path / "code"))
    again = evidence_of(world)
    assert verdict(again, "provenance", f'{STRONG}"reread"') is Verdict.YES
    by_service = f'{STRONG}"collected_by_service"'
    assert verdict(again, "provenance", by_service) is Verdict.NO
    for source in (
        DataSource("data2", LocalFiles(folder)),
        GitSource("code2", tmp_path / "code"),
    ):
        import_source(world.store, service(world), source)
    last = evidence_of(world)
    assert verdict(last, "provenance", by_service) is Verdict.YES
    assert Account("commit_known", first, Known.BY_SERVICE) in last.origins.accounts
    assert item_bytes(evidence_of(world).origins) == item_bytes(last.origins)


def test_who_told_of_the_run_is_named_and_a_person_is_no_service(
    world: World, files: tuple[Path, str, str]
) -> None:
    _, train, test = files
    world.tell(*trained("b" * 40, train, test))
    (collector,) = evidence_of(world).origins.collectors
    assert collector.is_service
    from tests.worlds import ToldSource

    told = Fact(kind=FactKind.TAG, subject=RUN, name="by", text="hand")
    import_source(world.store, world.people["dana"], ToldSource("mlflow", [told]))
    found = evidence_of(world).origins.collectors
    assert Collector(world.people["dana"].id, False) in found


def test_a_commit_is_on_main_only_when_main_reaches_it(
    world: World, tmp_path: Path, files: tuple[Path, str, str]
) -> None:
    _, train, test = files
    first, aside = repository(tmp_path / "code")
    on_main = 'require = ["commit_known"]\nbranches = ["main"]'
    world.tell(*trained(first, train, test))
    import_source(world.store, service(world), GitSource("code", tmp_path / "code"))
    evidence = evidence_of(world)
    assert evidence.origins.branches == (CommitBranches(first, ("main",), ("main",)),)
    assert verdict(evidence, "provenance", on_main) is Verdict.YES
    world.tell(edge(Relation.USED, commit_key(aside)))
    assert verdict(evidence_of(world), "provenance", on_main) is Verdict.NO
    git(tmp_path / "code", "switch", "--quiet", "main")
    git(tmp_path / "code", "merge", "--quiet", "topic/new")
    import_source(world.store, service(world), GitSource("code", tmp_path / "code"))
    assert verdict(evidence_of(world), "provenance", on_main) is Verdict.YES


def test_what_origin_has_counts_and_not_a_local_branch_of_the_same_name(
    world: World, tmp_path: Path, files: tuple[Path, str, str]
) -> None:
    _, train, test = files
    repository(tmp_path / "code")
    git(tmp_path / "code", "switch", "--quiet", "main")
    subprocess.run(
        ["git", "clone", "-q", str(tmp_path / "code"), str(tmp_path / "clone")],
        check=True,
    )
    git(tmp_path / "clone", "commit", "--quiet", "--allow-empty", "-m", "unpushed")
    local = git(tmp_path / "clone", "rev-parse", "HEAD")
    world.tell(*trained(local, train, test))
    import_source(world.store, service(world), GitSource("code", tmp_path / "clone"))
    (found,) = evidence_of(world).origins.branches
    assert (found.on, found.recorded) == ((), ("main",))


def event(
    run: str, inputs: Sequence[tuple[str, str]], *outputs: tuple[str, str]
) -> str:
    def told(datasets: Sequence[tuple[str, str]]) -> list[object]:
        return [
            {
                "namespace": "lake",
                "name": name,
                "facets": {"version": {"datasetVersion": digest}},
            }
            for name, digest in datasets
        ]

    return json.dumps(
        {
            "eventType": "COMPLETE",
            "eventTime": "2026-02-01T00:00:00Z",
            "run": {"runId": f"00000000-0000-4000-8000-{run:0>12}"},
            "job": {"namespace": "jobs", "name": f"job-{run}"},
            "inputs": told(inputs),
            "outputs": told(outputs),
            "producer": "https://example.org",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        }
    )


def test_a_leak_two_jobs_up_is_found_and_an_honest_split_is_not_one(
    world: World, tmp_path: Path, files: tuple[Path, str, str]
) -> None:
    _, train, test = files
    raw, clean = ("sha256:" + digit * 64 for digit in "78")
    world.tell(*trained("b" * 40, train, test))
    events = tmp_path / "events.ndjson"
    events.write_text(
        "\n".join(
            [
                event("1", [("raw", raw)], ("clean", clean), ("held", test)),
                event("2", [("clean", clean)], ("features", train)),
            ]
        )
    )
    import_source(world.store, service(world), OpenLineageSource("etl", events))
    evidence = evidence_of(world)
    assert len(evidence.origins.derivations) == 2
    required = 'upstream = "required"'
    assert verdict(evidence, "independence", required) is Verdict.YES
    events.write_text(event("3", [("held", test)], ("clean", clean)))
    import_source(world.store, service(world), OpenLineageSource("etl", events))
    assert verdict(evidence_of(world), "independence", required) is Verdict.NO
