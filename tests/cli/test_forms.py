"""Every reading command in every form: rows that a spreadsheet or a ticket can take."""

from __future__ import annotations

import csv
import io

import pytest

from console.cli import main
from store.facts import Fact, FactKind
from store.identifiers import model_key, model_version_key, run_key
from tests.cli.test_command_line import HOSTILE
from tests.worlds import World

COMMANDS = {
    "models": ["models"],
    "experiments": ["experiments"],
    "runs": ["runs"],
    "datasets": ["datasets"],
    "commits": ["commits"],
    "search": ["search", "evil"],
    "lineage": ["lineage", "model:fraud@1"],
    "history": ["history", "model:fraud"],
    "impact": ["impact", "model:fraud@1"],
    "sql": ["sql", "SELECT subject, name FROM run"],
}


@pytest.fixture
def hostile(world: World) -> World:
    """A store in which a run and an alias have every kind of hostile name."""
    version = model_version_key("mlflow", "fraud", "1")
    told = [
        Fact(
            kind=FactKind.MODEL,
            subject=model_key("mlflow", "fraud"),
            name="fraud",
        ),
        Fact(
            kind=FactKind.MODEL_VERSION,
            subject=version,
            object=model_key("mlflow", "fraud"),
            name="1",
        ),
    ]
    for number, name in enumerate(HOSTILE):
        run = run_key("mlflow", f"run{number}")
        text = f"=evil [a](http://b) <i> @x | {name}"
        told += [
            Fact(kind=FactKind.RUN, subject=run, name=text, status="FINISHED"),
            Fact(
                kind=FactKind.EDGE,
                subject=run,
                object=version,
                name="produced",
                strength="declared",
            ),
        ]
    world.tell(*told)
    return world


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_hostile_names_stay_text_in_every_form(
    hostile: World, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--store", hostile.store.address]
    for form in ("table", "csv", "markdown", "json"):
        assert main([*place, *command, "--format", form]) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "\u202e" not in out
        if form == "markdown":
            assert "](" not in out
            assert "<i>" not in out
            assert "@x" not in out
        if form == "csv" and out:
            heading, *rows = csv.reader(io.StringIO(out))
            assert all(len(row) == len(heading) for row in rows)
            assert not any(cell.startswith("=") for row in rows for cell in row)


@pytest.mark.parametrize("given", ["0", "-1", "x", "1e3", "9" * 30, "\uff11", ""])
@pytest.mark.parametrize(
    "command", [["runs", "--limit"], ["lineage", "model:fraud@1", "--depth"]]
)
def test_a_number_that_is_none_is_misuse(
    world: World, command: list[str], given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--store", world.store.address, *command, given])
    assert ended.value.code == 2
    assert "no whole number from 1" in capsys.readouterr().err


def test_a_list_says_when_there_is_more(
    hostile: World, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--store", hostile.store.address]
    assert main([*place, "runs", "--limit", "2", "--format", "csv"]) == 0
    found = capsys.readouterr()
    assert len(list(csv.reader(io.StringIO(found.out)))) == 3
    assert "There are more than 2; raise --limit" in found.err
    assert main([*place, "runs", "--limit", str(len(HOSTILE))]) == 0
    assert "There are more" not in capsys.readouterr().err


def test_watching_prints_lines_or_json_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--store", world.store.address]
    assert main([*place, "status", "--watch", "--format", "csv"]) == 2
    assert "--format json" in capsys.readouterr().err
