"""Parquet files as dataset versions: the SHA-256 of the bytes, rows and schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from connectors.errors import ConnectorUnavailable, MalformedInput
from connectors.named_source import NamedSource
from connectors.protocols import KnownState, RefusedInput
from store.facts import Fact, FactKind, Strength
from store.identifiers import dataset_key, dataset_version_key

SUFFIX = ".parquet"
MOST_FILES = 100_000
MOST_COLUMNS = 10_000


class DataSource(NamedSource):
    """A Parquet file or a folder of them; a file is a snapshot of a dataset.

    The dataset is named by the file's stem, or as given for a single file.
    """

    def __init__(self, name: str, path: Path, *, dataset: str = "") -> None:
        super().__init__(name)
        self._path = path
        self._dataset = dataset

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        for path in self._files():
            try:
                yield from self._snapshot(path)
            except MalformedInput as problem:
                self._tally.refused.append(RefusedInput(path.name, str(problem)))
            else:
                self._tally.accepted += 1

    def _files(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        found = parquet_files(self._path)
        if len(found) > MOST_FILES:
            raise MalformedInput(f"{self._path} holds more than {MOST_FILES} files")
        return found

    def _snapshot(self, path: Path) -> Iterator[Fact]:
        try:
            with open(path, "rb") as stream:
                digest = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
                stream.seek(0)
                rows, schema = _described(path, stream)
        except OSError as cause:
            raise ConnectorUnavailable(
                f"cannot read {path}: {cause.strerror}"
            ) from cause
        name = self._dataset or _unicode(path.name.removesuffix(SUFFIX))
        yield Fact(kind=FactKind.DATASET, subject=dataset_key(name), name=name)
        yield Fact(
            kind=FactKind.DATASET_VERSION,
            subject=dataset_version_key(name, digest),
            object=dataset_key(name),
            name=name,
            digest=digest,
            location=_unicode(path.name),
            number=float(rows),
            text=schema,
            strength=Strength.REREAD.value,
        )


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files directly in a folder, by name; links are left out.

    Raises:
        ConnectorUnavailable: the folder cannot be listed.
    """
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix == SUFFIX and path.is_file() and not path.is_symlink()
        )
    except OSError as cause:
        raise ConnectorUnavailable(f"cannot list {folder}: {cause.strerror}") from cause


def _described(path: Path, stream: BinaryIO) -> tuple[int, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(stream)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as cause:
        raise MalformedInput(
            f"{path.name} is no Parquet file, or a damaged one",
            hint="Give Parquet files.",
        ) from cause
    if len(schema) > MOST_COLUMNS:
        raise MalformedInput(f"{path.name} has more than {MOST_COLUMNS} columns")
    fields = [{"name": field.name, "type": str(field.type)} for field in schema]
    return int(file.metadata.num_rows), json.dumps(fields)


def _unicode(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
