"""Planning the virtual environment of a launch on this machine; it builds nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from connectors.errors import MalformedInput
from connectors.pipelines.checkout import Checkout
from connectors.pipelines.interpreters import interpreter_for
from connectors.pipelines.mlproject import FILE_NAME, Project
from connectors.pipelines.protocols import PlannedFile, VirtualEnvironment
from connectors.pipelines.python_env import read_python_env
from connectors.pipelines.requirements import Requirements, read_requirements

STEP = "virtualenv"
"""The step in which it is built; no entry point may be called so."""
PIP_INDEX = "https://pypi.org/simple"
"""Where pip looks if it is told nothing."""
MOST_LINKED = 1_000
_GIVEN = re.compile(
    r"PIP_[A-Z0-9_]{1,60}|(HTTP|HTTPS|NO|ALL)_PROXY|(http|https|no|all)_proxy"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE"
)
"""Variables of a launch that pip is given, too."""
_CONFIGURATION = "PIP_CONFIG_FILE"


@dataclass(frozen=True, slots=True)
class PlannedEnvironment:
    """What is built, and what pip is given for it."""

    planned: VirtualEnvironment
    build: Requirements
    dependencies: Requirements


def plan_environment(
    source: Checkout,
    project: Project,
    settings: Mapping[str, str],
    passed: tuple[str, ...],
) -> PlannedEnvironment:
    """What a project asks for, as it would be built here.

    Raises:
        MalformedInput: it cannot be, or asks for what no project may.
    """
    path = _environment_file(project)
    files: dict[str, PlannedFile] = {}

    def read(name: str) -> bytes:
        return _read(source, name, files)

    wanted = read_python_env(read(path), path)
    build = read_requirements(wanted.build_dependencies, path, read)
    dependencies = read_requirements(wanted.dependencies, path, read)
    for folder in (*build.links, *dependencies.links):
        files |= _linked(source, folder)
    interpreter = interpreter_for(wanted.python)
    pip = {n: v for n, v in sorted(settings.items()) if _is_given(n)}
    for name, value in pip.items():
        _refuse_userinfo(name, value)
    hidden = tuple(sorted(name for name in set(passed) if _is_given(name)))
    lines = [*build.lines, *dependencies.lines]
    planned = VirtualEnvironment(
        interpreter=interpreter.path,
        python=interpreter.python,
        platform=interpreter.platform,
        files=tuple(files[name] for name in sorted(files)),
        indexes=_indexes("--no-index" in lines, pip, hidden),
        pip=tuple(pip.items()),
        passed=hidden,
        unlocked=build.unlocked or dependencies.unlocked,
    )
    return PlannedEnvironment(planned, build, dependencies)


def _environment_file(project: Project) -> str:
    if project.conda_file:
        raise MalformedInput(
            f"{FILE_NAME}: it wants conda (conda_env), and no conda environment is "
            "built here",
            hint="Give it a python_env; or make the environment yourself and launch "
            "with --python PATH.",
        )
    if not project.environment_file:
        raise MalformedInput(
            f"{FILE_NAME}: it names no python_env to build an environment from",
            hint="python_env: python_env.yaml",
        )
    return project.environment_file


def _read(source: Checkout, name: str, files: dict[str, PlannedFile]) -> bytes:
    """A file of the project; notes it."""
    named = PurePosixPath(name)
    if named.is_absolute() or ".." in named.parts:
        raise MalformedInput(f"{name[:200]!r} is outside of the project")
    whole = str(PurePosixPath(source.below) / named)
    if source.is_link(whole):
        raise MalformedInput(
            f"{name} is a link; what an environment is made of is a file",
            hint="Put the file itself into the project.",
        )
    data = source.read(whole)
    if data is None:
        raise MalformedInput(f"there is no file {name[:200]} in the project")
    files[str(named)] = _planned(
        str(named), hashlib.sha256(data).hexdigest(), len(data)
    )
    return data


def _linked(source: Checkout, folder: str) -> dict[str, PlannedFile]:
    """The files of a folder that packages are taken from."""
    below = PurePosixPath(source.below)
    found: dict[str, PlannedFile] = {}
    for path in source.listed(str(below / folder)):
        name = PurePosixPath(path).relative_to(below).as_posix()
        kept = None if source.is_link(path) else source.found(path)
        if kept is None or not kept[0]:
            raise MalformedInput(f"{name[:200]} is no file that packages come from")
        found[name] = _planned(name, *kept)
        if len(found) > MOST_LINKED:
            raise MalformedInput(f"{folder} holds more than {MOST_LINKED} files")
    if not found:
        raise MalformedInput(f"there are no files in {folder[:200]} of the project")
    return found


def _planned(name: str, sha256: str, size: int) -> PlannedFile:
    return PlannedFile(name, name, sha256, size)


def _is_given(name: str) -> bool:
    if name == _CONFIGURATION:
        raise MalformedInput(
            f"{_CONFIGURATION} is not read: what it says would be in no plan",
            hint="Say it by variables: --set PIP_INDEX_URL=https://...",
        )
    return bool(_GIVEN.fullmatch(name))


def _refuse_userinfo(name: str, value: str) -> None:
    """Refuse addresses with a name in them: it may be a token, and would be shown.

    Raises:
        MalformedInput: there is one.
    """
    for word in value.split():
        try:
            has_user = "://" in word and "@" in urlsplit(word).netloc
        except ValueError:
            has_user = True
        if has_user:
            raise MalformedInput(
                f"{name} is an address with a name or a token, which would be recorded",
                hint=f"Pass it by the name of its variable: --pass {name}",
            )


def _indexes(
    is_none: bool, pip: Mapping[str, str], passed: tuple[str, ...]
) -> tuple[str, ...]:
    """Where packages come from that are not in the project, for people to read."""

    def told(name: str) -> list[str]:
        return [f"${name}, not shown"] if name in passed else pip.get(name, "").split()

    is_off = is_none or pip.get("PIP_NO_INDEX", "") not in ("", "0", "false", "no")
    own = [] if is_off else told("PIP_INDEX_URL") or [PIP_INDEX]
    further = [] if is_off else told("PIP_EXTRA_INDEX_URL")
    return tuple([*own, *further, *told("PIP_FIND_LINKS")])
