"""Croissant descriptors say what data is called and licensed as; bytes are checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.croissant import CroissantSource
from connectors.data import DataSource
from connectors.errors import MalformedInput
from connectors.opening import open_sources
from connectors.openlineage import OpenLineageSource
from connectors.protocols import FactSource
from store.facts import Fact, FactKind, Strength
from store.identifiers import dataset_key, dataset_version_key
from tests.unit.connectors.facts import of_kind, told_by
from tests.unit.connectors.test_openlineage import event

CSV = b"id,amount\n1,2.5\n"
SHA256 = hashlib.sha256(CSV).hexdigest()
OTHER = "1" * 64


def descriptor(**changes: object) -> dict[str, Any]:
    return {
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "sc": "https://schema.org/",
        },
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "consumer-loans",
        "version": "2.1.0",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "url": "https://user:secret@example.org/loans",
        "creator": [{"@type": "Person", "name": "Ana Lima"}],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "loans.csv",
                "contentUrl": "loans.csv",
                "encodingFormat": "text/csv",
                "sha256": SHA256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "field": [
                    {"@id": "rows/id", "dataType": "sc:Integer"},
                    {"@id": "rows/amount", "dataType": ["sc:Float", "sc:Number"]},
                ],
            }
        ],
    } | changes


def file_object(path: str, sha256: str, **more: object) -> dict[str, Any]:
    told = {"@type": "cr:FileObject", "contentUrl": path, "sha256": sha256}
    return told | more


def written(folder: Path, told: object) -> Path:
    path = folder / "croissant.json"
    path.write_text(json.dumps(told))
    return path


def source_at(path: Path) -> FactSource:
    (source,) = open_sources(str(path))
    assert isinstance(source, CroissantSource)
    return source


def tags_of(facts: list[Fact], subject: str) -> dict[str, str]:
    return {
        f.name: f.text or ""
        for f in of_kind(facts, FactKind.TAG)
        if f.subject == subject
    }


def test_name_licence_version_and_columns_are_told(tmp_path: Path) -> None:
    facts = told_by(source_at(written(tmp_path, descriptor())))
    whole = dataset_version_key("consumer-loans", f"sha256:{SHA256}")
    tags = {
        "croissant.license": "https://creativecommons.org/licenses/by/4.0/",
        "croissant.version": "2.1.0",
        "croissant.url": "https://example.org/loans",
        "croissant.creator": "Ana Lima",
        "croissant.conforms-to": "http://mlcommons.org/croissant/1.0",
    }
    assert tags_of(facts, dataset_key("consumer-loans")) == tags
    assert tags_of(facts, whole) == tags
    versions = of_kind(facts, FactKind.DATASET_VERSION)
    version = next(fact for fact in versions if fact.subject == whole)
    assert version.strength == Strength.DECLARED.value
    assert json.loads(version.text or "") == [
        {"name": "id", "type": "sc:Integer"},
        {"name": "amount", "type": "sc:Float, sc:Number"},
    ]


def test_file_that_is_imported_has_the_licence_of_its_descriptor(
    tmp_path: Path,
) -> None:
    (tmp_path / "loans.csv").write_bytes(CSV)
    written(tmp_path, descriptor())
    found = open_sources(str(tmp_path))
    assert {type(source) for source in found} == {DataSource, CroissantSource}
    facts = [fact for source in found for fact in told_by(source)]
    assert not any(source.tally.refused for source in found)
    subject = dataset_version_key("loans", f"sha256:{SHA256}")
    tags = tags_of(facts, subject)
    assert tags["croissant.license"].endswith("/by/4.0/")
    assert tags["croissant.dataset"] == "consumer-loans"
    strengths = {
        fact.strength
        for fact in of_kind(facts, FactKind.DATASET_VERSION)
        if fact.subject == subject
    }
    assert strengths == {"reread", "declared"}


def test_other_bytes_beside_the_descriptor_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_bytes(CSV + b"2,3\n")
    source = source_at(written(tmp_path, descriptor()))
    assert not of_kind(told_by(source), FactKind.DATASET_VERSION)
    (refused,) = source.tally.refused
    assert refused.where == "loans.csv"
    assert SHA256 in refused.why


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "a/../../b"])
def test_paths_that_lead_out_are_never_read(tmp_path: Path, path: str) -> None:
    told = descriptor(distribution=[file_object(path, OTHER)])
    source = source_at(written(tmp_path, told))
    assert not of_kind(told_by(source), FactKind.DATASET_VERSION)
    assert [refused.where for refused in source.tally.refused] == [path]


def test_link_beside_the_descriptor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").symlink_to("/etc/hostname")
    source = source_at(written(tmp_path, descriptor()))
    told_by(source)
    assert "symbolic link" in source.tally.refused[0].why


def test_several_files_have_one_identity_whatever_their_order(tmp_path: Path) -> None:
    files = [
        file_object("https://example.org/a.parquet", OTHER),
        file_object("b.bin", SHA256, containedIn={"@id": "archive"}),
        {"@type": "cr:FileSet", "includes": "*.png"},
    ]
    digests = set()
    for order in (files, files[::-1]):
        told = descriptor(distribution=order)
        facts = told_by(source_at(written(tmp_path, told)))
        versions = of_kind(facts, FactKind.DATASET_VERSION)
        digests.add(next(f.digest for f in versions if f.name == "consumer-loans"))
        assert {f.name for f in versions} == {"consumer-loans", "a"}
    (digest,) = digests
    assert digest.startswith("croissant-manifest:")


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ("MIT", "MIT"),
        (["MIT", "CC0-1.0"], "MIT, CC0-1.0"),
        (
            {"@type": "CreativeWork", "url": "https://example.org/l"},
            "https://example.org/l",
        ),
        ({"@id": "https://spdx.org/licenses/MIT"}, "https://spdx.org/licenses/MIT"),
    ],
)
def test_licence_is_told_however_it_is_written(
    tmp_path: Path, licence: object, told: str
) -> None:
    facts = told_by(source_at(written(tmp_path, descriptor(license=licence))))
    tags = tags_of(facts, dataset_key("consumer-loans"))
    assert tags["croissant.license"] == told


def test_names_with_prefixes_are_the_same_names(tmp_path: Path) -> None:
    told = descriptor()
    prefixed = {
        key if key.startswith("@") else f"sc:{key}": value
        for key, value in told.items()
    }
    assert told_by(source_at(written(tmp_path, prefixed))) == told_by(
        source_at(written(tmp_path, told))
    )


def test_events_and_descriptors_are_told_apart_by_what_is_in_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "1.json").write_text(json.dumps(event()))
    (tmp_path / "2.json").write_text(json.dumps(descriptor()))
    cited = event() | {"producer": "http://mlcommons.org/croissant/1.0"}
    (tmp_path / "3.json").write_text(json.dumps(cited))
    (tmp_path / "4.json").write_text("{}")
    kinds = {source.name: type(source) for source in open_sources(str(tmp_path))}
    assert kinds == {
        "1": OpenLineageSource,
        "2": CroissantSource,
        "3": OpenLineageSource,
    }


def test_described_data_one_folder_down_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "lake" / "loans"
    folder.mkdir(parents=True)
    (folder / "loans.csv").write_bytes(CSV)
    written(folder, descriptor())
    (tmp_path / "lake" / "people.csv").write_bytes(CSV)
    (tmp_path / "lake" / "more.json").write_text(json.dumps(descriptor()))
    names = [source.name for source in open_sources(str(tmp_path / "lake"))]
    assert sorted(names) == ["croissant", "lake", "loans", "more"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("name"),
        lambda d: d.update(conformsTo="http://mlcommons.org/croissant/2.0"),
        lambda d: d.update(distribution=[file_object("a", "no digest")]),
        lambda d: d.update(distribution=["text"]),
        lambda d: d.update(distribution=7),
        lambda d: d.update(recordSet=[{"field": "text"}]),
        lambda d: d.update(recordSet=[[]]),
        lambda d: d.update(name={"a": {}}),
    ],
)
def test_malformed_descriptors_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    told = descriptor()
    told["@id"] = ""
    change(told)
    with pytest.raises(MalformedInput):
        told_by(source_at(written(tmp_path, told)))


def test_any_value_anywhere_is_told_or_malformed(tmp_path: Path) -> None:
    odd: list[object] = [
        None,
        True,
        0,
        -1.5,
        "",
        "\x00\x1b[2J",
        [],
        {},
        [None],
        "a" * 99,
    ]
    for field in descriptor():
        for value in odd:
            if field == "@context":
                continue
            path = written(tmp_path, descriptor(**{field: value}))
            try:
                told_by(source_at(path))
            except MalformedInput:
                continue
