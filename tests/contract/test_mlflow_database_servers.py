"""MLflow's database on Postgres and MariaDB: real servers, awkward and dying ones."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.mlflow import mysql_engine, postgres_engine
from connectors.mlflow.client import MlflowClient
from connectors.mlflow.database import MlflowDatabase
from connectors.mlflow.database_address import read_address
from connectors.mlflow.rest import MlflowRest
from connectors.mlflow.served_artifacts import ServedArtifacts
from connectors.mlflow.servers import open_engine
from connectors.mlflow.telling import MlflowSource
from connectors.opening import open_sources
from connectors.protocols import FactSource, KnownState, PartMemory
from console.cli import main
from console.services.importing import import_address
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.facts import TIME_COLUMNS, Fact, FactKind, fact_id
from store.identifiers import model_key, model_version_key
from tests.contract.conftest import mlflow_python
from tests.contract.database_servers import (
    OWNER_PASSWORD,
    DatabaseServer,
    running_mariadb,
    running_postgres,
)
from tests.contract.mlflow_schemas import Rows, engine_of, fill, make_schema
from tests.contract.mlflow_server import Server, running, seed
from tests.worlds import World

pytestmark = [pytest.mark.peer, pytest.mark.slow]
KNOWN = KnownState(datetime(2026, 11, 24, tzinfo=UTC))
STARTERS = {"postgres": running_postgres, "mariadb": running_mariadb}
READER_PASSWORD = "only to read, p@ss:/?#%"
GRANTS = {
    "postgresql": "CREATE ROLE reader LOGIN PASSWORD '{password}';"
    "GRANT USAGE ON SCHEMA public TO reader;"
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;",
    "mysql": "CREATE USER reader IDENTIFIED BY '{password}';"
    "GRANT SELECT ON mlflow.* TO reader;",
}
LATE_PARAM = {
    "postgresql": "INSERT INTO params (key, value, run_uuid) "
    "SELECT 'late', '1', run_uuid FROM runs LIMIT 1;",
    "mysql": "INSERT INTO params (`key`, value, run_uuid) "
    "SELECT 'late', '1', run_uuid FROM runs LIMIT 1;",
}


@dataclass
class Hosted:
    """An MLflow server, and the database server that it keeps its tables in."""

    database: DatabaseServer
    mlflow: Server

    def source(self, address: str = "") -> FactSource:
        (found,) = open_sources(
            address or self.database.address(),
            name="m",
            artifacts=self.mlflow.address,
        )
        return found


@pytest.fixture(scope="module", params=sorted(STARTERS))
def hosted(request: pytest.FixtureRequest) -> Iterator[Hosted]:
    with (
        STARTERS[request.param]() as database,
        running(mlflow_python(), backend=database.for_mlflow) as mlflow,
    ):
        seed(mlflow)
        database.execute(GRANTS[database.scheme].format(password=READER_PASSWORD))
        yield Hosted(database, mlflow)


@contextmanager
def fresh(kind: str) -> Iterator[DatabaseServer]:
    """A server with MLflow's empty tables, to be filled or killed."""
    with STARTERS[kind]() as server:
        make_schema(mlflow_python(), server)
        yield server


def in_bulk(source: FactSource) -> list[Fact]:
    assert isinstance(source, MlflowSource)
    facts = []
    for table in source.tables(KNOWN):
        for row in table.to_pylist():
            for name in TIME_COLUMNS:
                row[name] = row[name] and row[name].replace(tzinfo=UTC)
            facts.append(Fact(**{**row, "kind": FactKind(row["kind"])}))
    return facts


def ids(facts: list[Fact]) -> set[str]:
    return {fact_id("m", fact) for fact in facts}


def by_rest(server: Server) -> list[Fact]:
    client = MlflowClient(server.address)
    source = MlflowSource("m", MlflowRest(client), ServedArtifacts(client))
    return list(source.facts(KNOWN))


def test_database_tells_what_rest_tells_but_for_deleted_versions(
    hosted: Hosted,
) -> None:
    rest, bulk = ids(by_rest(hosted.mlflow)), in_bulk(hosted.source())
    by_row = list(hosted.source().facts(KNOWN))
    assert ids(bulk) == ids(by_row)
    assert rest - ids(bulk) == set()
    only_here = [f for f in bulk if fact_id("m", f) not in rest]
    deleted = model_version_key("m", "fraud", "4")
    assert [(f.kind, f.subject) for f in only_here] == [(FactKind.DELETION, deleted)]


def test_who_may_only_read_reads_everything(hosted: Hosted) -> None:
    address = hosted.database.address("reader", READER_PASSWORD)
    assert ids(in_bulk(hosted.source(address))) == ids(in_bulk(hosted.source()))


def test_table_that_may_not_be_read_is_no_empty_table(hosted: Hosted) -> None:
    server = hosted.database
    if server.scheme == "postgresql":
        server.execute(
            "CREATE ROLE halfway LOGIN PASSWORD 'x'; GRANT SELECT ON "
            "alembic_version, experiments, runs, tags, params, latest_metrics, "
            "registered_models, model_versions TO halfway;"
        )
    else:
        allowed = "alembic_version experiments runs tags params latest_metrics"
        grants = [
            f"GRANT SELECT ON mlflow.{name} TO halfway;" for name in allowed.split()
        ]
        server.execute("CREATE USER halfway IDENTIFIED BY 'x';" + "".join(grants))
    with pytest.raises(ConnectorRefused) as caught:
        in_bulk(hosted.source(server.address("halfway", "x")))
    assert "GRANT" in caught.value.hint


def test_nothing_is_written_even_by_who_may(hosted: Hosted) -> None:
    with engine_of(hosted.database).reading() as read, pytest.raises(ConnectorError):
        read("DELETE FROM params")
    assert [f for f in in_bulk(hosted.source()) if f.kind is FactKind.PARAM]


def test_everything_is_of_one_moment(hosted: Hosted) -> None:
    database = MlflowDatabase(engine_of(hosted.database))
    with database.moment():
        before = len(list(database.experiments()))
        hosted.database.execute(LATE_PARAM[hosted.database.scheme])
        assert before
        names = [
            name
            for table, _ in database.run_tables("m", PartMemory())
            for name in table["name"].to_pylist()
        ]
        assert "late" not in names
    told = {f.name for f in in_bulk(hosted.source())}
    assert "late" in told
    hosted.database.execute("DELETE FROM params WHERE value = '1';")


def test_aliases_are_asked_for_as_they_are_now(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = {"postgresql": "PGPASSWORD", "mysql": "MYSQL_PWD"}
    monkeypatch.setenv(variable[hosted.database.scheme], OWNER_PASSWORD)
    source = hosted.source(hosted.database.address(password=""))
    assert isinstance(source, MlflowSource)
    champion = (model_key("m", "fraud"), "champion")
    assert source.aliases_now()[champion] == model_version_key("m", "fraud", "1")
    move = "UPDATE registered_model_aliases SET version = {} WHERE alias = 'champion';"
    hosted.database.execute(move.format(2))
    assert source.aliases_now()[champion] == model_version_key("m", "fraud", "2")
    hosted.database.execute(move.format(1))


@pytest.mark.parametrize(
    ("user", "password", "database", "code"),
    [
        ("owner", "wrong-and-secret", "mlflow", 1),
        ("nobody-here", "wrong-and-secret", "mlflow", 1),
        ("owner", OWNER_PASSWORD, "no such database", 1),
        ("owner", OWNER_PASSWORD, "", 2),
    ],
)
def test_what_the_server_refuses_is_told_with_the_next_step(
    hosted: Hosted,
    user: str,
    password: str,
    database: str,
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = hosted.database.address(user, password, database.replace(" ", "%20"))
    assert main(["scan", address]) == code
    told = capsys.readouterr()
    assert password not in told.err + told.out
    assert "owner%27s" not in told.err + told.out
    assert "Traceback" not in told.err
    assert len(told.err.strip().splitlines()) == 2


def test_server_that_is_not_there_is_told_apart(
    hosted: Hosted, capsys: pytest.CaptureFixture[str]
) -> None:
    down = hosted.database.address(password="secret").replace(
        f":{hosted.database.port}/", ":9/"
    )
    assert main(["scan", down]) == 3
    told = capsys.readouterr().err
    assert ":9/mlflow" in told
    assert "can be reached" in told
    assert "secret" not in told


def test_database_without_mlflow_is_malformed(hosted: Hosted) -> None:
    other = {"postgresql": "postgres", "mysql": "information_schema"}
    address = hosted.database.address(database=other[hosted.database.scheme])
    with pytest.raises(MalformedInput, match="not MLflow's"):
        open_sources(address)


def test_password_in_an_address_is_used_once_and_kept_nowhere(
    hosted: Hosted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    assert main(["init", "--name", "Ann", "--no-passphrase"]) == 0
    address = hosted.database.address("reader", READER_PASSWORD)
    assert main(["import", address, "--name", "m"]) == 0
    told = capsys.readouterr()
    assert "remembered without its password" in told.err
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    quoted = address.partition("reader:")[2].partition("@")[0]
    for secret in (READER_PASSWORD, quoted):
        assert secret not in told.out + told.err
        assert secret.encode() not in kept
    assert f"reader@127.0.0.1:{hosted.database.port}/mlflow".encode() in kept


def test_configured_source_names_its_password_by_reference(
    hosted: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "password"
    secret.write_text(READER_PASSWORD + "\n")
    configuration = tmp_path / "countersign.toml"
    address = hosted.database.address("reader", "")
    configuration.write_text(
        f'[sources.m]\naddress = "{address}"\npassword = "file:{secret}"\n'
    )
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    named = ["--config", str(configuration)]
    assert main(["init", "--name", "Ann", "--no-passphrase", *named]) == 0
    assert main(["import", "m", *named]) == 0
    secret.write_text("wrong")
    assert main(["import", "m", *named]) == 1
    secret.unlink()
    assert main(["import", "m", *named]) == 2


MANY = 10_000
LARGEST = 1.7976931348623157e308
OF_RUN = {"run_uuid": "ab" * 16}
WIDE = {
    "sqlite": "",
    "postgresql": "ALTER TABLE tags ALTER COLUMN value TYPE text;",
    "mysql": "ALTER TABLE tags MODIFY value LONGTEXT;",
}
METRICS = {
    "high": (LARGEST, False),
    "low": (-LARGEST, False),
    "none": (0.0, True),
    "tiny": (5e-324, False),
    "third": (1 / 3, False),
}
HOSTILE: Rows = {
    "experiments": [{"experiment_id": 1, "name": "e", "workspace": "default"}],
    "runs": [
        {
            **OF_RUN,
            "name": "\x1b]52;c;aGk=\x07\u202e[/x] 🦊",
            "status": "FINISHED",
            "start_time": 2**62,
            "end_time": -(2**63),
            "lifecycle_stage": "active",
            "experiment_id": 1,
        }
    ],
    "params": [{**OF_RUN, "key": f"p{n} 名", "value": str(n)} for n in range(MANY)],
    "tags": [
        {**OF_RUN, "key": "large", "value": "🦊x" * 200_000},
        {**OF_RUN, "key": "'; DROP TABLE runs; --", "value": '"?%s$1\\'},
        {**OF_RUN, "key": "", "value": ""},
    ],
    "latest_metrics": [
        {
            **OF_RUN,
            "key": key,
            "value": value,
            "is_nan": is_nan,
            "timestamp": 2**63 - 1,
            "step": -(2**63),
        }
        for key, (value, is_nan) in METRICS.items()
    ],
}
NUL: Rows = {"tags": [{**OF_RUN, "key": "nul", "value": "a\x00b"}]}


@pytest.mark.parametrize("kind", sorted(STARTERS))
def test_hostile_values_arrive_as_they_do_from_sqlite(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "PART_BYTES", 64 * 1024)
    monkeypatch.setattr(mysql_engine, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(mysql_engine, "PART_ROWS", 70)
    path = tmp_path / "mlflow.db"
    make_schema(mlflow_python(), path)
    with fresh(kind) as server:
        server.execute(WIDE[server.scheme])
        for place in (path, server):
            fill(place, HOSTILE)
            if kind == "mariadb":  # Postgres keeps no such text.
                fill(place, NUL)
        told = [
            source(MlflowSource("m", MlflowDatabase(engine_of(place)), None))
            for place in (path, server)
            for source in (in_bulk, lambda s: list(s.facts(KNOWN)))
        ]
        params = [f for f in told[2] if f.kind is FactKind.PARAM]
        metrics = {f.name: f.number for f in told[2] if f.kind is FactKind.METRIC}
    assert ids(told[0]) == ids(told[1]) == ids(told[2]) == ids(told[3])
    assert len(params) == MANY
    assert math.isnan(metrics.pop("none") or 0.0)
    assert metrics == {
        "high": math.inf,
        "low": -math.inf,
        "tiny": 5e-324,
        "third": 1 / 3,
    }


def test_nan_that_only_postgres_can_hold_is_nan() -> None:
    with fresh("postgres") as server:
        fill(server, {k: v for k, v in HOSTILE.items() if k in ("experiments", "runs")})
        server.execute(
            "INSERT INTO latest_metrics "
            "(key, value, timestamp, step, is_nan, run_uuid) "
            f"VALUES ('m', 'NaN', 1, 0, false, '{OF_RUN['run_uuid']}'), "
            f"('i', '-Infinity', 1, 0, false, '{OF_RUN['run_uuid']}');"
        )
        source = MlflowSource("m", MlflowDatabase(engine_of(server)), None)
        metrics = {f.name: f.text for f in in_bulk(source) if f.kind is FactKind.METRIC}
        assert metrics == {"m": "nan", "i": "-inf"}
        assert ids(in_bulk(source)) == ids(list(source.facts(KNOWN)))


MILLION = {
    "postgresql": "INSERT INTO params (key, value, run_uuid) SELECT 'k' || i, "
    "repeat('v', 100), '{run}' FROM generate_series(1, 400000) i;",
    "mysql": "INSERT INTO params (`key`, value, run_uuid) SELECT CONCAT('k', seq), "
    "REPEAT('v', 100), '{run}' FROM seq_1_to_400000;",
}


@pytest.mark.parametrize("kind", sorted(STARTERS))
def test_server_that_dies_while_it_is_read_leaves_nothing_imported(
    kind: str, world: World
) -> None:
    store = world.store
    acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
    with fresh(kind) as server:
        fill(server, {k: v for k, v in HOSTILE.items() if k in ("experiments", "runs")})
        many = MILLION[server.scheme].format(run=OF_RUN["run_uuid"])
        server.execute(many)
        before = store.index.size
        heard: list[int] = []

        def kill(name: str, told: int) -> None:
            if not heard:
                server.kill()
            heard.append(told)

        with pytest.raises(ConnectorUnavailable) as caught:
            import_address(store, acting, server.address(), watch=kill)
        assert caught.value.hint
        assert OWNER_PASSWORD not in str(caught.value)
    assert heard[0] < 400_000
    assert store.index.size == before


@pytest.mark.parametrize("kind", sorted(STARTERS))
def test_server_that_falls_silent_is_given_up(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "STALLED_SECONDS", 2)
    monkeypatch.setattr(mysql_engine, "SILENT_SECONDS", 2)
    with fresh(kind) as server:
        fill(server, {k: v for k, v in HOSTILE.items() if k in ("experiments", "runs")})
        server.execute(MILLION[server.scheme].format(run=OF_RUN["run_uuid"]))
        parts = engine_of(server).parts("params", "value")
        next(parts)
        server.freeze()
        started = time.monotonic()
        with pytest.raises(ConnectorUnavailable):
            list(parts)
        assert time.monotonic() - started < 30


def test_only_needed_parts_of_a_table_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh("postgres") as server:
        fill(server, {k: v for k, v in HOSTILE.items() if k in ("experiments", "runs")})
        server.execute(MILLION["postgresql"].format(run=OF_RUN["run_uuid"]))
        parts = open_engine(read_address(server.address(), {})).parts("params", "value")
        sizes = [part.nbytes for part in parts]
    assert len(sizes) > 1
    assert max(sizes) < 2 * postgres_engine.PART_BYTES
