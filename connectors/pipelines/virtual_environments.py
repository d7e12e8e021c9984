"""Virtual environments kept on this machine, each for all runs that ask for the same.

    KEY.json      which folder is whole, what is in it, and how its files looked then
    KEY.lock      held by whoever builds it, or takes it
    KEY-RANDOM/   the environment

An environment does not move, so it is built where it stays, and is there for others
once KEY.json names it. What a killed build leaves is named by nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from connectors.errors import MalformedInput
from connectors.parsing import parse_json, text_of, well_formed
from connectors.pipelines.claims import read_packages
from connectors.pipelines.durable import replace_file, try_lock
from connectors.pipelines.protocols import InstalledPackage

FOLDER = "environments"
_SHORT = 16
_TURN_SECONDS = 0.2
_BUILT = re.compile(rf"[0-9a-f]{{{_SHORT}}}-[0-9a-f]{{8}}")
_NOT_COMPARED = "__pycache__"
"""Written by whoever imports something."""


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment that is whole."""

    folder: Path
    packages: tuple[InstalledPackage, ...]

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


@dataclass(frozen=True, slots=True)
class KeptEnvironments:
    """All of them, in one folder."""

    folder: Path

    @contextlib.contextmanager
    def locked(self, key: str, waits: Callable[[], None]) -> Iterator[None]:
        """Hold the environment of a key for oneself; `waits` is told once of a wait."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_told = False
        while True:
            with open(self.folder / f"{key}.lock", "ab") as stream:
                if try_lock(stream.fileno()):
                    yield
                    return
            if not is_told:
                waits()
                is_told = True
            time.sleep(_TURN_SECONDS)

    @contextlib.contextmanager
    def locked_now(self, key: str) -> Iterator[bool]:
        """Hold the environment of a key for oneself, or say that another does."""
        with open(self.folder / f"{key}.lock", "ab") as stream:
            yield try_lock(stream.fileno())

    def folders(self) -> list[Path]:
        """Every environment, whole or not."""
        if not self.folder.is_dir():
            return []
        found = (path for path in self.folder.iterdir() if _BUILT.fullmatch(path.name))
        return sorted(path for path in found if path.is_dir())

    def named(self) -> dict[str, str]:
        """Key -> name of the folder that is whole."""
        found = {}
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(MalformedInput, OSError):
                raw = parse_json(path.read_bytes(), str(path))
                with well_formed(str(path)):
                    found[path.stem] = text_of(raw["folder"])
        return found

    def keys_of(self, folder: Path) -> list[str]:
        """The keys that a folder can be of; somebody who builds it holds one."""
        short = folder.name.partition("-")[0]
        return sorted(path.stem for path in self.folder.glob(f"{short}*.lock"))

    def new_folder(self, key: str) -> Path:
        """Where to build another of a key."""
        return self.folder / f"{key[:_SHORT]}-{secrets.token_hex(4)}"

    def usable(self, key: str) -> tuple[BuiltEnvironment | None, str]:
        """The whole environment of a key; or why the one there was is not used."""
        path = self.folder / f"{key}.json"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None, ""
        try:
            raw = parse_json(data, str(path))
            with well_formed(str(path)):
                folder = self.folder / Path(text_of(raw["folder"])).name
                built = BuiltEnvironment(folder, read_packages(raw["packages"]))
                looked = text_of(raw["files"])
        except MalformedInput as problem:
            return None, str(problem)
        if state_of(built.folder) != looked:
            return None, f"files in {built.folder} were changed since it was built"
        path.touch()
        return built, ""

    def keep(self, key: str, built: BuiltEnvironment) -> None:
        """Say that an environment is whole."""
        document = {
            "folder": built.folder.name,
            "packages": [asdict(one) for one in built.packages],
            "files": state_of(built.folder),
        }
        replace_file(self.folder / f"{key}.json", json.dumps(document).encode())

    def discard(self, folder: Path) -> None:
        """Remove what did not become whole."""
        shutil.rmtree(folder, ignore_errors=True)


def state_of(folder: Path) -> str:
    """A digest of how the files of an environment look: names, sizes, times, links.

    Meant for what a run changes by mistake, with pip for example; whoever means to
    deceive is on this machine as oneself, and could change anything else.
    """
    whole = hashlib.sha256()
    for here, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if name != _NOT_COMPARED)
        for name in sorted(files):
            path = os.path.join(here, name)
            seen = os.lstat(path)
            link = os.readlink(path) if os.path.islink(path) else ""
            told = [path, seen.st_mode, seen.st_size, seen.st_mtime_ns, link]
            whole.update(json.dumps(told).encode())
    return whole.hexdigest()
