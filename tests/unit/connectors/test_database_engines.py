"""What reads MLflow's database servers: optional where it should be, and discreet."""

from __future__ import annotations

import subprocess
import sys
import traceback

import pytest

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.mlflow.columns import RunColumns
from connectors.mlflow.database_address import read_address
from connectors.mlflow.engines import MYSQL, POSTGRES, SQLITE, Dialect
from connectors.mlflow.servers import open_engine
from connectors.opening import open_sources

PASSWORD = "hunter2"


def test_without_pymysql_the_next_step_is_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ConnectorRefused, match="PyMySQL") as caught:
        open_sources("mysql://ann@127.0.0.1:9/mlflow")
    assert "countersign[mysql]" in caught.value.hint


def test_nothing_but_a_database_s_own_reader_is_imported() -> None:
    code = (
        "import sys; from connectors.opening import open_sources; "
        "from connectors.errors import ConnectorError\n"
        "try: open_sources('{}')\nexcept ConnectorError: pass\n"
        "print(*(m for m in ('pymysql', 'adbc_driver_postgresql', "
        "'adbc_driver_sqlite', 'pyarrow', 'duckdb') if m in sys.modules))"
    )
    imported = {}
    for address in (
        "https://ann:x@mlflow.example",
        "postgresql://127.0.0.1:9/m",
        "mysql://127.0.0.1:9/m",
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(address)],
            capture_output=True,
            text=True,
            check=True,
        )
        imported[address.partition(":")[0]] = done.stdout.split()
    assert imported["https"] == []
    assert "pymysql" not in imported["postgresql"]
    assert imported["mysql"] == ["pymysql"]


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_password_is_in_no_traceback_even_with_local_variables(scheme: str) -> None:
    given = [f"{scheme}://ann:{PASSWORD}@127.0.0.1:9/mlflow"]
    engine = open_engine(read_address(given.pop(), {}))
    with pytest.raises(ConnectorUnavailable) as caught:
        engine.columns_of("runs")
    told = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    assert PASSWORD not in "".join(told.format())
    assert "127.0.0.1:9/mlflow" in str(caught.value)


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES, MYSQL])
def test_every_engine_is_asked_for_the_same_columns(dialect: Dialect) -> None:
    columns = RunColumns(dialect)
    lists = (
        columns.named(),
        columns.metric(),
        columns.dataset(),
        columns.input(),
        columns.run({"name"}),
    )
    names = [
        [part.rpartition(" AS ")[2].strip('"') for part in _top_level(listed)]
        for listed in lists
    ]
    odd = ["odd"] if dialect.odd_id else []
    assert [[n for n in row if n != "odd"] for row in names] == [
        ["run", "key", "value"],
        ["run", "key", "value", "ms", "step", "is_nan"],
        ["id", "name", "digest", "location", "schema"],
        ["run", "dataset", "context"],
        [
            *("run", "experiment", "name", "user", "status", "start_ms", "end_ms"),
            *("lifecycle", "location"),
        ],
    ]
    assert [n for n in names[0] if n == "odd"] == odd


def _top_level(listed: str) -> list[str]:
    """The items of a select list: commas within brackets part nothing."""
    depth, items = 0, [""]
    for letter in listed:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            items.append("")
        else:
            items[-1] += letter
    return items
