"""A table of many files as dataset versions: one for each version that it keeps.

Where every file of a version is at hand, its identity is a SHA-256 over the manifest of
names and bytes; otherwise over what the table itself declares, under another name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connectors.data_files import DataFiles, FileMissing, HashedFile
from connectors.data_formats import rows_of_parquet
from connectors.data_kept import kept_tags
from connectors.errors import MalformedInput
from connectors.named_source import NamedSource
from connectors.protocols import KnownState, RefusedInput
from store.facts import Fact, FactKind, Strength
from store.identifiers import dataset_key, dataset_version_key

MOST_VERSIONS = 1_000
"""Of one table, the newest; older ones are not told of."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file that belongs to a version of a table, as the table declares it."""

    path: str
    size: int
    rows: int | None
    """How many rows it adds; None where the table does not say."""
    removes: int | None = 0
    """How many of its rows other parts of the table take away; None: not known."""
    said: str = ""
    """What else the table says that decides what is read from it."""
    is_parquet: bool = True
    is_readable: bool = True
    """Whether everything that `said` refers to is in this file or in `said`."""


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One version of a table."""

    number: str
    """Its number or id in the table."""
    parent: str
    """Number or id of the version before, or empty."""
    made: datetime | None
    schema: str
    files: tuple[TableFile, ...]
    problem: str = ""
    """Why it could not be read, in which case it has no files."""


class Table(Protocol):
    """The history of a table."""

    @property
    def form(self) -> str:
        """What kind of table it is, in a word."""
        ...

    def versions(self) -> Iterator[TableVersion]:
        """Its newest versions, oldest first.

        Raises:
            ConnectorError: the history cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file of the table was found to be."""

    hashed: HashedFile
    rows: int | None


class VersionedTable(NamedSource):
    """Every version of one table."""

    def __init__(self, name: str, files: DataFiles, table: Table) -> None:
        super().__init__(name)
        self._files = files
        self._table = table
        self._read: dict[str, _Read | None] = {}
        self._digests: dict[str, str] = {}

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        yield Fact(
            kind=FactKind.DATASET, subject=dataset_key(self._name), name=self._name
        )
        for version in self._table.versions():
            try:
                if version.problem:
                    raise MalformedInput(version.problem)
                yield from self._told(version)
            except MalformedInput as problem:
                where = f"version {version.number}"
                self._tally.refused.append(RefusedInput(where, str(problem)))
            else:
                self._tally.accepted += 1

    def _told(self, version: TableVersion) -> Iterator[Fact]:
        digest, strength = self._identity(version)
        rows = self._rows(version)
        subject = dataset_version_key(self._name, digest)
        yield Fact(
            kind=FactKind.DATASET_VERSION,
            subject=subject,
            object=dataset_key(self._name),
            name=self._name,
            digest=digest,
            location=self._files.location() or self._name,
            number=None if rows is None else float(rows),
            text=version.schema,
            started=version.made,
            strength=strength.value,
        )
        self._digests[version.number] = digest
        for name, text in self._tags(version):
            yield Fact(kind=FactKind.TAG, subject=subject, name=name, text=text)

    def _tags(self, version: TableVersion) -> Iterator[tuple[str, str]]:
        yield "table.format", self._table.form
        yield "table.version", version.number
        yield "table.files", str(len(version.files))
        before = self._digests.get(version.parent)
        if before is None and version.parent:
            yield "table.parent", version.parent
        elif before is not None and before != self._digests[version.number]:
            yield "table.parent", f"{self._name}@{before}"
        found = [self._read.get(file.path) for file in version.files]
        if None not in found:
            yield from kept_tags([f.hashed for f in found if f is not None])

    def _identity(self, version: TableVersion) -> tuple[str, Strength]:
        files = sorted(version.files, key=lambda file: (file.path, file.said))
        found = [self._file(file) for file in files]
        if all(f.is_readable for f in files) and None not in found:
            lines = [
                [file.path, read.hashed.size, read.hashed.sha256, file.said]
                for file, read in zip(files, found, strict=True)
                if read is not None
            ]
            digest = _digest([version.schema, *lines])
            return f"sha256:{digest}", Strength.REREAD
        declared = [[f.path, f.size, f.rows, f.said] for f in files]
        digest = _digest([version.schema, *declared])
        return f"{self._table.form}-manifest:{digest}", Strength.DECLARED

    def _rows(self, version: TableVersion) -> int | None:
        total = 0
        for file in version.files:
            read = self._read.get(file.path)
            counted = file.rows if read is None or read.rows is None else read.rows
            if counted is None or file.removes is None:
                return None
            total += counted - file.removes
        return total

    def _file(self, file: TableFile) -> _Read | None:
        """What is at the path of a file; None where nothing is."""
        if file.path not in self._read:
            self._read[file.path] = self._looked_at(file)
        found = self._read[file.path]
        if found is not None and found.hashed.size != file.size:
            raise MalformedInput(
                f"{file.path} has {found.hashed.size} bytes; the table says {file.size}"
            )
        counted = None if found is None or file.rows is None else found.rows
        if counted is not None and counted != file.rows:
            raise MalformedInput(
                f"{file.path} has {counted} rows; the table says {file.rows}"
            )
        return found

    def _looked_at(self, file: TableFile) -> _Read | None:
        try:
            with self._files.opened(file.path) as opened:
                rows = None
                if file.is_parquet:
                    rows = rows_of_parquet(file.path, opened.stream)
                return _Read(opened.hashed, rows)
        except FileMissing:
            return None


def _digest(lines: list[object]) -> str:
    """SHA-256 (hex) over compact JSON in UTF-8."""
    text = json.dumps(lines, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
