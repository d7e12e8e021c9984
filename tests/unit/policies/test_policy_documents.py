"""Policies: read closed and typed, complained about by file and line, selected."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.document import Policy
from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.patterns import matches
from tests.conftest import REPOSITORY

GOOD = """\
schema = "countersign/policy/v1"
id = "production"
version = 1
description = "What it takes."

[applies]
models = ["*"]
to = ["production"]

[[rules]]
id = "small-error"
kind = "metric"
metric = "rmse"
at_most = "60.0"

[[approvals]]
role = "risk"
count = 1
"""


def written(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new).encode()


def named(name: str, applies: str) -> Policy:
    text = GOOD.replace('id = "production"', f'id = "{name}"', 1)
    return read_policy(text.replace('models = ["*"]', applies).encode())


def test_the_sample_policies_are_policies() -> None:
    paths = sorted((REPOSITORY / "sample_data" / "policies").glob("*.toml"))
    assert len(paths) >= 2
    for path in paths:
        assert read_policy(path.read_bytes(), path=str(path)).rules


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (written('"countersign/policy/v1"', '"v2"'), 1, "schema"),
        (written("version = 1", "version = 0"), 3, "version"),
        (written("version = 1", "version = true"), 3, "version"),
        (
            written("count = 1", "count = 1\nexpires_after_days = 36501"),
            19,
            "at most 36500",
        ),
        (written("count = 1", "count = 0"), 18, "count"),
        (written("count = 1", "count = -1"), 18, "count"),
        (written('at_most = "60.0"', "at_most = 60.0"), 14, "decimal string"),
        (written('at_most = "60.0"', 'at_most = "NaN"'), 14, "not a decimal"),
        (written('at_most = "60.0"', 'at_mots = "60.0"'), 14, "did you mean 'at_most'"),
        (written('kind = "metric"', 'kind = "metrics"'), 12, "did you mean 'metric'"),
        (written('at_most = "60.0"', ""), 12, "at_least or at_most"),
        (written('role = "risk"', 'rule = "risk"'), 17, "did you mean 'role'"),
        (written("[applies]", "[aplies]"), 6, "did you mean 'applies'"),
        (written('models = ["*"]', "models = []"), 7, "list of texts"),
        (GOOD[: GOOD.index("[[approvals]]")].encode(), 1, "at least one"),
        (GOOD.replace("[[rules]]", "[[rules").encode(), 10, "not TOML"),
    ],
)
def test_a_malformed_policy_is_told_with_file_line_and_what(
    data: bytes, line: int, what: str
) -> None:
    with pytest.raises(MalformedPolicy, match=what) as caught:
        read_policy(data, path="p.toml")
    assert str(caught.value).startswith(f"p.toml:{line}: ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"x" * 300_000,
        b"a = " + b"[" * 9999,
        written("version = 1", "version = " + "9" * 5_000),
    ],
)
def test_what_is_no_policy_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedPolicy):
        read_policy(data)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "", True),
        ("a*c", "abc", True),
        ("a*c", "ac", True),
        ("a*a", "a", False),
        ("a*b*c", "aXbYc", True),
        ("[ab]", "a", False),
        ("a?", "ab", False),
        ("*x", "yx", True),
        ("a", "A", False),
    ],
)
def test_only_the_star_is_special(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


def test_a_lint_needs_no_store(tmp_path: Path) -> None:
    from console.cli import main

    path = tmp_path / "p.toml"
    path.write_text(GOOD)
    assert main(["policy", "lint", str(path)]) == 0
    path.write_text(GOOD.replace("risk", "", 1))
    assert main(["policy", "lint", str(path)]) == 2
