"""Iceberg tables: the snapshots that a metadata file tells, down to every data file.

Source: the Iceberg table specification, format versions 1 to 3. Files outside of the
table's own location are refused.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.avro import avro_records
from connectors.data_files import DataFiles, FileMissing, path_below, read_whole
from connectors.data_opening import ICEBERG_METADATA
from connectors.data_tables import MOST_VERSIONS, TableFile, TableVersion
from connectors.errors import MalformedInput
from connectors.parsing import parse_json, well_formed

MOST_TABLE_FILES = 1_000_000
MOST_METADATA_BYTES = 256 * 1024**2
_NEWEST_FORMAT = 3
_NUMBER = re.compile(r"v?([0-9]+)")
_DELETED = 2
_DATA = 0
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file that a manifest lists."""

    file: TableFile
    content: int
    sequence: int | None


def newest_metadata(names: Iterable[str]) -> str:
    """The metadata file with the highest number.

    Raises:
        MalformedInput: two have it, so only the catalogue knows which counts.
    """
    by_number: dict[int, list[str]] = {}
    for name in names:
        if match := _NUMBER.match(name):
            by_number.setdefault(int(match[1]), []).append(name)
    newest = sorted(by_number[max(by_number)])
    if len(newest) > 1:
        raise MalformedInput(
            f"the table has several metadata files with the highest number: "
            f"{', '.join(newest)}",
            hint="Ask the catalogue which one counts, and import that file.",
        )
    return newest[0]


class IcebergTable:
    """The snapshots of an Iceberg table."""

    form = "iceberg"

    def __init__(self, files: DataFiles, metadata: str) -> None:
        self._files = files
        self._metadata = metadata
        self._manifests: dict[str, tuple[_Entry, ...]] = {}
        self._location = ""

    def versions(self) -> Iterator[TableVersion]:
        """See Table.versions."""
        path = f"{ICEBERG_METADATA}/{self._metadata}"
        data = read_whole(self._files, path, at_most=MOST_METADATA_BYTES)
        with well_formed(path):
            told = parse_json(_plain(data, path), path)
            if int(told["format-version"]) > _NEWEST_FORMAT:
                raise MalformedInput(
                    f"the table has format version {told['format-version']!r:.20}; "
                    f"up to {_NEWEST_FORMAT} is read"
                )
            self._location = str(told["location"])
            snapshots = sorted(
                told.get("snapshots") or (),
                key=lambda s: (
                    int(s.get("sequence-number", 0)),
                    int(s["timestamp-ms"]),
                ),
            )
            schemas = {s.get("schema-id"): _schema(s) for s in _schemas(told)}
            latest = told.get("current-schema-id")
        for snapshot in snapshots[-MOST_VERSIONS:]:
            with well_formed("a snapshot"):
                schema = schemas.get(snapshot.get("schema-id", latest), "[]")
                yield self._version(snapshot, schema)

    def _version(self, snapshot: dict[str, Any], schema: str) -> TableVersion:
        parent = snapshot.get("parent-snapshot-id")
        version = TableVersion(
            number=str(int(snapshot["snapshot-id"])),
            parent="" if parent is None else str(int(parent)),
            made=_BEGINNING + timedelta(milliseconds=int(snapshot["timestamp-ms"])),
            schema=schema,
            files=(),
        )
        try:
            return replace(version, files=self._files_of(snapshot))
        except (MalformedInput, FileMissing) as problem:
            return replace(version, problem=str(problem))

    def _files_of(self, snapshot: dict[str, Any]) -> tuple[TableFile, ...]:
        entries: list[_Entry] = []
        for address, sequence in self._manifests_of(snapshot):
            for entry in self._manifest(address):
                if entry.sequence is None:
                    entry = replace(entry, sequence=sequence)
                entries.append(entry)
            if len(entries) > MOST_TABLE_FILES:
                raise MalformedInput(f"there are more than {MOST_TABLE_FILES} files")
        if all(entry.content == _DATA for entry in entries):
            return tuple(entry.file for entry in entries)
        return tuple(_with_sequence(entry) for entry in entries)

    def _manifests_of(self, snapshot: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """Where the manifests of a snapshot are, each with its sequence number."""
        if "manifest-list" not in snapshot:
            yield from ((str(address), 0) for address in snapshot["manifests"])
            return
        path = path_below(self._location, str(snapshot["manifest-list"]))
        data = read_whole(self._files, path, at_most=MOST_METADATA_BYTES)
        with well_formed(path):
            for record in avro_records(data, path):
                sequence = record.get("sequence_number") or 0
                yield str(record["manifest_path"]), int(sequence)

    def _manifest(self, address: str) -> tuple[_Entry, ...]:
        if address not in self._manifests:
            if sum(map(len, self._manifests.values())) > MOST_TABLE_FILES:
                self._manifests.clear()
            path = path_below(self._location, address)
            data = read_whole(self._files, path, at_most=MOST_METADATA_BYTES)
            with well_formed(path):
                self._manifests[address] = tuple(
                    self._entry(record)
                    for record in avro_records(data, path)
                    if record["status"] != _DELETED
                )
        return self._manifests[address]

    def _entry(self, record: dict[str, Any]) -> _Entry:
        told = record["data_file"]
        content = int(told.get("content") or 0)
        sequence = record.get("sequence_number")
        file = TableFile(
            path=path_below(self._location, str(told["file_path"])),
            size=int(told["file_size_in_bytes"]),
            rows=int(told["record_count"]),
            removes=0 if content == _DATA else None,
            said="" if content == _DATA else _deletes(content, told),
            is_parquet=str(told["file_format"]).upper() == "PARQUET",
        )
        return _Entry(file, content, None if sequence is None else int(sequence))


def _deletes(content: int, told: dict[str, Any]) -> str:
    """What decides which rows a file of deletions takes away."""
    names = (
        "equality_ids",
        "referenced_data_file",
        "content_offset",
        "content_size_in_bytes",
    )
    return json.dumps([content, *(told.get(name) for name in names)])


def _with_sequence(entry: _Entry) -> TableFile:
    """Where rows are deleted, the order of files decides what is read."""
    return replace(entry.file, said=json.dumps([entry.sequence, entry.file.said]))


def _plain(data: bytes, path: str) -> bytes:
    if ".gz" not in path:
        return data
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = unpacking.decompress(data, MOST_METADATA_BYTES)
    except zlib.error as cause:
        raise MalformedInput(f"{path} is not packed with gzip") from cause
    if not unpacking.eof:
        raise MalformedInput(f"{path} is cut off, or too large once unpacked")
    return plain


def _schemas(told: dict[str, Any]) -> list[dict[str, Any]]:
    return list(told.get("schemas") or [told["schema"]])


def _schema(schema: dict[str, Any]) -> str:
    return json.dumps(
        [{"name": str(f["name"]), "type": _type(f["type"])} for f in schema["fields"]]
    )


def _type(kind: object) -> str:
    return kind if isinstance(kind, str) else json.dumps(kind, sort_keys=True)
