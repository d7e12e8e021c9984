"""What kind of data lies in a folder or in a part of a bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from connectors.data_files import DataFiles
from connectors.data_formats import SUFFIXES as DATA_SUFFIXES
from connectors.data_formats import stem_of
from connectors.errors import MalformedInput
from connectors.protocols import FactSource

if TYPE_CHECKING:
    from connectors.s3_files import S3Files

DELTA_LOG = "_delta_log"
ICEBERG_METADATA = "metadata"
DESCRIPTOR = ".json"
CROISSANT_MARK = b"mlcommons.org/croissant"
MOST_DESCRIPTORS = 1_000
"""Files that are looked at for being one, at one place."""
MOST_FOLDERS = 1_000
"""In a part of a bucket; each is looked into."""
_METADATA_FILE = re.compile(
    r"(v[0-9]{1,18}|[0-9]{1,18}-[0-9a-fA-F-]{36})(\.gz\.metadata\.json|\.metadata\.json(\.gz)?)"
)


def table_metadata_file(name: str) -> bool:
    """Whether a file is called as Iceberg calls the metadata of a table."""
    return _METADATA_FILE.fullmatch(name) is not None


def is_table(files: DataFiles) -> bool:
    """Whether the place is a Delta or an Iceberg table.

    Raises:
        ConnectorError: it cannot be listed.
    """
    folders = files.folders()
    return DELTA_LOG in folders or (
        ICEBERG_METADATA in folders and bool(_metadata_names(files))
    )


def table_source(files: DataFiles, name: str, *, metadata: str = "") -> FactSource:
    """The table at a place that `is_table`; `metadata` names a file of Iceberg's.

    Raises:
        ConnectorError: it cannot be listed, or which metadata counts is open.
    """
    from connectors.data_tables import VersionedTable
    from connectors.delta import DeltaTable
    from connectors.iceberg import IcebergTable, newest_metadata

    if not metadata and DELTA_LOG in files.folders():
        return VersionedTable(name, files, DeltaTable(files))
    found = _metadata_names(files)
    if metadata and metadata not in found:
        raise MalformedInput(
            f"{metadata} lies in no folder {ICEBERG_METADATA} of a table",
            hint="Give the folder of the table, or a file in its metadata folder.",
        )
    chosen = metadata or newest_metadata(found)
    return VersionedTable(name, files, IcebergTable(files, chosen))


def data_in_files(files: DataFiles, name: str) -> FactSource | None:
    """The files of data directly at a place, or None where there are none.

    Raises:
        ConnectorError: it cannot be listed.
    """
    from connectors.data import DataSource, data_names

    return DataSource(name, files) if data_names(files) else None


def _descriptor_names(files: DataFiles) -> list[str]:
    """Names of the Croissant descriptors directly at a place, by their content."""
    named = [name for name in files.names() if name.endswith(DESCRIPTOR)]
    return [name for name in named[:MOST_DESCRIPTORS] if is_descriptor(files, name)]


def is_descriptor(files: DataFiles, name: str) -> bool:
    """Whether a file is a Croissant descriptor.

    Raises:
        ConnectorError: it cannot be read.
    """
    from connectors.croissant import LARGEST_DESCRIPTOR_BYTES, is_croissant

    with files.opened(name) as file:
        if file.hashed.size > LARGEST_DESCRIPTOR_BYTES:
            return False
        return is_croissant(file.stream.read())


def descriptor_source(files: DataFiles, path: str, name: str) -> FactSource:
    """A Croissant descriptor, with the files beside it."""
    from connectors.croissant import CroissantSource

    return CroissantSource(name, files, path)


def sources_in_bucket(address: str, name: str) -> list[FactSource]:
    """The data at `s3://bucket/prefix`: a file, a table, or what lies directly there.

    Raises:
        ConnectorError: nothing is there that can be read, or nobody answers.
    """
    folder, _, last = address.rstrip("/").rpartition("/")
    if last.endswith(DATA_SUFFIXES):
        return [_one_file(folder, last, name)]
    if last.endswith(DESCRIPTOR) and not table_metadata_file(last):
        stem = last.removesuffix(DESCRIPTOR)
        return [descriptor_source(_in_bucket(folder), last, name or stem)]
    if table_metadata_file(last):
        table, default = folder.rpartition("/")[0], folder.split("/")[-2]
        return [table_source(_in_bucket(table), name or default, metadata=last)]
    files = _in_bucket(address)
    if is_table(files):
        return [table_source(files, name or last)]
    found = list(_below(address, files, name or last))
    if not found:
        raise MalformedInput(
            f"{address} holds no data that can be imported",
            hint="Give a Parquet or CSV file, a Delta or Iceberg table, or a folder of "
            "these.",
        )
    return found


def _below(address: str, files: S3Files, name: str) -> Iterator[FactSource]:
    """Files directly in a part of a bucket, and tables and files one folder down."""
    yield from _data_and_descriptors(files, name)
    folders = files.folders()
    if len(folders) > MOST_FOLDERS:
        raise MalformedInput(
            f"{address} holds more than {MOST_FOLDERS} folders",
            hint="Give one of them.",
        )
    for folder in folders:
        child = files.below(folder)
        if is_table(child):
            yield table_source(child, folder)
        else:
            yield from _data_and_descriptors(child, folder)


def _data_and_descriptors(files: S3Files, name: str) -> Iterator[FactSource]:
    data = data_in_files(files, name)
    if data is not None:
        yield data
    for descriptor in _descriptor_names(files):
        yield descriptor_source(files, descriptor, descriptor.removesuffix(DESCRIPTOR))


def _one_file(folder: str, last: str, name: str) -> FactSource:
    from connectors.data import DataSource

    dataset = name or stem_of(last)
    return DataSource(dataset, _in_bucket(folder), only=last, dataset=dataset)


def _in_bucket(address: str) -> S3Files:
    from connectors.s3_files import S3Files
    from connectors.s3_objects import S3Objects

    return S3Files(S3Objects(address))


def _metadata_names(files: DataFiles) -> list[str]:
    return [n for n in files.names(ICEBERG_METADATA) if table_metadata_file(n)]
