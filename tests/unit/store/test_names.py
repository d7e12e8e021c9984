"""Keys, references and padded paths."""

from __future__ import annotations

import pytest

from store.backend import padded_index
from store.errors import MalformedReference
from store.identifiers import model_version_key, run_key, split_key
from store.references import ReferenceKind, parse_reference


@pytest.mark.parametrize("name", ["a/b", "a@b", "a:b", "模型", "\x1b[31m", "..", "%2F"])
def test_a_key_gives_back_the_name_it_was_made_of(name: str) -> None:
    key = model_version_key("mlflow", name, "3")
    assert split_key(key) == ("model-version", ("mlflow", name, "3"))


def test_a_uuid_is_one_run_with_and_without_hyphens() -> None:
    text = "3f9c0000-1111-2222-3333-444455556666"
    assert run_key("m", text) == run_key("m", text.replace("-", "").upper())


@pytest.mark.parametrize(
    ("text", "kind", "name", "selector"),
    [
        ("model:fraud@7", ReferenceKind.MODEL, "fraud", "7"),
        ("model:dev/fraud@production", ReferenceKind.MODEL, "dev/fraud", "production"),
        ("model:a@b@7", ReferenceKind.MODEL, "a@b", "7"),
        ("run:3f9c", ReferenceKind.RUN, "3f9c", ""),
        ("dataset:loans@sha256:ab12", ReferenceKind.DATASET, "loans", "sha256:ab12"),
    ],
)
def test_references_are_read(
    text: str, kind: ReferenceKind, name: str, selector: str
) -> None:
    found = parse_reference(text)
    assert (found.kind, found.name, found.selector) == (kind, name, selector)
    assert str(found) == text


@pytest.mark.parametrize("text", ["", "fraud", "model:", "model:@7", "x:y", "m" * 9999])
def test_what_is_no_reference_is_refused_with_the_syntax(text: str) -> None:
    with pytest.raises(MalformedReference) as caught:
        parse_reference(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("index", "path"), [(0, "000"), (999, "999"), (1234067, "x001/x234/067")]
)
def test_paths_are_padded_as_in_tlog_tiles(index: int, path: str) -> None:
    assert padded_index(index) == path
