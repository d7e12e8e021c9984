"""What events told beside the links is found and shown by every name it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.openlineage import OpenLineageSource
from console.cli import main
from console.screens.detail import facts_text
from console.services.importing import import_source
from console.services.inspection import details, lineage
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.errors import UnknownReference
from store.identifiers import dataset_key
from store.queries.lineage import Direction
from store.queries.search import HitKind, search
from tests.unit.connectors.test_openlineage_facets import (
    COLUMN_LINEAGE,
    RUN,
    dataset,
    event,
)
from tests.worlds import World


def tell(world: World, folder: Path, *events: object) -> None:
    path = folder / "e.ndjson"
    path.write_text("".join(json.dumps(e) + "\n" for e in events))
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    import_source(world.store, acting, OpenLineageSource("ol", path))


def also(name: str) -> dict[str, Any]:
    given = {"namespace": "hive://h", "name": name, "type": "TABLE"}
    return {"identifiers": [given]}


def test_a_dataset_is_found_by_its_other_name(world: World, tmp_path: Path) -> None:
    out = dataset("mart", symlinks=also("db.mart"), columnLineage=COLUMN_LINEAGE)
    tell(world, tmp_path, event(outputs=[out]))
    shown = details(world.store, "dataset:hive://h/db.mart")
    assert shown.title == "dataset:s3://lake/mart@none:unversioned"
    assert ("also called", "hive://h/db.mart (TABLE)") in shown.fields
    assert [(c.column, c.read_column) for c in shown.columns] == [
        ("", "day"),
        ("old", "x"),
        ("total", "amount"),
    ]
    assert shown.columns[2].transformations == ("DIRECT AGGREGATION masked",)
    assert {f.name for f in shown.facets} == {"symlinks", "columnLineage"}
    closure = lineage(world.store, "dataset:hive://h/db.mart", Direction.UP, depth=3)
    assert len(closure.edges) == 1
    with world.store.projection.reading() as connection:
        found = search(connection, "db.mart", list(HitKind))
    assert dataset_key("s3://lake/mart") in {hit.key for hit in found}


def test_what_came_of_a_dataset_is_asked_for_by_any_of_its_names(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = dataset("raw", symlinks=also("db.raw"))
    tell(world, tmp_path, event(inputs=[raw], outputs=[dataset("mart")]))
    capsys.readouterr()
    asked = ["impact", "dataset:hive://h/db.raw", "--store", world.store.address]
    assert main(asked) == 0
    assert "s3://lake/raw@none:unversioned: 0 model" in capsys.readouterr().err


def test_the_screen_of_a_thing_tells_its_columns_and_facets(
    world: World, tmp_path: Path
) -> None:
    out = dataset("mart", columnLineage=COLUMN_LINEAGE, x={"a": "y" * 500})
    gone = dataset("mart", z={"_deleted": True})
    tell(world, tmp_path, event(outputs=[out]), event(outputs=[gone]))
    text = facts_text(details(world.store, "dataset:s3://lake/mart"))
    assert "mart@none:unversioned total: <- s3://lake/raw amount (DIRECT" in text
    assert "y... (509 characters)" in text
    assert 'z: taken away: {"_deleted": true}' in text


def test_two_datasets_with_one_other_name_are_not_taken_for_one(
    world: World, tmp_path: Path
) -> None:
    first, second = (dataset(name, symlinks=also("db.t")) for name in ("a", "b"))
    tell(world, tmp_path, event(outputs=[first, second]))
    with pytest.raises(UnknownReference) as refused:
        details(world.store, "dataset:hive://h/db.t")
    assert refused.value.candidates == ("dataset:s3://lake/a", "dataset:s3://lake/b")


def test_a_dataset_s_own_name_goes_before_what_another_is_called(
    world: World, tmp_path: Path
) -> None:
    own = {"namespace": "hive://h", "name": "db.t"}
    other = dataset("a", symlinks=also("db.t"))
    tell(world, tmp_path, event(inputs=[own], outputs=[other]))
    shown = details(world.store, "dataset:hive://h/db.t")
    assert shown.title == "dataset:hive://h/db.t@none:unversioned"


def test_a_run_shows_the_columns_that_it_told_of_and_no_others(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = RUN[:-1] + "2"
    fields = {"b": {"inputFields": [{"name": "raw", "field": "a\x1b[31m"}]}}
    out = dataset("mart", columnLineage=COLUMN_LINEAGE)
    changed = dataset("mart", columnLineage={"fields": fields})
    tell(
        world,
        tmp_path,
        event(outputs=[out]),
        event(run={"runId": later}, outputs=[changed]),
    )
    assert len(details(world.store, f"run:{RUN}").columns) == 3
    (only,) = details(world.store, f"run:{later}").columns
    assert (only.column, only.read) == ("b", "raw")
    capsys.readouterr()
    assert main(["show", f"run:{later}", "--store", world.store.address]) == 0
    said = capsys.readouterr().out
    assert "mart@none:unversioned b: <- raw a" in said
    assert "\x1b" not in said
