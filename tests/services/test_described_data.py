"""What a descriptor says of data is shown with the data, once it is imported."""

from __future__ import annotations

import json
from pathlib import Path

from connectors.opening import open_sources
from console.services.importing import import_source
from console.services.inspection import details
from tests.unit.connectors.test_croissant import CSV, OTHER, descriptor, file_object
from tests.worlds import World


def imported(world: World, folder: Path) -> None:
    for source in open_sources(str(folder)):
        import_source(world.store, world.people["dana"], source)


def test_dataset_says_its_licence(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "loans.csv").write_bytes(CSV)
    (folder / "croissant.json").write_text(json.dumps(descriptor()))
    imported(world, folder)
    for name in ("loans", "consumer-loans"):
        shown = dict(details(world.store, f"dataset:{name}").tags)
        assert shown["croissant.license"].endswith("/by/4.0/")


def test_dataset_of_several_versions_or_none_is_shown_as_a_whole(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "croissant.json"
    path.write_text(json.dumps(descriptor(distribution=[])))
    imported(world, folder)
    shown = details(world.store, "dataset:consumer-loans")
    assert (shown.kind, shown.fields) == ("dataset", ())
    for digit in "12":
        files = [file_object("https://example.org/loans.bin", digit * 64)]
        path.write_text(json.dumps(descriptor(distribution=files)))
        imported(world, folder)
    shown = details(world.store, "dataset:consumer-loans")
    assert [told for name, told in shown.fields if name == "version"] == [
        f"sha256:{OTHER}",
        f"sha256:{'2' * 64}",
    ]
    assert dict(shown.tags)["croissant.version"] == "2.1.0"
    one = details(world.store, "dataset:consumer-loans@1111")
    assert one.kind == "dataset-version"
