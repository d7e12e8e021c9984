"""How two model versions, or two commits, differ: section by section, and in a line.

Only what the record holds is compared. What could not be read is said, and never counts
as the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from connectors.protocols import CodeComparison
from console.services.catalogue import caught_up
from console.services.code_changes import compare_code
from console.services.differences import (
    SECTIONS,
    Comparison,
    Difference,
    code_words,
    summary_of,
)
from console.services.differing_metrics import directions, metric_differences
from console.services.gathering import Provenance, provenance_of
from console.services.impact import current_holders, place_of, places_held
from console.services.moments import NOW, Asked
from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.runtime_packages import runtime_of
from policies.evidence import CommitUse
from store.identifiers import split_key
from store.queries.dataset_facts import version_told
from store.queries.models import ModelVersion, list_versions
from store.queries.resolve import resolve, resolve_version
from store.queries.runs import tags_of
from store.references import Reference, ReferenceKind, parse_reference

if TYPE_CHECKING:
    import duckdb

_IMAGE_TAG = "countersign.image.digest"
_MANIFEST_TAG = "countersign.manifest"
_LONGEST_TAG = 2_000
Named = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Side:
    """One version with everything that is compared."""

    version: ModelVersion
    provenance: Provenance
    sections: dict[str, Named]
    columns: dict[str, Named]
    """By dataset: the type of each column."""


def compare(
    store: OpenStore, before: str, after: str, asked: Asked = NOW
) -> Comparison:
    """Compare two model versions, or two commits: now, or as they were.

    Raises:
        UnknownReference: one of them is not there.
        Misuse: they are not of one kind.
    """
    caught_up(store)
    references = [
        parse_reference(text, default_kind=ReferenceKind.MODEL)
        for text in (before, after)
    ]
    kinds = {reference.kind for reference in references}
    if kinds == {ReferenceKind.COMMIT}:
        return _commits(store, asked, *references)
    if kinds != {ReferenceKind.MODEL}:
        raise Misuse(
            f"{before} and {after} cannot be compared",
            hint="Name two model versions, or two commits: commit:9fceb02.",
        )
    return _versions(store, asked, *references)


def counterparts(store: OpenStore, text: str) -> list[str]:
    """References to the other versions of a version's model.

    Those that are in a stage by the log come first, then the newest.

    Raises:
        UnknownReference: there is no such version.
    """
    caught_up(store)
    reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
    with store.projection.reading() as connection:
        version = resolve_version(connection, reference)
        others = [
            other
            for other in list_versions(connection, model_key=version.model_key)
            if other.key != version.key
        ]
    holding = current_holders(store, version.model_key)
    others.sort(key=lambda other: other.key not in holding)
    return [other.reference for other in others]


def _commits(
    store: OpenStore, asked: Asked, first: Reference, second: Reference
) -> Comparison:
    with store.projection.reading(asked.known_at) as connection:
        shas = [split_key(resolve(connection, one))[1][0] for one in (first, second)]
    code = compare_code(store, *shas)
    before, after = (f"commit:{sha}" for sha in shas)
    return Comparison(
        before,
        after,
        summary=code_words(code) if before != after else "the same commit",
        differences=tuple(_file_differences(code)),
        code=code,
        unread=(),
    )


def _versions(
    store: OpenStore, asked: Asked, first: Reference, second: Reference
) -> Comparison:
    with store.projection.reading(asked.known_at) as connection:
        old, new = (_side(connection, store, one, asked) for one in (first, second))
    unread = []
    for side, other in ((old, new), (new, old)):
        side.sections["data"] |= {
            f"{dataset} column {name}": kind
            for dataset, columns in side.columns.items()
            if other.columns.get(dataset)
            for name, kind in columns.items()
        }
        needs, problem = runtime_of(
            store, side.provenance.model, other.provenance.model
        )
        side.sections["runtime"] |= needs
        if problem:
            unread.append(f"packages of {side.version.reference}: {problem}")
    differences = [
        Difference(section, name, was.get(name, ""), now.get(name, ""))
        for section, was in old.sections.items()
        for now in [new.sections[section]]
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
    code, problem = _code(store, old, new)
    if problem:
        unread.append(f"files of the code: {problem}")
    if code is not None:
        differences += _file_differences(code)
    better = directions(store.policies(store.state()), new.version.model)
    differences += metric_differences(
        old.provenance.measured, new.provenance.measured, better
    )
    differences.sort(key=lambda one: SECTIONS.index(one.section))
    is_one_model = old.version.model_key == new.version.model_key
    return Comparison(
        old.version.reference,
        new.version.reference,
        summary_of(old.sections, new.sections, differences, code, is_one_model),
        tuple(differences),
        code,
        tuple(unread),
    )


def _side(
    connection: duckdb.DuckDBPyConnection,
    store: OpenStore,
    reference: Reference,
    asked: Asked,
) -> _Side:
    as_of = asked.as_of
    version = resolve_version(connection, reference, as_of=as_of)
    provenance = provenance_of(connection, version, as_of=as_of)
    lineage, run = provenance.lineage, version.run_key
    run_tags = dict(tags_of(connection, run, as_of=as_of)) if run else {}
    tags = dict(tags_of(connection, version.key, as_of=as_of))
    tags.pop(_MANIFEST_TAG, None)
    held = places_held(store, version, asked)
    data, columns = _data(connection, provenance)
    sections = {
        "data": data,
        "feature": _filled({"set": lineage.features_digest}),
        "code": _commits_of(lineage.commits)
        | _filled({"working tree": _TREE[lineage.is_dirty]}),
        "parameter": dict(provenance.measured.params),
        "runtime": _filled(
            {
                "lock file": lineage.lock_digest,
                "container image": run_tags.get(_IMAGE_TAG, ""),
            }
        ),
        "file": {f.path: f.sha256 for f in provenance.model.files},
        "tag": {name: value[:_LONGEST_TAG] for name, value in tags.items()},
        "state": _filled(
            {
                "aliases": ", ".join(sorted(version.aliases)),
                "registry stage": version.stage,
                "log": ", ".join(sorted(place_of(one) for one in held if one.is_now)),
            }
        ),
    }
    return _Side(version, provenance, sections, columns)


_TREE = {True: "dirty", False: "", None: ""}


def _filled(values: Named) -> Named:
    return {name: value for name, value in values.items() if value}


def _commits_of(commits: tuple[CommitUse, ...]) -> Named:
    """The one commit that there mostly is, or each by its id."""
    if len(commits) == 1:
        return {"commit": commits[0].sha}
    return {f"commit {commit.sha}": "used" for commit in commits}


def _data(
    connection: duckdb.DuckDBPyConnection, provenance: Provenance
) -> tuple[Named, dict[str, Named]]:
    """Each dataset by its use, with rows and licence; and its columns."""
    found: Named = {}
    columns: dict[str, Named] = {}
    for use in provenance.lineage.datasets:
        name = f"{use.name} ({use.context})" if use.context else use.name
        told = version_told(connection, use.name, use.digest)
        found[name] = use.digest
        rows = "" if told.rows is None else str(told.rows)
        found |= _filled(
            {f"{use.name} rows": rows, f"{use.name} licence": told.licence}
        )
        columns[use.name] = dict(told.columns)
    return found, columns


def _code(
    store: OpenStore, old: _Side, new: _Side
) -> tuple[CodeComparison | None, str]:
    """What lies between the commits of two versions, or why that is not known."""
    shas = [
        [commit.sha for commit in side.provenance.lineage.commits]
        for side in (old, new)
    ]
    if shas[0] == shas[1] or not all(len(found) == 1 for found in shas):
        return None, ""
    try:
        return compare_code(store, shas[0][0], shas[1][0]), ""
    except ConnectorError as problem:
        return None, str(problem)


def _file_differences(code: CodeComparison) -> list[Difference]:
    return [
        Difference(
            "code file",
            file.path,
            file.before[:12],
            file.after[:12],
            "" if file.added is None else f"+{file.added} -{file.removed}",
        )
        for file in code.files
    ]
