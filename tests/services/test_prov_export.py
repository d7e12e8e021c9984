"""Lineage and decisions as PROV-JSON: whole, referring to nothing that is not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.openlineage import OpenLineageSource
from console.cli import main
from console.reports.lineage_scope import Scope
from console.reports.prov_document import prov_document
from console.services.demonstration import Demonstrated
from console.services.importing import import_source
from console.services.opened import OpenStore, parse_time
from console.services.problems import Misuse
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import dataset_version_key, run_key
from tests.cli.test_command_line import HOSTILE
from tests.worlds import World

REFERRED = {
    "prov:activity": "activity",
    "prov:entity": "entity",
    "prov:agent": "agent",
    "prov:plan": "entity",
    "prov:informed": "activity",
    "prov:informant": "activity",
}
PREFIXES = ("prov", "countersign")
RELATIONS = ("used", "wasGeneratedBy", "wasAssociatedWith", "wasInformedBy")


def document(store: OpenStore, scope: Scope | None = None) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(prov_document(store, scope or Scope()).to_bytes())
    return read


def require_whole(read: dict[str, Any]) -> None:
    """Every name that is referred to is declared, and every prefix is known."""
    for relation in RELATIONS:
        for record in read.get(relation, {}).values():
            assert len(REFERRED.keys() & record) >= 2
            assert all(name.partition(":")[0] in PREFIXES for name in record)
            for field, kind in REFERRED.items():
                if field in record:
                    assert record[field] in read[kind], (relation, record)
    names = [n for kind in ("entity", "activity", "agent") for n in read.get(kind, {})]
    assert all(name.partition(":")[0] in read["prefix"] for name in names)
    assert all(name.partition(":")[2].isascii() for name in names)


def test_the_demonstration_goes_out_whole_and_the_same_each_time(
    demo_store: OpenStore,
) -> None:
    read = document(demo_store)
    require_whole(read)
    assert prov_document(demo_store, Scope()).to_bytes() == (
        prov_document(demo_store, Scope()).to_bytes()
    )
    kinds = [a.get("prov:type") for a in read["activity"].values()]
    assert kinds.count("promotion") == 2
    assert kinds.count("approve") == 4
    assert kinds.count("reject") == 1
    signers = [r for r in read["wasAssociatedWith"].values() if "prov:plan" in r]
    assert len(signers) == 7
    assert "Vera" not in json.dumps(read), "people go by their opaque ids"
    assert "wasDerivedFrom" not in read


def test_one_model_brings_only_what_it_came_from_and_its_own_decisions(
    demo_store: OpenStore,
) -> None:
    read = document(demo_store, Scope(model="tumour-screening"))
    require_whole(read)
    text = json.dumps(read)
    assert "tumour-screening" in text
    assert "diabetes-progression" not in text
    with pytest.raises(Misuse, match="no model is named"):
        document(demo_store, Scope(model="none"))
    nothing = document(demo_store, Scope(until=parse_time("2001-01-01")))
    assert not nothing.get("wasGeneratedBy")


CLASSES = {
    "entity": "ProvEntity",
    "activity": "ProvActivity",
    "agent": "ProvAgent",
    "used": "ProvUsage",
    "wasGeneratedBy": "ProvGeneration",
    "wasAssociatedWith": "ProvAssociation",
    "wasInformedBy": "ProvCommunication",
}


def require_read_by_others(store: OpenStore) -> dict[str, Any]:
    """W3C PROV's Python library reads every record, and writes the same ones again."""
    from prov import model

    text = prov_document(store, Scope()).to_bytes().decode()
    read = model.ProvDocument.deserialize(content=text, format="json")
    plain: dict[str, Any] = json.loads(text)
    assert {kind for kind in plain if kind != "prefix"} <= CLASSES.keys()
    for kind, name in CLASSES.items():
        found = list(read.get_records(getattr(model, name)))
        assert len(found) == len(plain.get(kind, {})), kind
    again = read.serialize(format="json")
    assert again is not None
    told = json.loads(again)
    for kind in CLASSES:
        before, after = (
            sorted(map(_ends, d.get(kind, {}).values())) for d in (plain, told)
        )
        assert after == before, kind
    for record in plain["activity"].values():
        start, end = record.get("prov:startTime"), record.get("prov:endTime")
        assert not start or not end or parse_time(start) <= parse_time(end)
    entities, activities = (plain.get(k, {}).keys() for k in ("entity", "activity"))
    assert not entities & activities, "nothing is both (PROV-CONSTRAINTS 55)"
    return plain


def _ends(record: dict[str, Any]) -> list[str]:
    """What a record says, and of what: the library names relations anew."""
    return sorted(
        f"{name}={record[name]}" if name in REFERRED else name for name in record
    )


def test_the_library_of_prov_reads_every_record_of_the_demonstration(
    demo_store: OpenStore,
) -> None:
    from prov import model

    plain = require_read_by_others(demo_store)
    assert len(plain["used"]) > 20
    text = prov_document(demo_store, Scope()).to_bytes().decode()
    read = model.ProvDocument.deserialize(content=text, format="json")
    types = {str(kind) for r in read.get_records() for kind in r.get_asserted_types()}
    assert {"prov:Person", "prov:Plan", "promotion"} <= types


def test_the_library_of_prov_reads_what_events_told(world: World) -> None:
    corpora = os.environ.get("COUNTERSIGN_TEST_CORPORA")
    if not corpora:
        pytest.skip("peer: COUNTERSIGN_TEST_CORPORA names no folder")
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    events = OpenLineageSource("ol", Path(corpora) / "openlineage-events")
    import_source(world.store, acting, events)
    plain = require_read_by_others(world.store)
    assert len(plain["activity"]) == 30
    assert len(plain["used"]) + len(plain["wasGeneratedBy"]) == 39


@pytest.mark.parametrize("name", HOSTILE)
def test_a_guessed_link_does_not_go_out_and_hostile_names_stay_in_their_place(
    world: World, name: str
) -> None:
    subject = run_key("m", name)
    data = dataset_version_key(name, "sha256:" + "0" * 64)
    world.tell(
        Fact(kind=FactKind.RUN, subject=subject, name=name, actor=name or "a"),
        *(
            Fact(
                kind=FactKind.EDGE,
                subject=subject,
                name=relation.value,
                object=data,
                strength=strength.value,
            )
            for relation, strength in (
                (Relation.READ, Strength.DECLARED),
                (Relation.WROTE, Strength.INFERRED),
            )
        ),
    )
    read = document(world.store)
    require_whole(read)
    assert len(read["used"]) == 1
    assert "wasGeneratedBy" not in read
    assert prov_document(world.store, Scope()).to_bytes().isascii()
    (agent,) = read["agent"].values()
    assert agent["countersign:claimed"] is True


def test_the_command_writes_a_new_file_and_no_other(
    demo: Demonstrated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    target = tmp_path / "prov.json"
    assert main(["export", "prov", "--out", str(target)]) == 0
    require_whole(json.loads(target.read_bytes()))
    assert main(["export", "prov", "--out", str(target)]) == 2
    other = str(tmp_path / "other.json")
    assert main(["export", "prov", "--out", other, "--since", "soon"]) == 2
    assert main(["export", "prov", "--out", other, "--model", "none"]) == 2
    assert not Path(other).exists()
