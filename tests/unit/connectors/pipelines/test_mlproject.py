"""MLproject files: what is read, what a command comes to, and what is refused."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from connectors.errors import MalformedInput
from connectors.pipelines.mlproject import (
    LARGEST_FILE_BYTES,
    checked_values,
    command_line,
    read_project,
    refuse_unknown,
)

PROJECT = b"""
name: fraud
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      data: path
      note: {type: string, default: ""}
      where: {type: uri, default: "s3://bucket/x"}
      folds: {type: int, default: 5}
    command: "python train.py --alpha {alpha} {data} --note {note} # {{x}}"
  check:
    command: "true"
"""
HOSTILE = (
    "a; rm -rf /",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"quoted"',
    "a b\tc\nd",
    "-rf",
    "{alpha}",
    "\\",
    "*",
    "モデル 🦊 [/x] \x1b]52;c;aGk=\x07",
)


def test_entry_points_parameters_types_and_defaults_are_read() -> None:
    project = read_project(PROJECT)
    main = project.entry_point("main")
    assert (project.name, project.environment_file) == ("fraud", "python_env.yaml")
    assert [(p.name, p.type, p.default) for p in main.parameters] == [
        ("alpha", "float", "0.5"),
        ("data", "path", None),
        ("note", "string", ""),
        ("where", "uri", "s3://bucket/x"),
        ("folds", "int", "5"),
    ]
    assert project.entry_point("check").parameters == ()


def test_a_command_is_what_mlflow_makes_of_it() -> None:
    main = read_project(PROJECT).entry_point("main")
    values = {"alpha": "0.1", "data": "/a b.csv", "note": "", "where": "", "folds": "5"}
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    assert command_line(main, values) == main.command.format(**quoted)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_one_word_of_the_shell_whatever_it_holds(value: str) -> None:
    entry = read_project(
        b"entry_points: {main: {parameters: {v: string}, command: 'printf %s {v}'}}"
    ).entry_point("main")
    [(_, checked)] = checked_values(entry, {"v": value})
    line = command_line(entry, {"v": checked})
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
    assert done.stdout.decode() == value


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "'data' has no value"),
        ({"data": "x", "alpha": "much"}, "is no float"),
        ({"data": "x", "alpha": ""}, "is no float"),
        ({"data": "x", "folds": "2.5"}, "is no int"),
        ({"data": "x", "folds": "nan"}, "is no int"),
        ({"data": "x", "where": "nowhere"}, "is no URI"),
        ({"data": "x", "note": "a\0b"}, "NUL"),
        ({"data": "x", "note": "x" * 5000}, "too long"),
        ({"data": "x", "where": "https://ana:hunter2@example.org/"}, "a password"),
    ],
)
def test_a_value_of_another_type_is_refused(
    given: dict[str, str], problem: str
) -> None:
    main = read_project(PROJECT).entry_point("main")
    with pytest.raises(MalformedInput, match=problem) as caught:
        checked_values(main, given)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_misspelt_parameter_or_entry_point_names_the_nearest() -> None:
    project = read_project(PROJECT)
    with pytest.raises(MalformedInput, match="did you mean 'alpha'"):
        refuse_unknown(project, [project.entry_point("main")], {"alpah"})
    with pytest.raises(MalformedInput, match="did you mean 'main'"):
        project.entry_point("mian")


@pytest.mark.parametrize("template", ["{beta}", "{alpha", "alpha}", "{alpha.real}"])
def test_a_command_that_names_no_parameter_is_refused(template: str) -> None:
    head = "entry_points: {main: {parameters: {alpha: float}, command: "
    entry = read_project(f"{head}'{template}'}}}}".encode()).entry_point("main")
    with pytest.raises(MalformedInput, match="no parameter"):
        command_line(entry, {"alpha": "1"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "not a mapping"),
        (b"[1, 2]", "not a mapping"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"{", "not YAML"),
        (b"name: x", "no entry_points"),
        (b"entry_points: []", "no entry_points"),
        (b"entry_points: {main: {}}", "no command"),
        (b"entry_points: {main: {command: '  '}}", "no command"),
        (b"entry_points: {main: {command: [a]}}", "must be text"),
        (b"entry_points: {main: run.sh}", "nothing else"),
        (b"entry_points: {main: {command: x, shell: y}}", "nothing else"),
        (b"entry_points: {'a b': {command: x}}", "is no name"),
        (b"entry_points: {1: {command: x}}", "is no name"),
        (b"entry_points: {main: {command: x, parameters: [a]}}", "a mapping"),
        (b"entry_points: {main: {command: x, parameters: {a: date}}}", "known type"),
        (b"entry_points: {main: {command: x, parameters: {a: {min: 1}}}}", "default"),
        (b"docker_env: {image: x}\nentry_points: {main: {command: x}}", "container"),
        (b"stages: []\nentry_points: {main: {command: x}}", "nothing is known"),
        (b"a: &a [x]\nentry_points: *a", "not YAML"),
        (b"entry_points: !!python/object/apply:os.system [ls]", "not YAML"),
        (b"# " + b"x" * LARGEST_FILE_BYTES, "larger than"),
    ],
)
def test_what_is_no_project_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(MalformedInput, match=problem):
        read_project(text)


def test_nesting_without_end_is_refused_at_once() -> None:
    for text in (b"[" * 200_000, b"{a: " * 60_000, b"- " * 120_000):
        with pytest.raises(MalformedInput, match="not YAML"):
            read_project(text)
