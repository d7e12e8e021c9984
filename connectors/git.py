"""Git repositories and bundles: every reachable commit, read by git itself.

Nothing of a repository is trusted: git runs as `connectors.git_running` allows, every
commit is held to its own id, and names never stand where an option could.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.git_branches import LIST_BRANCHES, branch_facts
from connectors.git_comparing import compare_commits
from connectors.git_facts import commit_facts
from connectors.git_objects import raw_commits
from connectors.git_running import run
from connectors.named_source import NamedSource
from connectors.parsing import without_userinfo
from connectors.protocols import CodeComparison, KnownState
from store.facts import Fact
from store.identifiers import repository_key

MOST_COMMITS = 5_000_000


class GitSource(NamedSource):
    """A repository folder (bare or not) or a bundle file."""

    def __init__(self, name: str, path: Path, *, repository: str = "") -> None:
        super().__init__(name)
        self._path = path
        self._repository = repository

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        with self.folder() as folder:
            address = self._repository or self._remote(folder) or self._name
            repository = repository_key(address)
            for sha, data in raw_commits(folder, ("--all",)):
                self._tally.accepted += 1
                if self._tally.accepted > MOST_COMMITS:
                    raise ConnectorRefused(
                        f"{self._path} has more than {MOST_COMMITS} commits"
                    )
                yield from commit_facts(sha, data, repository)
            yield from branch_facts(run(folder, *LIST_BRANCHES), repository)
        if not self._tally.accepted and self._path.is_file():
            raise MalformedInput(
                f"git cannot read a single commit from {self._path}",
                hint="Make the bundle again: git bundle create FILE --all",
            )

    def compare(self, before: str, after: str) -> CodeComparison:
        """See ComparesCode.compare."""
        with self.folder() as folder:
            return compare_commits(folder, before, after)

    def _remote(self, folder: Path) -> str:
        """Where a clone came from, without credentials; empty for a bundle."""
        if self._path.is_file():
            return ""
        told = run(folder, "config", "--get", "remote.origin.url", accept=(0, 1))
        return without_userinfo(told.decode("utf-8", "replace").strip())

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder where git finds the repository; of a bundle, a clone of it."""
        if not self._path.is_file():
            yield self._path
            return
        with tempfile.TemporaryDirectory(prefix="countersign-git-") as folder:
            target = Path(folder) / "bundle.git"
            run(
                Path(folder),
                "clone",
                "--mirror",
                "--quiet",
                "--template=",
                "--",
                str(self._path.resolve()),
                str(target),
            )
            yield target
