"""A projection that was made ahead of the log is the one that the log makes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from console.services import importing, signing
from console.services.checkpoints import verify_log
from console.services.import_folder import import_folder
from console.services.importing import ImportReport
from console.services.signing import service_key_path
from policies.trust_root import ServiceKind
from store.facts import Fact, FactKind, Relation, Strength, fact_id
from store.identifiers import run_key
from store.projection import batches, connection, keeping, new_facts, prepared
from store.projection.connection import ProjectionDamaged, create_projection
from store.projection.prepared import Prepared
from store.projection.rebuild import compare_with_rebuilt
from tests.conftest import REPOSITORY
from tests.services.test_projection import IMPORTER
from tests.worlds import World

KEYS = [run_key("mlflow", f"r{n}") for n in range(6)]
PREPARING = "from store.projection import prepared\nprepared.LEAST_ROWS = 0\n"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight facts looked up together, sixteen a batch, and everything is prepared."""
    monkeypatch.setattr(batches, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(keeping, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", 8)
    monkeypatch.setattr(keeping, "MOST_ROWS_OF_A_BATCH", 16)
    monkeypatch.setattr(prepared, "LEAST_ROWS", 0)


@pytest.fixture
def put_in_place(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each import that brought something, whether what was prepared was used."""
    said: list[bool] = []
    real = Prepared.put_in_place

    def noted(self: Prepared, digests: Sequence[str]) -> bool:
        said.append(real(self, digests))
        return said[-1]

    monkeypatch.setattr(Prepared, "put_in_place", noted)
    return said


def tags(value: str, count: int = 40) -> list[Fact]:
    """Many facts about few runs."""
    return [
        Fact(
            kind=FactKind.TAG,
            subject=KEYS[n % len(KEYS)],
            name=f"t{n}",
            text=value,
        )
        for n in range(count)
    ]


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a projection, in the order in which it stands there."""
    with duckdb.connect(str(path), read_only=True) as opened:
        names = opened.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1")
        return {
            name: opened.execute(
                f"SELECT * {'EXCLUDE (made)' if name == 'state' else ''} FROM {name}"
            ).fetchall()
            for (name,) in names.fetchall()
        }


def differences(world: World) -> list[str]:
    """What differs from a projection that is made of the log alone: rows, their order
    and views. Corrections are kept in no order."""
    projection = world.store.projection
    again = projection.made_anew(world.folder / "again.duckdb")
    try:
        one, other = rows_of(projection.path), rows_of(again.path)
        for rows in (one, other):
            rows["replaced"].sort()
        tables = [name for name in one | other if one.get(name) != other.get(name)]
        return tables + compare_with_rebuilt(projection)
    finally:
        again.path.unlink()


def random_facts(dice: random.Random, told: list[Fact]) -> list[Fact]:
    """Facts of many kinds: new ones, known ones, changed ones and corrections."""
    facts: list[Fact] = []
    for _ in range(dice.randrange(1, 60)):
        key, value = dice.choice(KEYS), dice.choice("abc")
        made = dice.choice(
            [
                Fact(
                    kind=FactKind.TAG, subject=key, name=value, text=dice.choice("xy")
                ),
                Fact(kind=FactKind.PARAM, subject=key, name=value, text="1"),
                Fact(
                    kind=FactKind.METRIC,
                    subject=key,
                    name=value,
                    text=dice.choice(["0.5", "0.50"]),
                    number=0.5,
                    step=dice.randrange(3),
                ),
                Fact(kind=FactKind.RUN, subject=key, name="r", status=value),
                Fact(
                    kind=FactKind.EDGE,
                    subject=key,
                    name=Relation.CONTAINS.value,
                    object=dice.choice(KEYS),
                    strength=Strength.DECLARED.value,
                ),
                Fact(kind=FactKind.DELETION, subject=key, text="deleted"),
            ]
        )
        known = [*told, *facts]
        same = [f for f in known if (f.kind, f.subject) == (made.kind, made.subject)]
        if same and dice.random() < 0.2:
            made = replace(made, replaces=fact_id("mlflow", dice.choice(same)))
        elif known and dice.random() < 0.3:
            made = dice.choice(known)
        facts.append(made)
    told += facts
    return facts


@pytest.mark.parametrize("seed", range(6))
def test_imports_of_any_kind_make_the_rows_that_the_log_makes(
    world: World, put_in_place: list[bool], seed: int
) -> None:
    dice, told = random.Random(seed), list[Fact]()  # noqa: S311 - a test
    for _ in range(4):
        world.clock.forward(seconds=60)
        brought = world.tell(*random_facts(dice, told))
        assert put_in_place == [True] * len(put_in_place)
        assert brought.index is None or put_in_place
    assert put_in_place
    assert differences(world) == []


def test_what_is_told_twice_far_apart_is_there_once(
    world: World, put_in_place: list[bool]
) -> None:
    size = world.store.index.size
    assert world.tell(*tags("x"), *tags("x")).new == {"tag": 40}
    assert world.store.index.size - size > 2
    assert put_in_place == [True]
    assert differences(world) == []


def test_a_small_import_prepares_nothing(
    world: World, put_in_place: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "LEAST_ROWS", 9)
    world.tell(*tags("x"))
    assert put_in_place == [False]
    assert differences(world) == []


def test_a_large_projection_is_not_copied(
    world: World, put_in_place: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "MOST_BYTES_COPIED", 1)
    world.tell(*tags("x"))
    assert put_in_place == [False]
    assert differences(world) == []


def before_an_append(
    monkeypatch: pytest.MonkeyPatch, number: int, happens: Callable[[], object]
) -> None:
    """Something happens just before the n-th entry of an import is appended."""
    real, calls = signing.append, iter(range(1000))

    def appending(*given: object) -> object:
        if next(calls) == number:
            happens()
        return real(*given)  # type: ignore[arg-type]  # the same arguments

    monkeypatch.setattr(importing, "append", appending)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_another_import_among_the_entries_is_in_its_place(
    world: World,
    put_in_place: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    places = world.elsewhere("other")
    other = World(world.folder, world.reopened(places), places, world.clock, {})
    key = service_key_path(world.store.folder, ServiceKind.IMPORT)
    shutil.copy(key, service_key_path(other.store.folder, ServiceKind.IMPORT))

    def tell() -> ImportReport:
        monkeypatch.setattr(importing, "append", signing.append)
        return other.tell(*tags("x", 5), *tags("y", 5))

    before_an_append(monkeypatch, number, tell)
    world.tell(*tags("x"))
    assert len(put_in_place) == 2
    assert put_in_place[-1] is False
    assert differences(world) == []
    with world.store.projection.reading() as opened:
        assert opened.execute("SELECT count(*) FROM tag").fetchone() == (45,)


def test_a_projection_made_anew_meanwhile_stays(
    world: World, put_in_place: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.store.projection.path
    world.tell(*tags("w"))

    def anew() -> None:
        create_projection(path.with_suffix(".other"))
        path.with_suffix(".other").replace(path)

    before_an_append(monkeypatch, 1, anew)
    world.tell(*tags("x"))
    assert put_in_place == [True, False]
    assert differences(world) == []


def test_a_disk_that_fails_the_copy_fails_no_import(
    world: World, put_in_place: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = new_facts.insert_facts, iter(range(1000))

    def failing(*given: object) -> None:
        if next(calls) == 2:
            raise duckdb.IOException("no space left on device")
        real(*given)  # type: ignore[arg-type]  # the same arguments

    monkeypatch.setattr(prepared, "insert_facts", failing)
    assert world.tell(*tags("x")).new == {"tag": 40}
    assert put_in_place == [False]
    assert differences(world) == []


def died(*_: object) -> Iterator[object]:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "place",
    [
        "console.services.importing.append",
        "store.projection.prepared.note_heard",
        "store.projection.prepared.replace_projection",
    ],
)
def test_an_import_that_dies_leaves_the_projection_to_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    world.tell(*tags("w"))
    before = rows_of(world.store.projection.path)
    with monkeypatch.context() as patch:
        patch.setattr(place, died)
        with pytest.raises(KeyboardInterrupt):
            world.tell(*tags("x"))
    assert rows_of(world.store.projection.path) == before
    world.store.projection.catch_up()
    world.tell(*tags("x"))
    assert differences(world) == []


def test_the_source_that_dies_half_way_leaves_nothing_in_the_projection(
    world: World,
) -> None:
    from console.services.importing import import_source
    from console.services.signing import act_as_service
    from tests.worlds import ToldSource

    world.tell(*tags("w"))
    before = rows_of(world.store.projection.path)
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    with pytest.raises(OSError, match="died"):
        import_source(world.store, acting, ToldSource("mlflow", tags("x"), 35))
    assert rows_of(world.store.projection.path) == before
    assert list(world.store.folder.glob("import-*")) == []


def test_the_folder_of_a_killed_import_is_taken_away_by_the_next(world: World) -> None:
    left = world.store.folder / "import-killed"
    left.mkdir()
    (left / "prepared.duckdb").write_bytes(b"half a copy")
    with import_folder(world.store.folder) as at_work:
        assert not left.exists()
        world.tell(*tags("x"))
        assert at_work.exists()
    assert list(world.store.folder.glob("import-*")) == []


def test_others_read_what_was_there_while_an_import_is_prepared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tell(*tags("w"))
    seen: list[object] = []

    def ask() -> None:
        command = [sys.executable, "-m", "console", "--store", world.store.address]
        home = {**os.environ, "COUNTERSIGN_HOME": str(world.folder / "fresh")}
        asked = subprocess.run(
            [*command, "sql", "SELECT count(*) FROM tag", "--format", "csv"],
            env=home,
            capture_output=True,
            check=True,
            cwd=REPOSITORY,
        )
        seen.append(asked.stdout.split()[-1])
        with world.store.projection.reading() as opened:
            seen.append(opened.execute("SELECT count(*) FROM tag").fetchone())

    before_an_append(monkeypatch, 0, ask)
    world.tell(*tags("x"))
    assert seen == [b"40", (40,)]


def test_a_copy_is_made_only_of_a_projection(tmp_path: Path) -> None:
    bad = tmp_path / "lineage.duckdb"
    bad.write_bytes(b"no database at all")
    with pytest.raises(ProjectionDamaged):
        connection.copy_projection(bad, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.slow
def test_killed_at_random_points_while_it_prepares_nothing_is_half_there(
    world: World,
) -> None:
    acknowledged: set[int] = set()
    for attempt in range(8):
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                PREPARING + IMPORTER.lstrip(),
                str(world.folder),
                str(attempt * 1000),
            ],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        ) as importer:
            assert importer.stdout is not None
            acknowledged.add(int(importer.stdout.readline()))
            time.sleep(0.041 * attempt)
            os.kill(importer.pid, signal.SIGKILL)
            acknowledged |= {int(line) for line in importer.stdout.read().split()}
    world.store.catch_up()
    world.store.projection.catch_up()
    with world.store.projection.reading() as opened:
        found = opened.execute(
            "SELECT subject, count(*) FROM tag GROUP BY 1"
        ).fetchall()
    counted = dict(found)
    assert {f"run:m/{number}" for number in acknowledged} <= counted.keys()
    assert set(counted.values()) == {50}
    world.tell(*tags("x"))
    assert list(world.store.folder.glob("import-*")) == []
    assert differences(world) == []
    assert verify_log(world.store, deep=True).problems == ()


@pytest.mark.slow
def test_two_processes_prepare_and_import_while_a_third_reads(world: World) -> None:
    writers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                PREPARING + IMPORTER.lstrip().replace("+ 1000", "+ 12"),
                str(world.folder),
                str(start),
            ],
            stdout=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        for start in (0, 1000)
    ]
    seen: list[int] = []
    while any(writer.poll() is None for writer in writers):
        world.store.catch_up()
        world.store.projection.catch_up()
        with world.store.projection.reading() as opened:
            row = opened.execute("SELECT count(*) FROM tag").fetchone()
        seen.append(row[0] if row else 0)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == sorted(seen)
    assert all(count % 50 == 0 for count in seen)
    world.store.catch_up()
    world.store.projection.catch_up()
    assert differences(world) == []
    assert len(world.store.index.batches(0)) == 24


def test_moments_of_the_entries_are_those_that_the_log_tells(world: World) -> None:
    world.tell(*tags("x", 20))
    with world.store.projection.reading() as opened:
        heard = opened.execute("SELECT DISTINCT heard FROM heard").fetchall()
    assert heard == [(world.clock().astimezone(UTC).replace(tzinfo=None),)]
    assert isinstance(heard[0][0], datetime)
