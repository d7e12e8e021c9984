"""Whether rows of a batch are facts that the readers of the projection can bear.

Texts that repeat come as dictionaries, as Parquet keeps them, and each different one is
looked at once: a history says a few things of a run many times over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.facts import (
    COLUMNS,
    NARROW_KINDS,
    TEXT_COLUMNS,
    TIME_COLUMNS,
    FactKind,
    Relation,
    Strength,
)

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST_NUMBER = 2.0**53
_FIRST_YEAR, _LAST_YEAR = -62_135_596_800_000_000, 253_402_300_799_999_999
"""0001-01-01 and 9999-12-31 in microseconds since 1970: what a date can say."""

_PART = r"[A-Za-z0-9_.~%-]*"
_PARTS_OF = {
    "experiment": 2,
    "run": 2,
    "model": 2,
    "model-version": 3,
    "job": 3,
    "dataset": 1,
    "dataset-version": 2,
    "commit": 1,
    "repository": 1,
}
_SUBJECT_OF = {
    FactKind.EXPERIMENT: "experiment",
    FactKind.RUN: "run",
    FactKind.JOB: "job",
    FactKind.DATASET: "dataset",
    FactKind.DATASET_VERSION: "dataset-version",
    FactKind.DATA_PROFILE: "dataset-version",
    FactKind.ASSERTION: "dataset-version",
    FactKind.COMMIT: "commit",
    FactKind.MODEL: "model",
    FactKind.MODEL_VERSION: "model-version",
    FactKind.FILE: "model-version",
    FactKind.SIGNATURE: "model-version",
    FactKind.FLAVOUR: "model-version",
    FactKind.ALIAS: "model",
    FactKind.STAGE: "model-version",
    FactKind.SYMLINK: "dataset",
    FactKind.COLUMN_LINEAGE: "dataset-version",
    FactKind.COLUMN_MAP: "run",
}
_OBJECT_OF = {
    Relation.READ: "dataset-version",
    Relation.WROTE: "dataset-version",
    Relation.USED: "commit",
    Relation.PRODUCED: "model-version",
    Relation.SERVES: "model-version",
    Relation.CONTAINS: "run",
}
_TARGET_OF = {
    FactKind.SYMLINK: "dataset",
    FactKind.COLUMN_LINEAGE: "dataset",
    FactKind.COLUMN_MAP: "dataset-version",
}
"""What the object of other facts is."""
_HOLDERS_OF_FACETS = r"\A(?:run|job|dataset-version):"
_KEY = (
    r"\A(?:"
    + "|".join(f"{kind}:" + "/".join([_PART] * n) for kind, n in _PARTS_OF.items())
    + r")\z"
)
_OTHER_KEY = rf"\A[a-z][a-z0-9-]*:{_PART}(/{_PART})*\z"
_OF_KNOWN_KIND = rf"\A(?:{'|'.join(_PARTS_OF)}):"


class UnusableBatch(Exception):
    """The bytes are no batch, and never will be; the message says why."""


def check_facts(part: pa.RecordBatch) -> None:
    """Every row is a fact, and says nothing where its kind has nothing to say.

    Raises:
        UnusableBatch: one is not.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in TEXT_COLUMNS:
        if name != "text" and _has_null(part[name]):
            raise UnusableBatch(f"a fact lacks its {name}")
    for name in TIME_COLUMNS:
        _require(
            _within(part[name].cast(pa.int64()), _FIRST_YEAR, _LAST_YEAR),
            f"a time in {name} is outside the years 1 to 9999",
        )
    kinds = {kind.value for kind in FactKind}
    told = [kind for kind in _texts(part["kind"]).to_pylist() if kind is not None]
    if not kinds.issuperset(told):
        raise UnusableBatch("it holds facts of an unknown kind")
    _require(_is_key(_texts(part["subject"])), "a subject is no key of a thing")
    objects = _texts(part["object"])
    named = objects.filter(pc.not_equal(objects, ""))
    _require(_is_key(named), "an object is no key of a thing")
    replaced = _texts(part["replaces"])
    _require(
        pc.or_(
            pc.equal(replaced, ""),
            pc.match_substring_regex(replaced, r"\A[0-9a-f]{64}\z"),
        ),
        "what a fact replaces is no id of a fact",
    )
    if len(told) == 1:
        _check_kind(FactKind(told[0]), part)
        return
    for kind in sorted(told):
        rows = part.filter(pc.equal(part["kind"], kind))
        if rows.num_rows:
            _check_kind(FactKind(kind), rows)


def _check_kind(kind: FactKind, rows: pa.RecordBatch) -> None:
    """What facts of one kind have to be."""
    import pyarrow.compute as pc

    wanted = _SUBJECT_OF.get(kind)
    if wanted is not None:
        _require(
            pc.starts_with(_used(rows["subject"]), f"{wanted}:"),
            f"a fact of kind {kind.value} is about something else",
        )
    target = _TARGET_OF.get(kind)
    if target is not None:
        _require(
            pc.starts_with(_used(rows["object"]), f"{target}:"),
            f"a fact of kind {kind.value} leads to something else",
        )
    if kind in NARROW_KINDS:
        _check_narrow(kind, rows)
    if kind is FactKind.FACET:
        _check_facets(rows)
    if kind is FactKind.EDGE:
        _check_edges(rows)
    if kind is FactKind.FILE:
        _require(
            _within(rows["number"], 0.0, _LARGEST_NUMBER),
            "the size of a file is no size",
        )


def _check_narrow(kind: FactKind, rows: pa.RecordBatch) -> None:
    import pyarrow.compute as pc

    for name in COLUMNS:
        if name in ("kind", "subject", *NARROW_KINDS[kind]):
            continue
        column = rows[name]
        is_idle = (
            pc.all(pc.equal(_used(column), ""), min_count=0).as_py()
            if name in TEXT_COLUMNS and name != "text"
            else column.null_count == len(column)
        )
        if not is_idle:
            raise UnusableBatch(f"a fact of kind {kind.value} has a {name}")
    if kind is FactKind.METRIC and rows["text"].null_count:
        raise UnusableBatch("a fact of kind metric lacks its text")


def _check_edges(edges: pa.RecordBatch) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    relations = pa.array([relation.value for relation in Relation])
    strengths = pa.array([strength.value for strength in Strength])
    _require(
        pc.is_in(_used(edges["name"]), relations), "it holds links of an unknown kind"
    )
    _require(
        pc.is_in(_used(edges["strength"]), strengths),
        "a link does not say how it came to be known",
    )
    for relation, wanted in _OBJECT_OF.items():
        rows = edges.filter(pc.equal(edges["name"], relation.value))
        _require(
            pc.starts_with(_used(rows["object"]), f"{wanted}:"),
            f"a link of kind {relation.value} leads to something else",
        )


def _check_facets(facets: pa.RecordBatch) -> None:
    import pyarrow.compute as pc

    _require(
        pc.match_substring_regex(_used(facets["subject"]), _HOLDERS_OF_FACETS),
        "a facet is about something else",
    )
    told_by = _used(facets["object"])
    _require(
        pc.or_(pc.equal(told_by, ""), pc.starts_with(told_by, "run:")),
        "a facet was told by something else than a run",
    )
    if facets["text"].null_count:
        raise UnusableBatch("a facet says nothing")


def _texts(column: pa.Array) -> pa.Array:
    """Every different text of a column of a part as it was read."""
    return column.dictionary


def _used(column: pa.Array) -> pa.Array:
    """The different texts of some rows; their dictionary may hold those of others."""
    return column.dictionary.take(column.indices.unique().drop_null())


def _has_null(column: pa.Array) -> bool:
    if column.null_count:
        return True
    dictionary = column.dictionary
    return bool(dictionary.null_count and _used(column).null_count)


def _is_key(column: pa.Array) -> pa.Array:
    """Whether each text is a key, with as many parts as its kind has."""
    import pyarrow.compute as pc

    is_of_known_kind = pc.match_substring_regex(column, _KEY)
    if pc.all(is_of_known_kind, min_count=0).as_py():
        return is_of_known_kind
    return pc.or_(
        is_of_known_kind,
        pc.and_not(
            pc.match_substring_regex(column, _OTHER_KEY),
            pc.match_substring_regex(column, _OF_KNOWN_KIND),
        ),
    )


def _within(column: pa.Array, lowest: float, highest: float) -> pa.Array:
    """Whether each number lies between two others; what is absent does."""
    import pyarrow.compute as pc

    between = pc.and_(pc.greater_equal(column, lowest), pc.less_equal(column, highest))
    return pc.fill_null(between, True)


def _require(holds: pa.Array, otherwise: str) -> None:
    import pyarrow.compute as pc

    if pc.all(holds, min_count=0).as_py() is False:
        raise UnusableBatch(otherwise)
