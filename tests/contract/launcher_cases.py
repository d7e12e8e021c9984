"""What a launcher under the contract has to bring: itself, and small pipelines to run.

Another launcher joins by a class like `LocalCase` in CASES.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.protocols import CanLaunch, LaunchRequest
from tests.contract.kfp_launching import KfpCase
from tests.contract.kubernetes_flavours import FLAVOURS
from tests.contract.kubernetes_launching import KubernetesCase
from tests.contract.launching_commands import COMMANDS

SECRET = "hunter2-hunter2"


class LauncherCase(Protocol):
    """One launcher, and its pipelines by what they do."""

    launcher: CanLaunch
    error_stream: str
    """Where what goes to the error output is found; not every place tells it apart."""
    is_given_secrets: bool
    """Whether variables of whoever launches can be passed on."""
    pause_seconds: float
    """Between two launches whose order can be told."""

    def request(self, *does: str) -> LaunchRequest:
        """`quick`, `fails`, `waits` or `talks`; several are steps."""
        ...

    def steps(self, *does: str) -> list[str]:
        """What the steps of such a request are called."""
        ...

    def log_steps(self, *does: str) -> list[str]:
        """What they are called in the log."""
        ...

    def starts(self) -> int:
        """How many steps were ever started."""
        ...

    def another(self) -> CanLaunch:
        """The same place, from another process or machine that has lost nothing."""
        ...

    def close(self) -> None:
        """Take everything down again."""
        ...


class LocalCase:
    """Real processes on this machine."""

    error_stream = "err"
    is_given_secrets = True
    pause_seconds = 0.0

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

    def steps(self, *does: str) -> list[str]:
        return list(does)

    def log_steps(self, *does: str) -> list[str]:
        return list(does)

    def starts(self) -> int:
        return len(self._mark.read_text().split()) if self._mark.exists() else 0

    def another(self) -> CanLaunch:
        return LocalLauncher(self._folder / "runs", on_end=lambda _: [])

    def close(self) -> None:
        """Nothing is left but files."""


CASES: dict[str, Callable[[Path], LauncherCase]] = {
    **{name: partial(KubernetesCase, flavour=one) for name, one in FLAVOURS.items()},
    "kfp": KfpCase,
    "local": LocalCase,
}
REAL: dict[str, Callable[[Path], LauncherCase]] = {
    name.replace("kubernetes", "real-kubernetes", 1): partial(
        KubernetesCase, flavour=one, where="real"
    )
    for name, one in FLAVOURS.items()
}
"""The same on the cluster that is named for the tests, with the operators it has."""
ALIKE = ("kubernetes-mpijob", "kubernetes-tfjob")
"""Cases that go the way of another, so that the quick tests do without them."""
