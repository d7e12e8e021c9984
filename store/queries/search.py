"""Finding things by a part of their names, or by what almost is one.

First whatever contains every word that was typed; only when no name does, what sounds
like it. Nothing here keeps an index: names are read in columns, a million in a tenth of
a second.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from store.queries.sql import Row, fetch

if TYPE_CHECKING:
    import duckdb

MOST_OF_A_KIND = 25
_SHORTEST = 3
"""Characters from which on misspellings are looked for, and bytes for tags."""
_ALIKE = 0.88
"""Jaro-Winkler similarity from which on two words are taken to be meant alike."""
_DISTANCE_OF = ((8, 2), (4, 1))
"""Letters that a word of at least so many letters may have wrong."""
_LONGEST = 200
_MOST_RUNS_BY_WORD = 50_000
"""Rows of runs up to which every word of their names is compared."""
_HEX = re.compile(r"[0-9a-f]{4,64}")
_BREAKS = "-_/.=:@,()[]"


class HitKind(StrEnum):
    """What can be found, in the order in which equally good hits are told."""

    MODEL = "model"
    VERSION = "version"
    EXPERIMENT = "experiment"
    DATASET = "dataset"
    JOB = "job"
    COMMIT = "commit"
    RUN = "run"
    TAG = "tag"


class Match(StrEnum):
    """How a hit answers to what was typed, best first."""

    EXACT = "exact"
    BEGINNING = "beginning"
    WORD = "word"
    """A word in it begins so."""
    PART = "part"
    SIMILAR = "similar"


@dataclass(frozen=True, slots=True)
class Found:
    """A thing whose name, id, message or tag answers to what was typed."""

    kind: HitKind
    key: str
    text: str
    match: Match


_MATCHES = tuple(Match)
_FROM = {
    HitKind.MODEL: "SELECT subject, name AS text FROM model",
    HitKind.VERSION: "SELECT v.subject, m.name || '@' || v.name AS text "
    "FROM model_version v JOIN model m ON m.subject = v.object",
    HitKind.EXPERIMENT: "SELECT subject, name AS text FROM experiment",
    HitKind.DATASET: "SELECT subject, name AS text FROM dataset "
    "UNION ALL SELECT subject, name FROM symlink",
    HitKind.JOB: "SELECT subject, name AS text FROM job",
    HitKind.COMMIT: "SELECT subject, name AS text FROM commit",
    HitKind.RUN: "SELECT subject, name AS text FROM run",
    HitKind.TAG: "SELECT subject, name, text FROM tag",
}
_BY_ID = {
    HitKind.COMMIT: "SELECT subject, digest AS text FROM commit "
    "WHERE starts_with(digest, $1)",
    HitKind.RUN: "SELECT subject, name AS text FROM run "
    "WHERE contains(subject, '/' || $1)",
    HitKind.DATASET: "SELECT subject, name || '@' || digest AS text "
    "FROM dataset_version WHERE contains(digest, ':' || $1)",
}
_FEW = frozenset(HitKind) - {HitKind.RUN, HitKind.TAG}
"""Kinds of which there are few enough to look at every word of their names."""


def search(
    connection: duckdb.DuckDBPyConnection, text: str, kinds: Collection[HitKind]
) -> list[Found]:
    """Things of some kinds that answer to a text, the best first."""
    typed = " ".join(text.lower().split())[:_LONGEST]
    asked = [kind for kind in HitKind if kind in kinds]
    if len(asked) > 1:
        asked = [kind for kind in asked if kind not in _passed_over(typed)]
    found = [hit for kind in asked for hit in _containing(connection, kind, typed)]
    if _HEX.fullmatch(typed):
        found += [
            hit
            for kind in asked
            if kind in _BY_ID
            for hit in _by_id(connection, kind, typed)
        ]
    is_near = any(hit.match is not Match.PART or hit.kind in _FEW for hit in found)
    if not is_near and len(typed) >= _SHORTEST:
        found += [
            h for kind in asked if kind in _FEW for h in _alike(connection, kind, typed)
        ]
        if (
            not any(hit.match is Match.SIMILAR for hit in found)
            and HitKind.RUN in asked
        ):
            found += _alike(connection, HitKind.RUN, typed)
    unique = {(hit.kind, hit.key): hit for hit in reversed(found)}
    return sorted(unique.values(), key=_order)


def _passed_over(typed: str) -> set[HitKind]:
    """Kinds that are not looked through unless they are asked for alone."""
    versions = set() if "@" in typed else {HitKind.VERSION}
    return versions | (set() if len(typed.encode()) >= _SHORTEST else {HitKind.TAG})


def _order(hit: Found) -> tuple[object, ...]:
    kinds = tuple(HitKind)
    rank, kind = _MATCHES.index(hit.match), kinds.index(hit.kind)
    return rank, kind, len(hit.text), hit.text, hit.key


def _containing(
    connection: duckdb.DuckDBPyConnection, kind: HitKind, typed: str
) -> list[Found]:
    """What contains every word; a tag by its value, or as name=value."""
    name, equals, value = typed.partition("=")
    is_tag = kind is HitKind.TAG and bool(equals)
    words = (value if is_tag else typed).split() or [""]
    conditions = [
        f"contains(lower(text), ${number})" for number in range(3, len(words) + 3)
    ]
    values = [value if is_tag else typed, _spaced(value if is_tag else typed), *words]
    if is_tag:
        conditions.append(f"contains(lower(name), ${len(values) + 1})")
        values.append(name)
    shown = "name || '=' || text" if kind is HitKind.TAG else "text"
    rows = fetch(
        connection,
        f"SELECT subject, left({shown}, {_LONGEST}) AS text, CASE "
        "WHEN lower(text) = $1 THEN 0 WHEN starts_with(lower(text), $1) THEN 1 "
        f"WHEN contains({_SPACED}, ' ' || $2) THEN 2 ELSE 3 END AS match "
        f"FROM ({_FROM[kind]}) WHERE {' AND '.join(conditions)} "
        f"ORDER BY match, length(text), text, subject LIMIT {4 * MOST_OF_A_KIND}",
        *values,
    )
    return _found(kind, rows)


def _by_id(
    connection: duckdb.DuckDBPyConnection, kind: HitKind, typed: str
) -> list[Found]:
    rows = fetch(
        connection,
        f"SELECT subject, text, 1 AS match FROM ({_BY_ID[kind]}) "
        f"ORDER BY subject LIMIT {4 * MOST_OF_A_KIND}",
        typed,
    )
    return _found(kind, rows)


def _alike(
    connection: duckdb.DuckDBPyConnection, kind: HitKind, typed: str
) -> list[Found]:
    """Names with a word, or a beginning, that is a few letters off.

    Of runs, where they are many, only those that begin with the same letter are looked
    at, and only at their beginnings.
    """
    has_few = kind in _FEW or _count_runs(connection) <= _MOST_RUNS_BY_WORD
    similar = _similar_words(kind, typed) if has_few else _similar_runs(typed)
    rows = fetch(
        connection,
        f"SELECT subject, left(text, {_LONGEST}) AS text, 4 AS match FROM ({similar}) "
        f"ORDER BY score DESC, length(text), text, subject LIMIT {4 * MOST_OF_A_KIND}",
        typed,
    )
    return _found(kind, rows)


def _count_runs(connection: duckdb.DuckDBPyConnection) -> int:
    return int(fetch(connection, "SELECT count(*) AS runs FROM run")[0]["runs"])


def _similar_runs(typed: str) -> str:
    beginning = f"left(lower(text), {len(typed)})"
    return (
        f"SELECT *, jaro_winkler_similarity({beginning}, $1, {_ALIKE}) AS score "
        f"FROM ({_FROM[HitKind.RUN]}) "
        f"WHERE starts_with(lower(text), left($1, 1)) AND score >= {_ALIKE}"
    )


def _similar_words(kind: HitKind, typed: str) -> str:
    """Every word is compared once, however many names have it."""
    allowed = next((off for size, off in _DISTANCE_OF if len(typed) >= size), 0)
    lengths = f"length(word) BETWEEN {len(typed) - allowed} AND {len(typed) + allowed}"
    near = f"({lengths} AND damerau_levenshtein(word, $1) <= {allowed})"
    alike = f"jaro_winkler_similarity(word, $1, {_ALIKE})"
    return (
        f"WITH named AS ({_FROM[kind]}), words AS ("
        f"SELECT *, left(lower(text), {len(typed)}) AS word FROM named UNION ALL "
        f"SELECT *, unnest(string_split({_SPACED}, ' ')) FROM named), "
        f"near AS (SELECT word, CASE WHEN {near} THEN 1 ELSE {alike} END AS score "
        f"FROM (SELECT DISTINCT word FROM words) WHERE score >= {_ALIKE}) "
        "SELECT subject, text, score FROM words JOIN near USING (word)"
    )


def _found(kind: HitKind, rows: list[Row]) -> list[Found]:
    """Each thing once: a run that was told twice has two rows."""
    found = {
        row["subject"]: Found(kind, row["subject"], row["text"], _MATCHES[row["match"]])
        for row in reversed(rows)
    }
    return list(found.values())[::-1][:MOST_OF_A_KIND]


_SPACED = f"translate(lower(text), '{_BREAKS}', '{' ' * len(_BREAKS)}')"


def _spaced(typed: str) -> str:
    return typed.translate(str.maketrans(_BREAKS, " " * len(_BREAKS)))
