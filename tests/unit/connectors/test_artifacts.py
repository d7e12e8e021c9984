"""Local artifacts: hashed as they are, and never outside their folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from connectors import artifacts
from connectors.artifacts import LocalArtifacts
from connectors.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "1" / "m" / "data").mkdir(parents=True)
    (folder / "1" / "m" / "MLmodel").write_bytes(b"signature: {}")
    (folder / "1" / "m" / "data" / "model.bin").write_bytes(b"weights")
    return folder


def test_every_file_is_named_and_hashed(root: Path) -> None:
    found = LocalArtifacts(root).files("mlflow-artifacts:/1/m")
    assert [(f.path, f.sha256, f.size) for f in found] == [
        ("MLmodel", hashlib.sha256(b"signature: {}").hexdigest(), 13),
        ("data/model.bin", hashlib.sha256(b"weights").hexdigest(), 7),
    ]


@pytest.mark.parametrize("form", ["mlflow-artifacts://host:1/1/m", "{uri}", "{path}"])
def test_every_form_of_location_is_read(root: Path, form: str) -> None:
    place = root / "1" / "m"
    location = form.format(uri=place.as_uri(), path=place)
    assert len(LocalArtifacts(root).files(location)) == 2


@pytest.mark.parametrize(
    "location",
    [
        "mlflow-artifacts:/../outside",
        "mlflow-artifacts:/1/%2e%2e/%2e%2e/outside",
        "mlflow-artifacts:/1/m\x00",
        "s3://bucket/1/m",
        "file://elsewhere/1/m",
        "relative/1/m",
        "",
        "http://[::bad",
    ],
)
def test_other_locations_are_refused(root: Path, location: str) -> None:
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "secret").write_text("s")
    with pytest.raises(ConnectorRefused):
        LocalArtifacts(root).files(location)


@pytest.mark.parametrize("path", ["../../../outside/secret", "/etc/passwd", "a\x00b"])
def test_file_names_do_not_lead_out(root: Path, path: str) -> None:
    with pytest.raises(ConnectorRefused):
        LocalArtifacts(root).read("mlflow-artifacts:/1/m", path, at_most=10)


def test_linked_files_and_folders_are_refused(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    (root / "1" / "m" / "linked").symlink_to(outside)
    reader = LocalArtifacts(root)
    with pytest.raises(ConnectorRefused, match="symbolic link"):
        reader.files("mlflow-artifacts:/1/m")
    with pytest.raises(ConnectorUnavailable):
        reader.read("mlflow-artifacts:/1/m", "linked/secret", at_most=10)


def test_pipes_are_refused_without_waiting(root: Path) -> None:
    os.mkfifo(root / "1" / "m" / "pipe")
    with pytest.raises(ConnectorError):
        LocalArtifacts(root).files("mlflow-artifacts:/1/m")


def test_names_that_are_not_unicode_are_refused(root: Path) -> None:
    (root / "1" / "m" / os.fsdecode(b"bad\xff")).write_text("x")
    with pytest.raises(ConnectorRefused, match="UTF-8"):
        LocalArtifacts(root).files("mlflow-artifacts:/1/m")


def test_reading_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = LocalArtifacts(root)
    location = "mlflow-artifacts:/1/m"
    assert reader.read(location, "data/model.bin", at_most=7) == b"weights"
    with pytest.raises(ConnectorRefused):
        reader.read(location, "data/model.bin", at_most=6)
    monkeypatch.setattr(artifacts, "MOST_FILES", 1)
    with pytest.raises(ConnectorRefused, match="more than 1 files"):
        reader.files(location)


def test_missing_and_empty_folders_are_named_without_a_path_of_this_machine(
    root: Path,
) -> None:
    (root / "1" / "empty").mkdir()
    for location in ("mlflow-artifacts:/1/none", "mlflow-artifacts:/1/empty"):
        with pytest.raises(ConnectorUnavailable) as caught:
            LocalArtifacts(root).files(location)
        assert str(caught.value) == f"{location} holds no files"
        assert "--artifacts" in caught.value.hint
