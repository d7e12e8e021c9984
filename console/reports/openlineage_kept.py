"""The facets that events told, as they are given back: each where it belongs.

A facet from which a fact about a run is read goes out with that run alone; given back
with another one, it would say something that nobody told.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from store.queries.sql import Row, fetch

if TYPE_CHECKING:
    import duckdb

Variants = dict[str, list[dict[str, Any]]]
"""Facets by name, each in every form in which it was told."""
COLUMNS = ("columnLineage", "lineage")
"""Facets that tell how columns came to be."""
_CODE = "sourceCodeLocation"


@dataclass(frozen=True, slots=True)
class Remaining:
    """A facet that no run's event gave back."""

    subject: str
    name: str
    value: dict[str, Any]
    deleted_at: datetime | None


class KeptFacets:
    """Every facet of the store, and which of them were given back."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, marks: dict[str, str]
    ) -> None:
        self._marks = marks
        self._own: dict[str, list[Row]] = defaultdict(list)
        self._by_run: dict[str, list[Row]] = defaultdict(list)
        self._given: set[tuple[str, str, str]] = set()
        rows = fetch(
            connection,
            "SELECT DISTINCT subject, object, name, text, location, status, started "
            "FROM facet ORDER BY subject, object, name, text, location, started",
        )
        for row in rows:
            row["value"] = _object(row["text"])
            if row["value"] is None:
                continue
            if row["object"]:
                self._by_run[row["object"]].append(row)
            else:
                self._own[row["subject"]].append(row)
            if row["name"] in COLUMNS:
                row["digest"] = hashlib.sha256(row["text"].encode()).hexdigest()
        self._maps: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._mapped: set[str] = set()
        for row in fetch(
            connection,
            "SELECT DISTINCT subject, object, digest FROM column_map ORDER BY ALL",
        ):
            self._maps[row["subject"]].append((row["object"], row["digest"]))
            self._mapped.add(row["digest"])
        self._declared = {
            row["digest"]
            for row in fetch(
                connection,
                "SELECT DISTINCT digest FROM column_lineage "
                "WHERE strength = 'declared'",
            )
        }

    def of_run(self, run: str) -> Variants:
        """What the run's own facets were."""
        return self._variants(self._own[run])

    def of_code(self, job: str, commits: list[str]) -> list[dict[str, Any]]:
        """Where the code of a job was, for those of some commits it was told of."""
        found: dict[str, dict[str, Any]] = {}
        for row in self._own[job]:
            commit = row["value"].get("version")
            if row["name"] == _CODE and commit in commits:
                found.setdefault(commit, self._give(row))
        return [found[commit] for commit in commits if commit in found]

    def of_job(self, job: str) -> dict[str, dict[str, Any]]:
        """One form of every facet of a job that says nothing about a run."""
        rows = [row for row in self._own[job] if row["name"] not in (_CODE, *COLUMNS)]
        return self._first(rows)

    def of_data(self, version: str) -> dict[str, dict[str, Any]]:
        """One form of every facet of a version that says nothing about a run."""
        return self._first([r for r in self._own[version] if r["name"] not in COLUMNS])

    def form_of(self, version: str, name: str) -> dict[str, dict[str, Any]]:
        """One form of one facet of a dataset version by its name, if it has it."""
        return self._first([row for row in self._own[version] if row["name"] == name])

    def of_data_in(self, run: str) -> dict[tuple[str, str], Variants]:
        """What a run told of dataset versions, by version and where it stood."""
        rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self._by_run[run]:
            rows[row["subject"], row["location"]].append(row)
        for version, digest in self._maps[run]:
            told = [row for row in self._own[version] if row.get("digest") == digest]
            if told:
                rows[version, ""] += told
        return {place: self._variants(told) for place, told in rows.items()}

    def of_lineage(self, run: str, job: str) -> list[dict[str, Any]]:
        """What the job's lineage facet was in a run."""
        digests = {digest for _, digest in self._maps[run]}
        rows = [row for row in self._own[job] if row.get("digest") in digests]
        return [self._give(row) for row in rows]

    def remaining(self) -> Iterator[Remaining]:
        """Facets of jobs and dataset versions that were not given back yet."""
        for subject, rows in sorted(self._own.items()):
            for row in rows:
                is_given = (subject, row["name"], row["text"]) in self._given
                if subject.startswith("run:") or is_given:
                    continue
                if row["name"] in COLUMNS and not self._is_declared(row):
                    continue
                yield Remaining(
                    subject,
                    row["name"],
                    self._give(row),
                    row["started"] if row["status"] else None,
                )

    def _is_declared(self, row: Row) -> bool:
        """Whether an event of no run told it, or it tells of no columns at all."""
        return row["digest"] in self._declared or row["digest"] not in self._mapped

    def _first(self, rows: list[Row]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row["name"] not in found and not row["status"]:
                found[row["name"]] = self._give(row)
        return found

    def _variants(self, rows: list[Row]) -> Variants:
        found: Variants = defaultdict(list)
        for row in rows:
            found[row["name"]].append(self._give(row))
        return found

    def _give(self, row: Row) -> dict[str, Any]:
        """The facet as it goes out; one that does not say who made it, gets that."""
        self._given.add((row["subject"], row["name"], row["text"]))
        value: dict[str, Any] = row["value"]
        lacking = {
            name: mark
            for name, mark in self._marks.items()
            if not isinstance(value.get(name), str)
        }
        return value | lacking


def layer(variants: Variants, number: int) -> dict[str, dict[str, Any]]:
    """The forms that go into one event: the first of each into the first, and so on."""
    return {
        name: forms[number] for name, forms in variants.items() if len(forms) > number
    }


def layers(*variants: Variants) -> int:
    """How many events it takes to tell every form of some facets."""
    return max((len(f) for told in variants for f in told.values()), default=0)


def _object(text: str | None) -> dict[str, Any] | None:
    """A facet that an event may hold; a stranger's batch may hold anything."""
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
