"""docs/writing-policies.md shows what the commands print, in a checkout and a demo."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from console.cli import main
from console.services.demonstration import Demonstrated
from policies.authoring.cases import CASE_FIELDS, FACT_FIELDS, FACT_TABLES, open_cases
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "docs" / "writing-policies.md").read_text()
SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", TEXT, re.DOTALL)


def pattern(shown: str) -> re.Pattern[str]:
    """What is shown, where `...` stands for anything."""
    return re.compile(re.escape(shown).replace(r"\.\.\.", ".*"), re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=lambda value: value[:40])
def test_a_command_prints_what_the_page_shows(
    command: str,
    shown: str,
    demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    if "model:" in command:
        monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
    program, *arguments = shlex.split(command)
    assert program == "countersign"
    main(arguments)
    assert pattern(shown).fullmatch(capsys.readouterr().out)


def test_the_example_of_cases_is_one() -> None:
    example = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    assert open_cases(example[1].encode()).policy == "diabetes-production.toml"
    assert tomllib.loads(example[1])["cases"][0]["verdict"] == "no"


def test_every_field_of_a_case_is_on_the_page() -> None:
    for name in (*CASE_FIELDS, *FACT_FIELDS, *FACT_TABLES, "votes", "waivers", "rules"):
        assert re.search(rf"`{name}[`.]|\n{name}|\n\[good\.{name}\]", TEXT), name
