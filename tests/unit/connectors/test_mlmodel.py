"""The MLmodel file: which flavours it tells, whatever else stands in it."""

from __future__ import annotations

import pytest

from connectors.errors import MalformedInput
from connectors.mlflow.mlmodel import LONGEST_NAME, MOST_FLAVOURS, read_flavours

SKLEARN = b"""
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    python_version: 3.11.7
  sklearn:
    pickled_model: model.pkl
    sklearn_version: 1.9.1
"""


def test_flavours_come_with_the_versions_that_load_them() -> None:
    assert read_flavours(SKLEARN) == {"python_function": "3.11.7", "sklearn": "1.9.1"}


@pytest.mark.parametrize(
    ("flavour", "version"),
    [
        ("xgboost: {xgb_version: 2.1.0, model_class: x}", "2.1.0"),
        ("transformers: {transformers_version: 5.0.1, torch_version: 3}", "5.0.1"),
        ("odd: {a_version: 1, b_version: 2}", ""),
        ("bare: null", ""),
        ("listed: [1]", ""),
        ("numbered: {numbered_version: 1.5}", "1.5"),
        ("nothing: {nothing_version: null}", ""),
    ],
)
def test_version_is_the_library_s_own_or_the_only_one(
    flavour: str, version: str
) -> None:
    (told,) = read_flavours(f"flavors:\n  {flavour}".encode()).values()
    assert told == version


@pytest.mark.parametrize(
    "data", [b"{}", b"flavors: null", b"flavors: [a]", b"flavors: text"]
)
def test_no_flavours_are_none(data: bytes) -> None:
    assert read_flavours(data) == {}


def test_a_hostile_file_tells_bounded_text_and_few_flavours() -> None:
    many = "".join(f"  f{n}: {{f{n}_version: {'v' * 5000}}}\n" for n in range(500))
    found = read_flavours(f"flavors:\n{many}".encode())
    assert len(found) == MOST_FLAVOURS
    assert max(map(len, found.values())) == LONGEST_NAME
    long = read_flavours(f"flavors: {{{'x' * 900}: {{}}}}".encode())
    assert [len(name) for name in long] == [LONGEST_NAME]


@pytest.mark.parametrize("data", [b"\xff", b"- a", b"a: &x 1\nb: *x", b"["])
def test_what_is_no_mlmodel_file_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_flavours(data)
