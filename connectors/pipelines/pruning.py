"""Making room on this machine: what ended long ago keeps its claim and loses the rest.

The claim is what makes an id start nothing again, so it is never touched: what was
asked, the plan, the marks, how it ended, and what its environment held stay. `pruned`
is marked before anything is removed; who is killed in between is followed by another.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.pipelines.claims import BUILT, PRUNED, Claim
from connectors.pipelines.protocols import LAUNCH_ID, PipelineRun
from connectors.pipelines.virtual_environments import KeptEnvironments

REMOVED = ("work", "log", "tmp", "virtualenv", "supervisor.log")
"""What goes; everything else of a claim stays."""
_LEAST_AGE = timedelta(days=1)
"""Of what somebody may still be making."""
_LOCK_SECONDS = 1.0
_BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class Prunable:
    """Something that can go."""

    name: str
    """The launch, or the folder of an environment."""
    since: datetime
    """When it ended, or was used last."""
    size: int
    """Bytes on the disk."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A launch whose folder holds more than its claim."""

    claim: Claim
    run: PipelineRun

    @property
    def ended(self) -> datetime:
        """When it ended; where nobody saw that, when it was claimed or touched last."""
        told = self.run.ended or self.run.started or self.run.claimed
        return told.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class LaunchFolders:
    """The folders of the launches of one store on this machine."""

    folder: Path

    def claims(self) -> Iterator[Claim]:
        """Every claim."""
        if self.folder.is_dir():
            for path in sorted(self.folder.iterdir()):
                if LAUNCH_ID.fullmatch(path.name) and path.is_dir():
                    yield Claim(path)

    def candidates(self) -> Iterator[Candidate]:
        """The launches that hold something that could go, ended or not."""
        for claim in self.claims():
            if any(os.path.lexists(claim.folder / name) for name in REMOVED):
                with contextlib.suppress(ConnectorError):
                    yield Candidate(claim, claim.run())

    def left_aside(self, before: datetime) -> list[Path]:
        """What killed launches left that never became a claim."""
        if not self.folder.is_dir():
            return []
        limit = min(before, datetime.now(UTC) - _LEAST_AGE).timestamp()
        return [
            path
            for path in self.folder.iterdir()
            if path.name.startswith((".new-", ".place-"))
            and path.lstat().st_mtime < limit
        ]


def prune_claim(candidate: Candidate) -> bool:
    """Remove what is not the claim; False: something is still at work with it.

    Raises:
        ConnectorUnavailable: something could not be removed.
    """
    claim = candidate.claim
    with claim.locked(_LOCK_SECONDS) as is_ours:
        if not is_ours or not claim.run().state.is_final or claim.left():
            return False
        claim.mark(PRUNED)
        for name in REMOVED:
            remove(claim.folder / name)
    return True


@dataclass(frozen=True, slots=True)
class UnusedEnvironment:
    """An environment that no run is in."""

    folder: Path
    key: str
    """The key that names it; empty: none does."""
    used: datetime


def unused_environments(
    kept: KeptEnvironments, claims: Callable[[], Iterator[Claim]], before: datetime
) -> Iterator[UnusedEnvironment]:
    """The environments that nobody has used since some time, and nobody uses now."""
    named = {built: key for key, built in kept.named().items()}
    busy = _in_use(claims())
    for folder in kept.folders():
        key = named.get(folder.name, "")
        seen = kept.folder / f"{key}.json" if key else folder
        used = datetime.fromtimestamp(seen.lstat().st_mtime, UTC)
        if used < before and str(folder) not in busy:
            yield UnusedEnvironment(folder, key, used)


def prune_environment(
    kept: KeptEnvironments,
    unused: UnusedEnvironment,
    claims: Callable[[], Iterator[Claim]],
) -> bool:
    """Remove one, unless somebody takes or builds it just now.

    Raises:
        ConnectorUnavailable: something could not be removed.
    """
    with contextlib.ExitStack() as locks:
        for key in kept.keys_of(unused.folder):
            if not locks.enter_context(kept.locked_now(key)):
                return False
        if str(unused.folder) in _in_use(claims()):
            return False
        if unused.key:
            (kept.folder / f"{unused.key}.json").unlink(missing_ok=True)
        remove(unused.folder)
    return True


def _in_use(claims: Iterator[Claim]) -> set[str]:
    """The environments of runs that have not ended."""
    found = set()
    for claim in claims:
        told, is_over = None, False
        with contextlib.suppress(ConnectorError):
            told = claim.read(BUILT).get("folder")
            is_over = claim.run().state.is_final and not claim.left()
        if told is not None and not is_over:
            found.add(str(told))
    return found


def size_of(path: Path) -> int:
    """What something takes on the disk, links not followed."""
    total = _blocks(path)
    if not path.is_symlink():
        for here, names, files in os.walk(path):
            for name in (*names, *files):
                total += _blocks(Path(here, name))
    return total


def _blocks(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.lstat().st_blocks * _BLOCK_BYTES
    return 0


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, whatever its rights.

    Raises:
        ConnectorUnavailable: it cannot be removed.
    """
    try:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            _open_up(path)
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
    except OSError as cause:
        raise ConnectorUnavailable(
            f"cannot remove {path}: {cause.strerror}",
            hint="Whose is it? Prune again as somebody who may.",
        ) from cause


def _open_up(folder: Path) -> None:
    """Let folders be entered that a run has closed; links are not followed."""
    with contextlib.suppress(PermissionError):
        folder.chmod(stat.S_IRWXU)
    for here, names, _ in os.walk(folder):
        for name in names:
            inner = Path(here, name)
            if not inner.is_symlink():
                with contextlib.suppress(PermissionError):
                    inner.chmod(stat.S_IRWXU)
