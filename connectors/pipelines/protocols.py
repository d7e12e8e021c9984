"""What the services need of a place that runs pipelines, split by capability.

A launcher plans without changing anything, and starts what was planned under an id that
the caller chose: the same id again starts nothing and finds what there is. Nothing here
knows who asks, or whether they may.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connectors.pipelines.told import ToldArtifact, TrackedRun

LAUNCH_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Ids of launches that every place takes as they are."""


ADDED_FIELDS = ("manifest", "resolved", "virtualenv")
"""Fields of a plan that are left out where they are empty."""


class RunState(StrEnum):
    """Where a pipeline run, or a step of one, is."""

    PENDING = "pending"
    """Claimed; nothing of it has run yet."""
    SUSPENDED = "suspended"
    """Claimed, and held until it is released."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """It cannot be told; something of it may still run."""

    @property
    def is_final(self) -> bool:
        """Whether it stays so."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use; 0 sets no limit."""

    wall_seconds: int = 0
    """For the whole run."""
    cpu_seconds: int = 0
    """For each process."""
    memory_bytes: int = 0
    """Address space of each process."""
    file_bytes: int = 0
    """Size of each file that it writes."""
    log_bytes: int = 64 * 1024**2
    """What is kept of what it prints."""


@dataclass(frozen=True, slots=True)
class Times:
    """When something is launched again and again."""

    cron: str
    """Minute, hour, day of the month, month, day of the week."""
    time_zone: str = "Etc/UTC"
    overlap: str = "Forbid"
    """What becomes of a time at which the last run still runs: `Forbid` leaves it out,
    `Replace` ends the last one, `Allow` starts another beside it."""
    deadline_seconds: int = 0
    """How late a run may start; 0: however late."""


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What somebody asks to be run."""

    project: str
    """Where the pipeline is described."""
    pipeline: str = ""
    """What to call it; by default as its description does."""
    entry_points: tuple[str, ...] = ("main",)
    """The steps, in this order."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    ref: str = ""
    """Commit, tag or branch to run; empty: the files as they are."""
    runtime: str = "current"
    """`current`, or the folder of a virtual environment, or an interpreter; or
    `virtualenv`: one is built as the project says."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables with their values. They are shown and recorded."""
    passed: tuple[str, ...] = ()
    """Environment variables passed on from whoever starts it. Their values are not
    shown or recorded, and are blotted out of what the run prints."""
    limits: Limits = Limits()
    times: Times | None = None
    """Not once, but whenever it is due; the place itself keeps to that."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step, with the exact command."""

    name: str
    command: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that a run is given, by a parameter, or that it is made of."""

    name: str
    """The parameter, or the path below the project."""
    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Code:
    """What code a launch runs."""

    repository: str = ""
    """Address of the git repository without credentials; empty: none."""
    commit: str = ""
    """Full hash, or empty."""
    authors: tuple[str, ...] = ()
    """Outside identities such as `git:ana@example.org`."""
    branches: tuple[str, ...] = ()
    """Branches that the commit is on."""
    all_branches: tuple[str, ...] = ()
    """Every branch of that repository."""
    is_dirty: bool | None = None
    """Whether files differ from the commit; None: there is no commit."""
    tree: str = ""
    """SHA-256 over the paths and bytes of everything that would run."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Something of a place that a plan leads to, as it was when it was planned."""

    kind: str
    name: str
    uid: str
    generation: int
    sha256: str
    """Over what it says, in one fixed form."""


@dataclass(frozen=True, slots=True)
class VirtualEnvironment:
    """What a virtual environment is built of, before anything else runs."""

    interpreter: str
    python: str
    """Such as `CPython 3.11.7`."""
    platform: str
    files: tuple[PlannedFile, ...]
    """Files of the project that say what is installed, and packages among them."""
    indexes: tuple[str, ...]
    """Where other packages come from, as far as that may be shown."""
    pip: tuple[tuple[str, str], ...]
    """What whoever launches tells pip, as variables."""
    passed: tuple[str, ...]
    """Names of variables that tell it more."""
    unlocked: str
    """Why it does not fix every byte that is installed; empty: it does."""

    @property
    def lock_digest(self) -> str:
        """SHA-256 over the files that fix what is installed; empty: they do not."""
        if self.unlocked:
            return ""
        named = [[file.path, file.sha256] for file in self.files]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()

    @property
    def key(self) -> str:
        """SHA-256 over all that: one that was built under it does for another run."""
        text = json.dumps(_plain(self), sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package of a virtual environment."""

    name: str
    version: str
    sha256: str
    """Of the file that it was installed from; empty: not known."""


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """Exactly what would be sent, before anything is."""

    backend: str
    place: str
    """Names where it would run, so that no other place takes it for its own."""
    pipeline: str
    project: str
    code: Code
    steps: tuple[PlannedStep, ...]
    inputs: tuple[PlannedFile, ...] = ()
    images: tuple[str, ...] = ()
    """Container images by digest."""
    lock_digest: str = ""
    """SHA-256 of the file that fixes the software it runs with, or empty."""
    runtime: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()
    limits: Limits = Limits()
    manifest: tuple[str, ...] = ()
    """Lines of the JSON that a cluster is sent, but for the marks of the launch; a plan
    that has none does not name it."""
    resolved: tuple[Resolved, ...] = ()
    """What the manifest only refers to; a plan that has none does not name it."""
    virtualenv: tuple[VirtualEnvironment, ...] = ()
    """What is built before the first step, or nothing; then it is not named."""

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The parameters of all steps, each once; a step's own name stands before one
        that differs from an earlier step's."""
        found: dict[str, str] = {}
        for step in self.steps:
            for name, value in step.parameters:
                if found.setdefault(name, value) != value:
                    found[f"{step.name}.{name}"] = value
        return tuple(sorted(found.items()))

    def to_bytes(self) -> bytes:
        """The plan as it is shown, stored and digested: JSON in printable ASCII."""
        document = {"schema": "countersign/launch-plan/v1"} | _plain(self)
        for name in ADDED_FIELDS:
            if not document[name]:
                del document[name]
        text = json.dumps(document, indent=1, sort_keys=True)
        return text.replace("\x7f", "\\u007f").encode("ascii") + b"\n"

    @property
    def digest(self) -> str:
        """SHA-256 of the plan's bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def _plain(value: object) -> dict[str, object]:
    plain: dict[str, object] = {}
    for name in getattr(value, "__dataclass_fields__", {}):
        inner = getattr(value, name)
        if isinstance(inner, tuple):
            plain[name] = [_plain_part(one) for one in inner]
        elif hasattr(inner, "__dataclass_fields__"):
            plain[name] = _plain(inner)
        else:
            plain[name] = inner
    return plain


def _plain_part(part: object) -> object:
    if hasattr(part, "__dataclass_fields__"):
        return _plain(part)
    return list(part) if isinstance(part, tuple) else part


@dataclass(frozen=True, slots=True)
class StepRun:
    """One step of a run, and the steps within it."""

    name: str
    state: RunState
    started: datetime | None = None
    ended: datetime | None = None
    exit_status: int | None = None
    steps: tuple[StepRun, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One execution, as the place that runs it shows it."""

    launch: str
    """The id it was launched under."""
    backend: str
    """The kind of place that shows it; empty: none does."""
    pipeline: str
    state: RunState
    plan_digest: str
    claimed: datetime
    reason: str = ""
    """Why it is in that state, where that needs saying."""
    started: datetime | None = None
    ended: datetime | None = None
    steps: tuple[StepRun, ...] = ()
    outputs: tuple[PlannedFile, ...] = ()
    """Files that it left; known once it has ended."""
    told: tuple[tuple[str, str], ...] = ()
    """What else the place tells of it, by name."""
    tracked: tuple[TrackedRun, ...] = ()
    artifacts: tuple[ToldArtifact, ...] = ()
    schedule: str = ""
    """The launch of the schedule that started it; empty: somebody launched it."""
    packages: tuple[InstalledPackage, ...] = ()
    """What was in the environment that was built for it."""

    def elapsed(self, now: datetime) -> timedelta | None:
        """How long it ran, or has run."""
        return None if self.started is None else (self.ended or now) - self.started


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a run printed. Whatever it says is a stranger's word."""

    step: str
    stream: str
    """`out`, `err`, or `note` for what the launcher itself has to say."""
    at: datetime
    text: str


class CanLaunch(Protocol):
    """Plans and launches. Constructing one does no input or output."""

    @property
    def backend(self) -> str:
        """The kind of place it launches on."""
        ...

    def plan(self, request: LaunchRequest) -> LaunchPlan:
        """What would be sent, exactly. Changes nothing anywhere.

        Raises:
            ConnectorError: it could not be launched.
        """
        ...

    def launch(self, launch: str, plan: LaunchPlan, *, held: bool) -> PipelineRun:
        """Start what was planned under an id; a run of that id is found, not repeated.

        With `held` it is claimed and starts no earlier than it is released.

        Raises:
            ConnectorRefused: the id stands for another plan, or what was planned is
                no longer what is there.
            ConnectorError: it was not done, or not known whether. Try the same again.
        """
        ...

    def find(self, launch: str) -> PipelineRun | None:
        """The run of an id as it is now.

        Raises:
            ConnectorError: it could not be told.
        """
        ...

    def runs(self) -> Iterator[PipelineRun]:
        """Every run that is known there, newest first.

        Raises:
            ConnectorError: they could not be listed.
        """
        ...

    def plan_bytes(self, launch: str) -> bytes:
        """The plan that a run was launched with, as it was digested.

        Raises:
            ConnectorError: it is not there.
        """
        ...


@runtime_checkable
class CanFindSome(Protocol):
    """Finds some of many runs without listing all of them."""

    def some(self, launches: Sequence[str]) -> Iterator[PipelineRun]:
        """The runs of some ids that are there.

        Raises:
            ConnectorError: they could not be listed.
        """
        ...


@runtime_checkable
class CanSample(Protocol):
    """Shows a few of many runs, to tell from them how runs go."""

    def sample(self, most: int) -> Iterator[PipelineRun]:
        """Some runs, no more than so many; which ones is up to the place.

        Raises:
            ConnectorError: they could not be listed.
        """
        ...


@runtime_checkable
class CanHold(Protocol):
    """Lets what is held go."""

    def release(self, launch: str) -> PipelineRun:
        """Start a suspended run; one that was released is found, not started again.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        ...


@runtime_checkable
class CanCancel(Protocol):
    """Ends what runs."""

    def cancel(self, launch: str, *, grace_seconds: float) -> PipelineRun:
        """End a run, and return once nothing of it is left.

        Raises:
            ConnectorError: something of it may be left.
        """
        ...


@runtime_checkable
class CanStreamLogs(Protocol):
    """Reads what a run prints."""

    def log_lines(
        self,
        launch: str,
        *,
        follow: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[LogLine]:
        """What it printed, oldest first; with `follow` until it ends.

        Raises:
            ConnectorError: it cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ScheduleStanding:
    """A schedule, as the place that keeps it shows it."""

    launch: str
    times: Times
    next: datetime | None
    """When it is due next; None: it is held, or due no more."""
    last: datetime | None
    """The time for which it started something last."""
    active: int
    """How many runs of it have not ended."""


@runtime_checkable
class CanSchedule(Protocol):
    """Keeps what is launched again and again, and shows what came of it.

    A schedule is launched, held, released, found and cancelled as a run is, by a plan
    with times in it; it runs until it is cancelled.
    """

    def standing(self, launch: str) -> ScheduleStanding:
        """A schedule's times.

        Raises:
            ConnectorError: it is not there, or cannot be told.
        """
        ...

    def fired(self, launch: str) -> Iterator[PipelineRun]:
        """What a schedule started and is still there, newest first.

        Each is of the schedule by the place's own reference, not by its name; what is
        not made as the plan says is `unknown`. Their ids follow from the schedule's.

        Raises:
            ConnectorError: they could not be listed.
        """
        ...
