"""Passwords of databases in countersign.toml: by reference, and in nobody's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.services.configuration import (
    Configuration,
    SourceSetting,
    load_configuration,
)
from console.services.places import Places
from console.services.problems import Misuse
from console.services.secret_references import LONGEST_SECRET, password_of

PASSWORD = "hunter2"
ADDRESS = "postgresql://ann@db/mlflow"


def loaded(folder: Path, text: str, *, is_named: bool = True) -> Configuration:
    path = folder / "countersign.toml"
    path.write_text(f"[sources.m]\n{text}\n")
    places = Places(folder / "data", folder / "config")
    explicit = str(path) if is_named else ""
    return load_configuration(places, explicit=explicit, environment={}, folder=folder)


def setting(reference: str) -> SourceSetting:
    return SourceSetting(ADDRESS, password=reference)


def test_password_is_read_where_its_reference_says(tmp_path: Path) -> None:
    text = f'address = "{ADDRESS}"\npassword = "env:DB"'
    found = loaded(tmp_path, text).sources["m"]
    secret = password_of(found, {"DB": PASSWORD})
    assert secret is not None
    assert secret.reveal() == PASSWORD
    assert PASSWORD not in repr(secret) + repr(found)
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    read = password_of(setting(f"file:{tmp_path}/secret"), {})
    assert read is not None
    assert read.reveal() == PASSWORD
    assert password_of(SourceSetting(ADDRESS), {}) is None


@pytest.mark.parametrize(
    "text",
    [
        f'address = "{ADDRESS}"\npassword = "{PASSWORD}"',
        f'address = "postgresql://ann:{PASSWORD}@db/mlflow"',
        f'address = "mysql://ann:{PASSWORD}/x@db/mlflow"',
        f'address = "http://mlflow"\npassword = "env:{PASSWORD}"',
        f'address = "mlflow.db"\npassword = "env:{PASSWORD}"',
    ],
)
def test_what_holds_a_password_itself_is_refused_and_not_repeated(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(Misuse) as caught:
        loaded(tmp_path, text)
    assert PASSWORD not in str(caught.value) + caught.value.hint


def test_file_that_was_merely_found_names_no_secrets(tmp_path: Path) -> None:
    text = f'address = "{ADDRESS}"\npassword = "file:/etc/shadow"'
    with pytest.raises(Misuse, match="may not set 'password'"):
        loaded(tmp_path, text, is_named=False)


def test_secret_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    large, odd = tmp_path / "large", tmp_path / "odd"
    large.write_bytes(b"x" * (LONGEST_SECRET + 1))
    odd.write_bytes(b"\xff\xfe")
    for reference in (f"file:{large}", f"file:{odd}", "file:/none", "env:NONE"):
        with pytest.raises(Misuse):
            password_of(setting(reference), {})
