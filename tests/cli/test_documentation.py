"""Documents are promises: what they show is what there is."""

from __future__ import annotations

import re

from console.actions import ALL
from console.cli import COMMANDS
from policies.document_reading import (
    APPLIES_FIELDS,
    DECISION_FIELDS,
    QUORUM_FIELDS,
    WAIVER_FIELDS,
    read_policy,
)
from policies.predicates import NAMESPACE, PredicateType
from policies.rules.kinds import RULE_KINDS
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"


def test_the_pasted_helper_is_the_one_the_sample_was_made_with() -> None:
    helper = (
        REPOSITORY / "sample_data" / "training" / "provenance_helper.py"
    ).read_text()
    assert f"```python\n{helper}```" in (DOCS / "logging.md").read_text()


def test_every_command_is_documented_and_no_other() -> None:
    text = (DOCS / "commands.md").read_text()
    table = text[text.index("| command | does |") : text.index("## References")]
    documented = set(re.findall(r"`([a-z]+)", table)) - {"openssl"}
    declared = {name for commands in COMMANDS.values() for name in commands}
    assert declared <= documented | {"approve", "reject"}
    assert "`approve\\|reject" in table
    assert documented <= declared | {"approve"}


def test_every_key_of_the_console_is_documented() -> None:
    text = (DOCS / "commands.md").read_text()
    for action in ALL:
        assert f"| {action.label}: " in text, action.id


def test_every_kind_of_rule_and_requirement_is_documented() -> None:
    text = (DOCS / "policies.md").read_text()
    for kind in RULE_KINDS.values():
        assert f"| `{kind.name}` |" in text
        assert all(f"`{field}`" in text for field in kind.fields), kind.name
        for field in kind.fields.values():
            for word in field.choices:
                assert f"`{word}`" in text or f'"{word}"' in text, kind.name
    for name in (*APPLIES_FIELDS, *QUORUM_FIELDS, *WAIVER_FIELDS, *DECISION_FIELDS):
        assert f"`{name}`" in text or f"\n{name} = " in text, name


def test_the_example_policy_is_a_policy() -> None:
    text = (DOCS / "policies.md").read_text()
    example = text[text.index("```toml\n") + 8 : text.index("```\n\nThe language")]
    assert read_policy(example.encode()).rules[0].kind == "metric"


def test_every_statement_type_is_documented() -> None:
    text = (DOCS / "trust.md").read_text()
    assert NAMESPACE in text
    assert all(f"| `{kind.short}` |" in text for kind in PredicateType)


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [REPOSITORY / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), (page.name, target)


def test_every_attack_in_the_threat_model_is_mounted_by_a_test_that_exists() -> None:
    rows = re.findall(
        r"\| (\S+\.py)::(test_\w+) \|", (DOCS / "threat-model.md").read_text()
    )
    assert len(rows) > 60
    for path, name in rows:
        source = (REPOSITORY / "tests" / path).read_text()
        assert f"def {name}(" in source, f"{path}::{name}"
