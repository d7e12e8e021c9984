"""Rows of facts for what parts of events say; what was told is not repeated."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime

from connectors.fact_rows import FactRows, Row
from connectors.openlineage_columns import ColumnMap
from connectors.openlineage_names import UNVERSIONED
from connectors.openlineage_parts import Dataset, Facet, Job, Run, Touched
from store.facts import FactKind, Strength
from store.identifiers import dataset_key, dataset_version_key

SHAPES = {
    FactKind.RUN: ("subject", "object", "name", "status", "started", "ended"),
    FactKind.EDGE: ("subject", "name", "object", "strength"),
    FactKind.JOB: ("subject", "name", "text"),
    FactKind.DATASET: ("subject", "name", "text"),
    FactKind.DATASET_VERSION: ("subject", "object", "name", "digest", "text"),
    FactKind.ASSERTION: ("subject", "object", "name", "status", "text", "strength"),
    FactKind.PARAM: ("subject", "name", "text", "high"),
    FactKind.TAG: ("subject", "name", "text", "high"),
    FactKind.VIOLATION: ("subject", "name", "text"),
    FactKind.SYMLINK: ("subject", "object", "name", "text", "status"),
    FactKind.FACET: (
        "subject",
        "object",
        "name",
        "text",
        "location",
        "status",
        "started",
    ),
    FactKind.COLUMN_MAP: ("subject", "object", "digest"),
    FactKind.COLUMN_LINEAGE: (
        "subject",
        "object",
        "name",
        "location",
        "text",
        "digest",
        "strength",
    ),
}
_REMEMBERED = 200_000


class Teller:
    """Adds facts to rows, each once as far as it remembers."""

    def __init__(self, rows: FactRows) -> None:
        self._rows = rows
        self._told: set[Hashable] = set()

    def job(self, job: Job, moment: datetime | None) -> None:
        """A job and its facets."""
        if not job.is_told:
            job.is_told = self._facets(job.key, job.facets, moment)
            self._add(FactKind.JOB, (job.key, job.name, job.namespace))

    def run(self, run: Run, moment: datetime | None) -> None:
        """The facets of a run; what its events add up to is told elsewhere."""
        if not run.is_told:
            run.is_told = self._facets(run.key, run.facets, moment)

    def touched(
        self,
        given: Touched,
        moment: datetime | None,
        strength: Strength,
        run: Run | None,
    ) -> None:
        """A dataset, its version and facets, and what is about one run of it."""
        dataset = given.dataset
        if not dataset.is_told:
            self._dataset(dataset, moment)
        for columns in dataset.columns:
            self._columns(dataset.version, columns, strength, run)
        by = "" if run is None else run.key
        for place, facet in given.by_run:
            self._facet(dataset.version, facet, moment, by, place)
        for name, column, is_passed in given.checks if by else ():
            status = "passed" if is_passed else "failed"
            row = (dataset.version, by, name, status, column or None)
            self._add(FactKind.ASSERTION, (*row, Strength.OBSERVED.value))

    def entries(
        self, job: Job, outputs: list[Touched], strength: Strength, run: Run | None
    ) -> None:
        """What the lineage facet of a job says of datasets, in the versions written."""
        for name, columns in job.entries:
            written = [given.dataset for given in outputs]
            versions = [given.version for given in written if given.name == name]
            for version in versions or [dataset_version_key(name, UNVERSIONED)]:
                self._columns(version, columns, strength, run)

    def violation(self, subject: str, name: str, text: str) -> None:
        """Something that the specification asks for and was not kept to."""
        self._add(FactKind.VIOLATION, (subject, name, text or None))

    def _dataset(self, given: Dataset, moment: datetime | None) -> None:
        given.is_told = self._facets(given.version, given.facets, moment)
        self._add(FactKind.DATASET, (given.key, given.name, given.namespace or None))
        row = (given.version, given.key, given.name, given.digest, given.schema)
        self._add(FactKind.DATASET_VERSION, row)
        for namespace, other, kind in given.symlinks:
            row = (given.key, dataset_key(other), other, namespace, kind)
            self._add(FactKind.SYMLINK, row)

    def _columns(
        self, version: str, columns: ColumnMap, strength: Strength, run: Run | None
    ) -> None:
        if run is not None:
            self._add(FactKind.COLUMN_MAP, (run.key, version, columns.digest))
        if not self._is_new((version, columns.digest, strength)):
            return
        for source, column, read, text in columns.links:
            row = (version, source, column, read, text, columns.digest, strength.value)
            self._rows.add(FactKind.COLUMN_LINEAGE, row)

    def _facets(
        self, subject: str, facets: Iterable[Facet], moment: datetime | None
    ) -> bool:
        """Tell of facets; whether the same of them need never be told again."""
        for facet in facets:
            self._facet(subject, facet, moment)
        return not any(facet.is_deleted for facet in facets)

    def _facet(
        self,
        subject: str,
        facet: Facet,
        moment: datetime | None,
        by: str = "",
        place: str = "",
    ) -> None:
        if facet.problem:
            self.violation(subject, facet.problem, facet.name[:80])
            return
        gone = ("deleted", moment) if facet.is_deleted else ("", None)
        if self._is_new((subject, by, facet.name, facet.digest, place, gone)):
            row = (subject, by, facet.name, facet.text, place, *gone)
            self._rows.add(FactKind.FACET, row, len(facet.text))

    def _add(self, kind: FactKind, row: Row) -> None:
        if self._is_new((kind, *row)):
            self._rows.add(kind, row)

    def _is_new(self, what: Hashable) -> bool:
        """Whether this was not told lately; telling twice is harmless but slow."""
        if what in self._told:
            return False
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told.add(what)
        return True
