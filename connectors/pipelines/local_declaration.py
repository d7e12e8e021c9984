"""What an MLflow Project declares: read from its file alone, so that a form can follow
what somebody types.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from connectors.errors import MalformedInput
from connectors.pipelines.checkout import find_code
from connectors.pipelines.declarations import Declaration, DeclaredParameter
from connectors.pipelines.mlproject import (
    FILE_NAME,
    LARGEST_FILE_BYTES,
    Project,
    check_value,
    read_project,
)
from connectors.pipelines.project_path import project_path


def declared_project(project: str, ref: str) -> Declaration:
    """The entry points of a project and the parameters of all of them.

    Raises:
        ConnectorError: it is none.
    """
    folder = project_path(project)
    found = read_project(_file(folder, ref))
    return Declaration(
        found.name or folder.name, tuple(found.entry_points), tuple(_parameters(found))
    )


def _file(folder: Path, ref: str) -> bytes:
    if ref:
        source = find_code(folder, ref)
        below = f"{source.below}/{FILE_NAME}" if source.below else FILE_NAME
        data = source.read(below)
        if data is None:
            raise MalformedInput(f"there is no {FILE_NAME} in {folder} at {ref[:80]}")
        return data
    try:
        with (folder / FILE_NAME).open("rb") as file:
            return file.read(LARGEST_FILE_BYTES + 1)
    except OSError as cause:
        raise MalformedInput(
            f"there is no {FILE_NAME} in {folder}",
            hint="Name the folder of a project: it has an MLproject file.",
        ) from cause


def _parameters(project: Project) -> list[DeclaredParameter]:
    """Each name once; where steps give it different defaults there is no one default,
    and each step has its own until somebody gives it."""
    found: dict[str, DeclaredParameter] = {}
    for entry in project.entry_points.values():
        for one in entry.parameters:
            had = found.get(one.name)
            steps = (*had.steps, entry.name) if had else (entry.name,)
            is_same = had is None or had.default == one.default
            found[one.name] = DeclaredParameter(
                name=one.name,
                type=one.type,
                default=one.default if is_same else None,
                is_needed=one.default is None or (had is not None and had.is_needed),
                check=partial(check_value, entry, one),
                steps=steps,
            )
    return list(found.values())
