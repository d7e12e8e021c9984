"""MLproject files: entry points, their parameters, and the command they come to.

The form is MLflow's own. A value stands in a command only as one quoted word of the
shell; a type is checked before anything runs; what is not known is refused.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from connectors.errors import MalformedInput
from connectors.mlflow.yaml_text import parse_mapping

FILE_NAME = "MLproject"
LARGEST_FILE_BYTES = 256 * 1024
LONGEST_VALUE = 4096
PATH = "path"
_TYPES = ("string", "float", "int", PATH, "uri")
_KNOWN = frozenset({"name", "entry_points", "python_env", "conda_env", "docker_env"})
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an entry point."""

    name: str
    type: str
    default: str | None


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One thing that a project can do."""

    name: str
    command: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """An MLproject file, read and checked."""

    name: str
    entry_points: Mapping[str, EntryPoint]
    environment_file: str
    """`python_env`: the file that names the Python and the packages it wants, or
    empty."""
    conda_file: str
    """`conda_env`: the file of a conda environment, or empty."""

    def entry_point(self, name: str) -> EntryPoint:
        """An entry point by its name.

        Raises:
            MalformedInput: there is none.
        """
        found = self.entry_points.get(name)
        if found is None:
            raise MalformedInput(
                f"the project has no entry point {name[:80]!r}{_near(name, self)}",
                hint="Name one with --entry: "
                f"{', '.join(sorted(self.entry_points))[:500]}",
            )
        return found


def read_project(data: bytes) -> Project:
    """Read an MLproject file.

    Raises:
        MalformedInput: it is none, or says something that is not understood here.
    """
    if len(data) > LARGEST_FILE_BYTES:
        raise MalformedInput(f"{FILE_NAME} is larger than {LARGEST_FILE_BYTES} bytes")
    raw = parse_mapping(data, FILE_NAME)
    unknown = sorted(str(name) for name in raw.keys() - _KNOWN)
    if unknown:
        raise MalformedInput(
            f"{FILE_NAME}: nothing is known of {unknown[0][:80]!r}",
            hint=f"It may hold {', '.join(sorted(_KNOWN))}.",
        )
    if raw.get("docker_env"):
        raise MalformedInput(
            f"{FILE_NAME}: it wants a container (docker_env), and none is run here",
            hint="Launch it on a cluster, or give the project a python_env.",
        )
    entries = raw.get("entry_points")
    if not isinstance(entries, dict) or not entries:
        raise MalformedInput(
            f"{FILE_NAME}: it has no entry_points",
            hint='entry_points: {main: {command: "python train.py"}}',
        )
    return Project(
        name=_text(raw.get("name", ""), "name"),
        entry_points={
            _named(name): _entry_point(_named(name), entry)
            for name, entry in entries.items()
        },
        environment_file=_text(raw.get("python_env") or "", "python_env"),
        conda_file=_text(raw.get("conda_env") or "", "conda_env"),
    )


def checked_values(
    entry: EntryPoint, given: Mapping[str, str]
) -> list[tuple[Parameter, str]]:
    """The value of every parameter: given or by default, and of its type.

    Raises:
        MalformedInput: one is lacking or of another type.
    """
    found = []
    for parameter in entry.parameters:
        value = given.get(parameter.name, parameter.default)
        if value is None:
            raise MalformedInput(
                f"{entry.name}: the parameter {parameter.name!r} has no value",
                hint=f"-P {parameter.name}=VALUE",
            )
        check_value(entry, parameter, value)
        found.append((parameter, value))
    return found


def refuse_unknown(
    project: Project, entries: list[EntryPoint], given: set[str]
) -> None:
    """Refuse parameters that no step takes: most likely they are misspelt.

    Raises:
        MalformedInput: there are such.
    """
    known = {p.name for entry in entries for p in entry.parameters}
    for name in sorted(given - known):
        close = difflib.get_close_matches(name, sorted(known), n=1)
        near = f"; did you mean {close[0]!r}?" if close else ""
        raise MalformedInput(
            f"no step of {project.name or 'the project'} takes {name[:80]!r}{near}",
            hint=f"They take: {', '.join(sorted(known)) or 'nothing'}",
        )


def command_line(entry: EntryPoint, values: Mapping[str, str]) -> str:
    """The command with each `{parameter}` as one quoted word.

    Raises:
        MalformedInput: the template names what is no parameter of the entry point.
    """

    def put(match: re.Match[str]) -> str:
        whole, name = match[0], match[1]
        if whole in ("{{", "}}"):
            return whole[0]
        if name is None or name not in values:
            raise MalformedInput(
                f"{entry.name}: its command has {whole[:80]!r}, which is no parameter",
                hint="Write {{ and }} for braces that are meant as such.",
            )
        return shlex.quote(values[name])

    return _PLACE.sub(put, entry.command)


def refuse_credentials(name: str, value: str) -> None:
    """Refuse an address that holds a password: values are shown and recorded.

    Raises:
        MalformedInput: it does.
    """
    try:
        has_password = "@" in value and bool(urlsplit(value).password)
    except ValueError:
        has_password = False
    if has_password:
        raise MalformedInput(
            f"{name[:80]!r} is an address with a password, which would be recorded",
            hint="Pass credentials by the name of a variable: --pass NAME",
        )


def check_value(entry: EntryPoint, parameter: Parameter, value: str) -> None:
    """Whether a text is a value of a parameter.

    Raises:
        MalformedInput: it is not, or could not be recorded.
    """
    what = f"{entry.name}: {parameter.name} = {value[:80]!r}"
    if len(value) > LONGEST_VALUE or "\0" in value:
        raise MalformedInput(
            f"{entry.name}: {parameter.name} is too long, or has a NUL"
        )
    refuse_credentials(parameter.name, value)
    if parameter.type in ("float", "int"):
        try:
            number = Decimal(value)
            is_fit = parameter.type == "float" or (
                number.is_finite() and number == number.to_integral_value()
            )
        except (InvalidOperation, ValueError):
            is_fit = False
        if not is_fit:
            raise MalformedInput(f"{what} is no {parameter.type}")
    if parameter.type == "uri" and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:.", value):
        raise MalformedInput(f"{what} is no URI")


def _entry_point(name: str, entry: object) -> EntryPoint:
    what = f"{FILE_NAME}: entry point {name}"
    if not isinstance(entry, dict) or entry.keys() - {"command", "parameters"}:
        raise MalformedInput(f"{what} has a command and parameters, and nothing else")
    command = _text(entry.get("command", ""), f"the command of {name}")
    if not command.strip():
        raise MalformedInput(f"{what} has no command")
    parameters = entry.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise MalformedInput(f"{what}: parameters must be a mapping")
    return EntryPoint(
        name,
        command,
        tuple(_parameter(_named(key), value) for key, value in parameters.items()),
    )


def _parameter(name: str, raw: object) -> Parameter:
    if isinstance(raw, str):
        raw = {"type": raw}
    if not isinstance(raw, dict) or raw.keys() - {"type", "default"}:
        raise MalformedInput(f"{FILE_NAME}: parameter {name} has a type and a default")
    kind = _text(raw.get("type", "string"), f"the type of {name}")
    if kind not in _TYPES:
        raise MalformedInput(
            f"{FILE_NAME}: parameter {name} is of no known type: {kind[:40]!r}",
            hint=f"Types: {', '.join(_TYPES)}",
        )
    default = raw.get("default")
    return Parameter(
        name, kind, None if default is None else _text(default, f"default of {name}")
    )


def _named(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise MalformedInput(f"{FILE_NAME}: {str(name)[:80]!r} is no name")
    return name


def _text(value: object, what: str) -> str:
    """Text, or a number as YAML reads one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > LONGEST_VALUE or "\0" in value:
        raise MalformedInput(f"{FILE_NAME}: {what} must be text")
    return value


def _near(name: str, project: Project) -> str:
    close = difflib.get_close_matches(name, sorted(project.entry_points), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
