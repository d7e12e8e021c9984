"""Claims: one folder for each launch, made whole or not at all, and what it says.

    claim.json   what was asked, and when          plan.json   the plan, byte for byte
    work/        the code, and the run's folder    log         what it printed
    virtualenv/  what pip is given                 virtualenv.json  what was built
    released, started, cancelled, pruned           state.json  written by the supervisor

Whoever makes the folder first has the id. `started` is made once, by the one supervisor
that holds `lock`, before it starts anything: so nothing is started twice, and what a
supervisor left behind when it died is never started again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from connectors.errors import MalformedInput
from connectors.parsing import well_formed
from connectors.pipelines.durable import (
    replace_file,
    sync_folder,
    try_lock,
    write_through,
)
from connectors.pipelines.processes import Process, living
from connectors.pipelines.protocols import (
    InstalledPackage,
    PipelineRun,
    PlannedFile,
    RunState,
    StepRun,
)

BACKEND = "local"
BUILT = "virtualenv.json"
"""Says which environment a run is in, and what is in it."""
PRUNED = "pruned"
"""Marks that only the claim itself is kept."""
LOCK_SECONDS = 10.0
_TURN_SECONDS = 0.05
_LARGEST_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Claim:
    """One launch on this machine."""

    folder: Path

    @property
    def work(self) -> Path:
        """Where its code is, and where it runs."""
        return self.folder / "work"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "log"

    @property
    def pip_files(self) -> Path:
        """What pip is given for the environment that is built for it."""
        return self.folder / "virtualenv"

    @property
    def plan_path(self) -> Path:
        """The plan it was claimed with."""
        return self.folder / "plan.json"

    def read(self, name: str) -> dict[str, object]:
        """One of its documents; empty if it is not there.

        Raises:
            MalformedInput: it is damaged.
        """
        try:
            data = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return {}
        try:
            value = json.loads(data)
        except ValueError as cause:
            raise MalformedInput(f"{self.folder / name} is damaged") from cause
        if not isinstance(value, dict):
            raise MalformedInput(f"{self.folder / name} is damaged")
        return value

    def write(self, name: str, value: Mapping[str, object]) -> None:
        """Replace one of its documents, as a whole."""
        data = json.dumps(value, sort_keys=True).encode()
        replace_file(self.folder / name, data)

    def has(self, mark: str) -> bool:
        """Whether something was marked: released, started, cancelled or pruned."""
        return (self.folder / mark).exists()

    def mark(self, mark: str) -> bool:
        """Mark something for good; False if it was marked before."""
        try:
            with open(self.folder / mark, "xb") as stream:
                os.fsync(stream.fileno())
        except FileExistsError:
            return False
        sync_folder(self.folder)
        return True

    @contextlib.contextmanager
    def locked(self, seconds: float = LOCK_SECONDS) -> Iterator[bool]:
        """Hold the claim for oneself; gives False if another holds it so long."""
        with open(self.folder / "lock", "ab") as stream:
            deadline = time.monotonic() + seconds
            while not try_lock(stream.fileno()):
                if time.monotonic() >= deadline:
                    yield False
                    return
                time.sleep(_TURN_SECONDS)
            yield True

    def is_held_now(self) -> bool:
        """Whether a supervisor is at work."""
        with open(self.folder / "lock", "ab") as stream:
            return not try_lock(stream.fileno(), fcntl.LOCK_SH)

    def leader(self) -> Process:
        """The first process of the step that ran last, as far as it was noted."""
        told = self.read("state.json").get("leader")
        with well_formed(f"{self.folder}/state.json"):
            if isinstance(told, dict):
                return Process(int(told["id"]), str(told["started"]))
        return Process(0, "")

    def left(self) -> list[int]:
        """Processes of the launch that are there now."""
        return living(self.leader(), str(self.read("claim.json").get("token", "")))

    def run(self) -> PipelineRun:
        """What is known of it now.

        Raises:
            MalformedInput: its folder is damaged.
        """
        claim = self.read("claim.json")
        with well_formed(f"{self.folder}/claim.json"):
            base = PipelineRun(
                launch=str(claim["launch"]),
                backend=BACKEND,
                pipeline=str(claim["pipeline"]),
                state=RunState.PENDING,
                plan_digest=str(claim["plan"]),
                claimed=_moment(claim["claimed"]) or datetime.now(UTC),
            )
            told = self._told(base)
            if told is not None and told.state.is_final:
                return told
            if not self.has("started"):
                return _replaced(base, *self._before_start(bool(claim["held"])))
            if self.is_held_now():
                return told or _replaced(base, RunState.RUNNING, "")
            return self._abandoned(base)

    def _before_start(self, held: bool) -> tuple[RunState, str]:
        if self.has("cancelled"):
            return RunState.CANCELLED, "cancelled"
        if held and not self.has("released"):
            return RunState.SUSPENDED, "held until it is released"
        if self.is_held_now():
            return RunState.PENDING, ""
        return RunState.PENDING, "claimed and not started: launch it again, by its id"

    def _abandoned(self, base: PipelineRun) -> PipelineRun:
        """A supervisor that is gone may have written its last just before."""
        told = self._told(base) or base
        if told.state.is_final:
            return told
        left = self.left()
        if left:
            said = ", ".join(map(str, left[:10]))
            reason = f"its supervisor died; processes of it still run: {said}"
            return _replaced(told, RunState.UNKNOWN, reason)
        reason = "its supervisor died; how it ended is not known"
        return _replaced(told, RunState.FAILED, reason)

    def _told(self, base: PipelineRun) -> PipelineRun | None:
        told = self.read("state.json")
        if not told:
            return None
        with well_formed(f"{self.folder}/state.json"):
            return PipelineRun(
                launch=base.launch,
                backend=base.backend,
                pipeline=base.pipeline,
                state=RunState(str(told["state"])),
                plan_digest=base.plan_digest,
                claimed=base.claimed,
                reason=str(told["reason"]),
                started=_moment(told["started"]),
                ended=_moment(told["ended"]),
                steps=tuple(_step(one) for one in _listed(told["steps"])),
                outputs=tuple(_file(one) for one in _listed(told["outputs"])),
                packages=self._packages(),
            )

    def _packages(self) -> tuple[InstalledPackage, ...]:
        told = self.read(BUILT)
        with well_formed(f"{self.folder}/{BUILT}"):
            return read_packages(told["packages"]) if told else ()


def make_claim(
    folder: Path,
    document: Mapping[str, object],
    plan: bytes,
    fill: Callable[[Path], None],
) -> bool:
    """Make a claim's folder, filled, in one step; False if it was there before.

    `fill` puts the code in place, and may fail: then there is no claim.
    """
    if folder.exists():
        return False
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = folder.parent / f".new-{secrets.token_hex(8)}"
    aside.mkdir(mode=0o700)
    try:
        fill(aside / "work")
        write_through(aside / "plan.json", plan)
        write_through(aside / "claim.json", json.dumps(document).encode())
        sync_folder(aside)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            return False
        sync_folder(folder.parent)
        return True
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def state_document(
    state: RunState,
    *,
    reason: str = "",
    started: datetime | None = None,
    ended: datetime | None = None,
    steps: tuple[StepRun, ...] = (),
    outputs: tuple[PlannedFile, ...] = (),
    leader: Process | None = None,
) -> dict[str, object]:
    """What a supervisor writes of a run."""
    return {
        "state": state.value,
        "reason": reason,
        "started": _text(started),
        "ended": _text(ended),
        "leader": {"id": leader.id, "started": leader.started} if leader else None,
        "steps": [
            {
                "name": step.name,
                "state": step.state.value,
                "started": _text(step.started),
                "ended": _text(step.ended),
                "exit_status": step.exit_status,
            }
            for step in steps
        ],
        "outputs": [
            {"path": one.path, "sha256": one.sha256, "size": one.size}
            for one in outputs
        ],
    }


def _replaced(run: PipelineRun, state: RunState, reason: str) -> PipelineRun:
    return replace(run, state=state, reason=reason)


def _step(told: Mapping[str, object]) -> StepRun:
    status = told["exit_status"]
    return StepRun(
        name=str(told["name"]),
        state=RunState(str(told["state"])),
        started=_moment(told["started"]),
        ended=_moment(told["ended"]),
        exit_status=None if status is None else int(str(status)),
    )


def _file(told: Mapping[str, object]) -> PlannedFile:
    path = str(told["path"])
    return PlannedFile(path, path, str(told["sha256"]), int(str(told["size"])))


def _listed(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return [dict(one) for one in value]


def read_packages(value: object) -> tuple[InstalledPackage, ...]:
    """Packages as they are noted; what is no list of them is a TypeError or KeyError"""
    return tuple(
        InstalledPackage(str(one["name"]), str(one["version"]), str(one["sha256"]))
        for one in _listed(value)
    )


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat()


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
