"""What kind of data lies in a folder or in a part of a bucket."""

from __future__ import annotations

import re

from connectors.data_files import DataFiles
from connectors.errors import MalformedInput
from connectors.protocols import FactSource

DELTA_LOG = "_delta_log"
ICEBERG_METADATA = "metadata"
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
    from connectors.delta import DeltaTable
    from connectors.iceberg import IcebergTable, newest_metadata
    from connectors.table_source import TableSource

    if not metadata and DELTA_LOG in files.folders():
        return TableSource(name, files, DeltaTable(files))
    found = _metadata_names(files)
    if metadata and metadata not in found:
        raise MalformedInput(
            f"{metadata} lies in no folder {ICEBERG_METADATA} of a table",
            hint="Give the folder of the table, or a file in its metadata folder.",
        )
    chosen = metadata or newest_metadata(found)
    return TableSource(name, files, IcebergTable(files, chosen))


def data_in_files(files: DataFiles, name: str) -> FactSource | None:
    """The files of data directly at a place, or None where there are none.

    Raises:
        ConnectorError: it cannot be listed.
    """
    from connectors.data import DataSource, data_names

    return DataSource(name, files) if data_names(files) else None


def _metadata_names(files: DataFiles) -> list[str]:
    return [n for n in files.names(ICEBERG_METADATA) if table_metadata_file(n)]
