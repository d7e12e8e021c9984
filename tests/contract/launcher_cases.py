"""What a launcher under the contract has to bring: itself, and small pipelines to run.

Another launcher joins by a class like `LocalCase` in CASES.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.protocols import (
    CanLaunch,
    LaunchRequest,
)

SECRET = "hunter2-hunter2"
COMMANDS = {
    "quick": "echo hello",
    "fails": "echo broken >&2; exit 3",
    "waits": "echo waiting; sleep 300 & sleep 300",
    "talks": "echo the token is $CONTRACT_TOKEN",
}


class LauncherCase(Protocol):
    """One launcher, and its pipelines by what they do."""

    launcher: CanLaunch

    def request(self, *does: str) -> LaunchRequest:
        """`quick`, `fails`, `waits` or `talks`; several are steps."""
        ...

    def starts(self) -> int:
        """How many steps were ever started."""
        ...

    def another(self) -> CanLaunch:
        """The same place, from another process or machine that has lost nothing."""
        ...


class LocalCase:
    """Real processes on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._project = folder / "project"
        self._project.mkdir(parents=True)
        (self._project / "MLproject").write_text(
            "name: contract\nentry_points:\n"
            + "".join(
                f"  {name}:\n    parameters: {{mark: string}}\n"
                f"    command: 'echo started >> {{mark}}; {command}'\n"
                for name, command in COMMANDS.items()
            )
        )
        self._mark = folder / "starts"
        self.launcher: CanLaunch = self.another()

    def request(self, *does: str) -> LaunchRequest:
        return LaunchRequest(
            str(self._project),
            entry_points=does,
            parameters={"mark": str(self._mark)},
            passed=("CONTRACT_TOKEN",) if "talks" in does else (),
        )

    def starts(self) -> int:
        return len(self._mark.read_text().split()) if self._mark.exists() else 0

    def another(self) -> CanLaunch:
        return LocalLauncher(self._folder / "runs", on_end=lambda _: [])


CASES: dict[str, Callable[[Path], LauncherCase]] = {"local": LocalCase}
