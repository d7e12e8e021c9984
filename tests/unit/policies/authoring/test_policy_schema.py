"""The published schema and vectors say of a document what the reader says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

from console.cli import main
from policies.authoring.schema import DIALECT, policy_schema
from policies.document_reading import PARTS, read_policy
from policies.errors import MalformedPolicy
from policies.rules.kinds import RULE_KINDS
from tests.conftest import REPOSITORY
from tests.unit.policies.test_rules import HEAD, QUORUMS, RULES

PUBLISHED = REPOSITORY / "docs" / "policy.schema.json"
VECTORS = sorted((REPOSITORY / "docs" / "policy-vectors").glob("*.toml"))
EXPECTED = re.compile(r"# (good|refused at line (\d+)( by the reader alone)?: (.*))\n")


def is_valid(text: str) -> bool:
    validator = jsonschema.Draft7Validator(policy_schema())
    return bool(validator.is_valid(tomllib.loads(text)))


def complaint(text: str) -> str:
    try:
        read_policy(text.encode(), path="p")
    except MalformedPolicy as problem:
        return str(problem)
    return ""


def document(kind: str, fields: str) -> str:
    other = '[[rules]]\nid = "other"\nkind = "run_finished"\n'
    return f'{HEAD}{other}[[rules]]\nid = "r"\nkind = "{kind}"\n{fields}\n{QUORUMS}'


def test_the_published_schema_is_the_one_the_program_makes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["policy", "schema"]) == 0
    made = capsys.readouterr().out
    assert PUBLISHED.read_text() == made, "run: make policy-schema"
    assert json.loads(made)["$schema"] == DIALECT


def test_the_schema_is_one_and_names_every_part_and_every_kind() -> None:
    schema = policy_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert set(schema["properties"]) == set(PARTS)
    kinds = schema["properties"]["rules"]["items"]["oneOf"]
    assert {kind["title"] for kind in kinds} == set(RULE_KINDS)
    assert all(kind["description"] != kind["title"] for kind in kinds)


def test_the_vectors_are_many_of_both_sorts() -> None:
    assert sum(path.name.startswith("good-") for path in VECTORS) >= 3
    assert sum(path.name.startswith("bad-") for path in VECTORS) >= 20


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_vector_gets_the_complaint_it_names(path: Path) -> None:
    text = path.read_text()
    expected = EXPECTED.match(text)
    assert expected is not None, "the first line says what is expected"
    assert path.name.startswith("good-" if expected[1] == "good" else "bad-")
    wanted = "" if expected[1] == "good" else f"p:{expected[2]}: {expected[4]}"
    assert complaint(text) == wanted
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert is_valid(text) is (expected[1] == "good" or bool(expected[3]))


@pytest.mark.parametrize("kind", RULES)
def test_schema_and_reader_agree_on_every_kind_and_on_what_it_lacks(kind: str) -> None:
    whole = document(kind, RULES[kind])
    assert complaint(whole) == ""
    assert is_valid(whole)
    stranger = document(kind, RULES[kind] + "\nsurprise = 1")
    assert "unknown field 'surprise'" in complaint(stranger)
    assert not is_valid(stranger)
    for name, field in RULE_KINDS[kind].fields.items():
        lines = RULES[kind].splitlines()
        kept = "\n".join(line for line in lines if not line.startswith(f"{name} ="))
        if field.is_needed:
            assert f"needs '{name}'" in complaint(document(kind, kept))
            assert not is_valid(document(kind, kept))


@pytest.mark.parametrize("name", ["diabetes-production", "screening-production"])
def test_the_sample_policies_are_valid(name: str) -> None:
    folder = REPOSITORY / "sample_data" / "policies"
    texts = [path.read_text() for path in folder.glob("*.toml")]
    assert any(f'id = "{name}"' in text and is_valid(text) for text in texts)
