"""Gathering what stands behind a version's lineage, as one item of evidence.

Who committed a fact is read from the log, and whether that was a service is judged
where the entry stands, so the answer is the same at any later time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.services.opened import OpenStore, rfc3339
from policies.evidence import LineageItem, ModelItem
from policies.evidence_origins import (
    Account,
    Collector,
    CommitBranches,
    DatasetName,
    Derivation,
    Known,
    OriginsItem,
    strongest,
)
from store.facts import Relation
from store.identifiers import commit_key
from store.queries.lineage import Direction, neighbours
from store.queries.runs import list_runs, tags_of
from store.queries.upstream import (
    branches_with,
    entries_that_hashed,
    entries_that_told,
    entries_with_commit,
    upstream_of,
)

if TYPE_CHECKING:
    import duckdb

IMAGE_TAG = "countersign.image.digest"


def origins_of(
    connection: duckdb.DuckDBPyConnection,
    store: OpenStore,
    model: ModelItem,
    lineage: LineageItem,
) -> OriginsItem:
    """What the record and the log say about where a version's lineage comes from."""
    runs = (
        list_runs(connection, limit=1, key=lineage.run_key) if lineage.run_key else ()
    )
    ended = runs[0].ended if runs else None
    tags = dict(tags_of(connection, lineage.run_key)) if lineage.run_key else {}
    upstream = upstream_of(connection, [(u.name, u.digest) for u in lineage.datasets])
    return OriginsItem(
        run_ended=rfc3339(ended) if ended else "",
        image_digest=tags.get(IMAGE_TAG, ""),
        accounts=tuple(_accounts(connection, store, model, lineage)),
        branches=tuple(_branches(connection, c.sha) for c in lineage.commits),
        derivations=tuple(
            Derivation(run, _sorted(upstream.read[run]), _sorted(upstream.wrote[run]))
            for run in sorted(upstream.read)
        ),
        names=tuple(
            DatasetName(version, name)
            for version, names in sorted(upstream.names.items())
            for name in sorted(names)
        ),
        is_cut=upstream.is_cut,
        collectors=_collectors(
            store,
            entries_that_told(
                connection, model.version_key, *filter(None, [lineage.run_key])
            ),
        ),
    )


def _sorted(texts: set[str]) -> tuple[str, ...]:
    return tuple(sorted(texts))


def _branches(connection: duckdb.DuckDBPyConnection, sha: str) -> CommitBranches:
    on, recorded = branches_with(connection, sha)
    return CommitBranches(sha, _sorted(on), _sorted(recorded))


def _collector(store: OpenStore, index: int) -> Collector:
    _, statement = store.entry(index)
    is_service = statement.by in store.state(before=index).services
    return Collector(statement.by, is_service)


def _collectors(store: OpenStore, entries: list[int]) -> tuple[Collector, ...]:
    found = {_collector(store, index) for index in entries}
    return tuple(sorted(found, key=lambda who: who.id))


class _Strengths:
    """How well each thing of one version is known."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, store: OpenStore, run_key: str
    ) -> None:
        self._connection = connection
        self._store = store
        self._edges = neighbours(connection, [run_key], Direction.UP) if run_key else []

    def of_edge(self, relation: Relation, target: str) -> Known:
        """The best account of a link from the run."""
        return strongest(
            [
                Known(edge.strength)
                for _, edge in self._edges
                if edge.relation == relation.value
                and edge.object == target
                and edge.strength in set(Known)
            ]
        )

    def of_bytes(self, sha256: str, told: Known) -> Known:
        """`told`, or better where an import hashed those bytes itself."""
        return self._reread(entries_that_hashed(self._connection, sha256), told)

    def of_commit(self, sha: str, told: Known) -> Known:
        """`told`, or better where an import found the commit."""
        return self._reread(entries_with_commit(self._connection, sha), told)

    def _reread(self, entries: list[int], told: Known) -> Known:
        if not entries or told is Known.INFERRED:
            return told
        is_service = any(_collector(self._store, i).is_service for i in entries)
        return Known.BY_SERVICE if is_service else Known.REREAD


def _accounts(
    connection: duckdb.DuckDBPyConnection,
    store: OpenStore,
    model: ModelItem,
    lineage: LineageItem,
) -> list[Account]:
    strengths = _Strengths(connection, store, lineage.run_key)
    found = []
    for use in lineage.datasets:
        known = Known(use.strength) if use.strength in set(Known) else Known.INFERRED
        if use.digest.startswith("sha256:"):
            known = strengths.of_bytes(use.digest.removeprefix("sha256:"), known)
        required = (
            "dataset_version" if use.context != "evaluation" else "evaluation_dataset"
        )
        found.append(Account(required, f"{use.name}@{use.digest}", known))
        if use.name == lineage.evaluation_dataset and required == "dataset_version":
            found.append(Account("evaluation_dataset", found[-1].name, known))
    for commit in lineage.commits:
        told = strengths.of_edge(Relation.USED, commit_key(commit.sha))
        found.append(
            Account("commit_known", commit.sha, strengths.of_commit(commit.sha, told))
        )
    mlmodel = next((f.sha256 for f in model.files if f.path == "MLmodel"), "")
    named = (
        ("signature", mlmodel),
        ("lock", lineage.lock_digest),
        ("feature_set", lineage.features_digest),
    )
    for required, digest in named:
        if digest:
            bare = digest.removeprefix("sha256:")
            known = strengths.of_bytes(bare, Known.DECLARED)
            found.append(Account(required, digest, known))
    return found
