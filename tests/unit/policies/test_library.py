"""Ready policies: each is a policy, does what its cases say, and has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console.cli import main
from policies.document_reading import read_policy
from tests.conftest import REPOSITORY

LIBRARY = REPOSITORY / "policies" / "library"
PAGES = REPOSITORY / "docs" / "ready-policies"
READY = sorted(LIBRARY.glob("[!.]*[!s].toml"))
POLICIES = [path for path in READY if not path.name.endswith(".cases.toml")]


def test_there_is_one_for_each_kind_of_house() -> None:
    names = {path.stem for path in POLICIES}
    assert names == {"minimal", "team", "bank", "medical", "public-sector"}
    assert names == {page.stem for page in PAGES.glob("*.md")} - {"README"}
    index = (PAGES / "README.md").read_text()
    assert all(f"[{name}]({name}.md)" in index for name in names)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_ready_policy_has_nothing_to_complain_of(path: Path) -> None:
    policy = read_policy(path.read_bytes(), path=str(path))
    assert policy.id == path.stem
    assert all(rule.why for rule in policy.rules)
    assert main(["policy", "lint", str(path)]) == 0


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_its_cases_pass_and_some_of_them_refuse(path: Path) -> None:
    cases = path.with_name(f"{path.stem}.cases.toml")
    text = cases.read_text()
    assert text.count("[[cases]]") >= 5
    assert 'verdict = "yes"' in text
    assert 'verdict = "no"' in text
    assert main(["policy", "test", str(cases)]) == 0


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_its_page_says_what_each_rule_and_quorum_answers(path: Path) -> None:
    policy = read_policy(path.read_bytes())
    page = (PAGES / f"{path.stem}.md").read_text()
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    assert rows == {rule.id for rule in policy.rules}
    assert all(f"`{quorum.role}`" in page for quorum in policy.quorums)
    assert "certify nothing" in (PAGES / "README.md").read_text()


def test_the_command_lists_them_and_writes_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["policy", "ready"]) == 0
    listed = capsys.readouterr().out
    assert all(path.stem in listed for path in POLICIES)
    assert main(["policy", "ready", "bank"]) == 0
    assert capsys.readouterr().out == (LIBRARY / "bank.toml").read_text()
    assert main(["policy", "ready", "bank", "--cases"]) == 0
    assert "[[cases]]" in capsys.readouterr().out
    assert main(["policy", "ready", "../bank"]) == 2
    assert main(["policy", "ready", "banc"]) == 2
    assert "Nearest: bank" in capsys.readouterr().err
