"""Planning a launch on this machine: an MLflow Project, its values and its files.

Nothing is started or written here.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.pipelines.checkout import Checkout, find_code, sha256_of
from connectors.pipelines.claims import BACKEND
from connectors.pipelines.environment_planning import (
    STEP,
    PlannedEnvironment,
    plan_environment,
)
from connectors.pipelines.interpreters import VIRTUALENV, named_interpreter
from connectors.pipelines.mlproject import (
    FILE_NAME,
    PATH,
    EntryPoint,
    checked_values,
    command_line,
    read_project,
    refuse_credentials,
    refuse_unknown,
)
from connectors.pipelines.plans import read_plan
from connectors.pipelines.project_path import project_path
from connectors.pipelines.protocols import (
    LaunchPlan,
    LaunchRequest,
    PlannedFile,
    PlannedStep,
)

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def plan_project(request: LaunchRequest, place: str) -> LaunchPlan:
    """What running a project would be, exactly.

    Raises:
        ConnectorError: it cannot be run.
    """
    if request.times is not None:
        raise MalformedInput(
            "this machine starts nothing again and again by itself",
            hint="Leave --backend out for a line for its crontab.",
        )
    folder = project_path(request.project)
    source = find_code(folder, request.ref)
    project = read_project(_file(source, folder, FILE_NAME))
    name = request.pipeline or project.name or folder.name
    if not _NAME.fullmatch(name):
        raise MalformedInput(
            f"{name[:80]!r} does not do as the name of a pipeline",
            hint="Letters, digits and . _ - name one: --name NAME",
        )
    entries = [project.entry_point(entry) for entry in request.entry_points]
    if not entries or len({entry.name for entry in entries}) != len(entries):
        raise MalformedInput("a launch has steps, each once")
    refuse_unknown(project, entries, set(request.parameters))
    shell = shutil.which("bash") or "/bin/sh"
    steps: list[PlannedStep] = []
    inputs: dict[str, PlannedFile] = {}
    for entry in entries:
        values = _values(entry, request, source, folder, inputs)
        command = (shell, "-c", command_line(entry, values))
        steps.append(PlannedStep(entry.name, command, tuple(values.items())))
    for setting, value in request.settings.items():
        _require_variable(setting)
        refuse_credentials(setting, value)
    for variable in request.passed:
        _require_variable(variable)
    built = None
    if request.runtime == VIRTUALENV:
        if any(entry.name == STEP for entry in entries):
            raise MalformedInput(
                f"an entry point is called {STEP}, as what is built is"
            )
        built = plan_environment(source, project, request.settings, request.passed)
    plan = LaunchPlan(
        backend=BACKEND,
        place=place,
        pipeline=name,
        project=str(folder),
        code=source.code,
        steps=tuple(steps),
        inputs=tuple(inputs.values()),
        lock_digest=built.planned.lock_digest if built else "",
        runtime=VIRTUALENV if built else named_interpreter(request.runtime),
        settings=tuple(sorted(request.settings.items())),
        passed=tuple(sorted(set(request.passed))),
        limits=request.limits,
        virtualenv=(built.planned,) if built else (),
    )
    return read_plan(plan.to_bytes())


def environment_of(source: Checkout, plan: LaunchPlan) -> PlannedEnvironment | None:
    """What is built for a plan, from code that is there now; None: nothing.

    Raises:
        ConnectorError: it is not what was planned.
    """
    if not plan.virtualenv:
        return None
    project = read_project(_file(source, Path(plan.project), FILE_NAME))
    built = plan_environment(source, project, dict(plan.settings), plan.passed)
    if (built.planned,) != plan.virtualenv:
        raise ConnectorRefused(
            "the environment is no longer what was planned",
            hint="Launch it again; what is there now will be planned anew.",
        )
    return built


def _values(
    entry: EntryPoint,
    request: LaunchRequest,
    source: Checkout,
    folder: Path,
    inputs: dict[str, PlannedFile],
) -> dict[str, str]:
    """The values of a step as they stand in its command; notes the files they name."""
    values = {}
    for parameter, value in checked_values(entry, request.parameters):
        if parameter.type == PATH and value:
            value, found = _path_value(parameter.name, value, source, folder)
            if found is not None:
                inputs[f"{entry.name}.{parameter.name}"] = found
        values[parameter.name] = value
    return values


def _path_value(
    name: str, value: str, source: Checkout, folder: Path
) -> tuple[str, PlannedFile | None]:
    """A path as the run sees it: within the copy if the code has it, else absolute."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value):
        raise MalformedInput(
            f"{name}: {value[:200]!r} is no path on this machine",
            hint="Give the parameter the type uri, or fetch the file first.",
        )
    path = Path(value).expanduser()
    whole = Path(os.path.normpath(folder / path))
    if not path.is_absolute() and whole.is_relative_to(source.top):
        found = source.found(whole.relative_to(source.top).as_posix())
        if found is not None:
            kept = PlannedFile(name, value, *found) if found[0] else None
            return value, kept
    if whole.is_dir():
        return str(whole), None
    if not whole.is_file():
        raise MalformedInput(f"{name}: there is no file {str(whole)[:300]}")
    return str(whole), PlannedFile(name, str(whole), *sha256_of(whole))


def _file(source: Checkout, folder: Path, name: str) -> bytes:
    """A small file of the project, as the commit has it or as it is."""
    data = source.read(str(PurePosixPath(source.below) / name))
    if data is None:
        at = f" at {source.code.commit[:12]}" if source.is_commit else ""
        raise MalformedInput(
            f"there is no {name} in {folder}{at}",
            hint="docs/pipelines.md shows a project to begin with.",
        )
    return data


def _require_variable(name: str) -> None:
    if not _VARIABLE.fullmatch(name) or name in ("PATH", "LD_PRELOAD"):
        raise MalformedInput(f"{name[:80]!r} does not do as a variable to set")
