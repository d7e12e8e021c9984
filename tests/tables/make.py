"""Writes the tables beside this file anew, with the libraries that others use.

Run it with a Python that has `deltalake` and `pyiceberg[pyarrow,sql-sqlite]`, and with
moto's server at the address given: the Iceberg table is written to a bucket, so that
its location is that of no machine. What it wrote is kept; the tests only read it.
"""

from __future__ import annotations

import shutil
import sys
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BUCKET = "warehouse"


def orders(first: int) -> Any:
    """Three orders with running numbers."""
    import pyarrow as pa

    numbers = [first, first + 1, first + 2]
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "country": ["DE", "FR", "DE"],
            "amount": [n * 1.5 for n in numbers],
        }
    )


def delta(folder: Path) -> None:
    """Appends, a deletion, a new column, a checkpoint, and files vacuumed away."""
    from deltalake import DeltaTable, write_deltalake

    shutil.rmtree(folder, ignore_errors=True)
    write_deltalake(folder, orders(1), partition_by=["country"])
    write_deltalake(folder, orders(4), mode="append")
    table = DeltaTable(folder)
    table.create_checkpoint()
    table.delete("number = 4")
    DeltaTable(folder).vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False
    )
    more = orders(7).append_column("note", [["a", "b", "c"]])
    write_deltalake(folder, more, mode="append", schema_mode="merge")


def iceberg(folder: Path, endpoint: str) -> None:
    """Two appends, a deletion that writes a file anew, and a new column."""
    from pyiceberg.catalog.sql import SqlCatalog

    shutil.rmtree(folder, ignore_errors=True)
    catalog = SqlCatalog(
        "sample",
        **{
            "uri": "sqlite:///:memory:",
            "warehouse": f"s3://{BUCKET}",
            "s3.endpoint": endpoint,
            "s3.access-key-id": "test",
            "s3.secret-access-key": "secret",
            "s3.region": "us-east-1",
        },
    )
    catalog.create_namespace("shop")
    table = catalog.create_table(
        "shop.orders", orders(1).schema, location=f"s3://{BUCKET}/shop/orders"
    )
    table.append(orders(1))
    table.append(orders(4))
    table.delete("number == 4")
    with table.update_schema() as update:
        from pyiceberg.types import StringType

        update.add_column("note", StringType())
    table.append(orders(7).append_column("note", [["a", "b", "c"]]))
    _fetch(table.io, f"s3://{BUCKET}/shop/orders", folder)


def _fetch(io: Any, location: str, folder: Path) -> None:
    from pyarrow.fs import FileSelector

    system = io.fs_by_scheme("s3", BUCKET)
    root = location.removeprefix("s3://")
    for found in system.get_file_info(FileSelector(root, recursive=True)):
        if found.is_file:
            target = folder / found.path.removeprefix(root + "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with system.open_input_file(found.path) as stream:
                target.write_bytes(stream.read())


if __name__ == "__main__":
    given = sys.argv[1]
    request = urllib.request.Request(f"{given}/{BUCKET}", method="PUT")  # noqa: S310 - the address is the maker's own
    urllib.request.urlopen(request).close()  # noqa: S310 - the same
    delta(HERE / "delta" / "orders")
    iceberg(HERE / "iceberg" / "orders", given)
