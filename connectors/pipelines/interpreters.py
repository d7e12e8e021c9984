"""Interpreters of Python on this machine: finding the one that is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import MalformedInput
from connectors.parsing import parse_json, text_of, well_formed

CURRENT = "current"
VIRTUALENV = "virtualenv"
"""What MLflow calls its environment manager, too."""
_PROBE_SECONDS = 30.0
_PROBE = (
    "import importlib.util as u, json, platform, sys, sysconfig;"
    "print(json.dumps({'python': platform.python_implementation() + ' ' + "
    "platform.python_version(), 'platform': sysconfig.get_platform(), "
    "'path': sys._base_executable, 'whole': "
    "all(map(u.find_spec, ('venv', 'ensurepip')))}))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that environments can be made of."""

    path: str
    python: str
    """Such as `CPython 3.11.7`."""
    platform: str


def named_interpreter(runtime: str) -> str:
    """The Python that is on the `PATH`, or of a virtual environment, or itself.

    Raises:
        MalformedInput: there is none.
    """
    if runtime == CURRENT:
        found = shutil.which("python") or shutil.which("python3") or sys.executable
        return os.path.abspath(found)
    path = Path(os.path.abspath(Path(runtime).expanduser()))
    candidate = path / "bin" / "python" if path.is_dir() else path
    if candidate.is_file() and os.access(candidate, os.X_OK):
        return str(candidate)
    raise MalformedInput(
        f"{runtime[:200]!r} is neither a virtual environment nor an interpreter",
        hint=f"--python {CURRENT}, {VIRTUALENV}, the folder of a virtual environment, "
        "or its python.",
    )


def interpreter_for(version: str) -> Interpreter:
    """A Python of a version, on the `PATH`, that can make virtual environments.

    Raises:
        MalformedInput: there is none.
    """
    short = ".".join(version.split(".")[:2])
    names = (
        (f"python{short}", "python3", "python") if version else ("python", "python3")
    )
    others = []
    for name in names:
        found = shutil.which(name)
        told = inspect(found) if found else None
        if told is None:
            continue
        interpreter, is_whole = told
        has = interpreter.python.rpartition(" ")[2]
        if version and has != version and not has.startswith(f"{version}."):
            others.append(has)
            continue
        if not is_whole:
            package = f"python{'.'.join(has.split('.')[:2])}-venv"
            raise MalformedInput(
                f"{interpreter.path} has no venv and ensurepip",
                hint=f"On Debian: apt install {package}",
            )
        return interpreter
    seen = f"; there is {', '.join(dict.fromkeys(others))}" if others else ""
    raise MalformedInput(
        f"there is no Python {version} on the PATH{seen}".replace("  ", " "),
        hint=f"Install it, so that python{short} starts it; or ask for less: "
        f'python: "{short}" takes every {short}.'
        if version
        else "Install one.",
    )


def inspect(path: str) -> tuple[Interpreter, bool] | None:
    """What an interpreter is, and whether it makes environments; None: it is none."""
    try:
        told = subprocess.run(  # noqa: S603 - an interpreter of this machine's PATH
            [path, "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd="/",
            timeout=_PROBE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if told.returncode:
        return None
    try:
        raw = parse_json(told.stdout, f"what {path} says of itself")
        with well_formed(f"what {path} says of itself"):
            found = Interpreter(
                text_of(raw["path"]), text_of(raw["python"]), text_of(raw["platform"])
            )
            return found, bool(raw["whole"])
    except MalformedInput:
        return None
