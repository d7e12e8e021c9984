"""How something that knows no settings and hardly any path starts this program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PLACES = ("COUNTERSIGN_HOME", "COUNTERSIGN_CONFIG")
_SETTINGS = (*_PLACES, "COUNTERSIGN_ANCHOR")


def own_command() -> tuple[str, ...]:
    """This program by its path, with the settings that it was started with."""
    given = {name: os.environ.get(name, "") for name in _SETTINGS}
    for name in _PLACES:
        given[name] = str(Path(given[name]).absolute()) if given[name] else ""
    settings = [f"{name}={value}" for name, value in given.items() if value]
    started = Path(sys.argv[0]).absolute()
    is_script = started.name == "countersign" and started.is_file()
    program = [str(started)] if is_script else [sys.executable, "-m", "console"]
    return (*(("env", *settings) if settings else ()), *program)
