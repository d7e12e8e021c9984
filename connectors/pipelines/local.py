"""The launcher of this machine: MLflow Projects as real processes, each in its own
session, with a supervisor that outlives whoever launched them."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from connectors.errors import (
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.pipelines.checkout import copy_code, find_code
from connectors.pipelines.claims import (
    BACKEND,
    PRUNED,
    Claim,
    make_claim,
    state_document,
)
from connectors.pipelines.declarations import Declaration, Taken
from connectors.pipelines.environment_building import write_pip_files
from connectors.pipelines.local_declaration import declared_project
from connectors.pipelines.local_planning import environment_of, plan_project
from connectors.pipelines.processes import end_all
from connectors.pipelines.protocols import (
    LAUNCH_ID,
    LaunchPlan,
    LaunchRequest,
    LogLine,
    PipelineRun,
    RunState,
)
from connectors.pipelines.run_log import read_log
from connectors.pipelines.virtual_environments import FOLDER as ENVIRONMENTS

START_SECONDS = 20.0
_WITHHELD = frozenset({"COUNTERSIGN_PASSPHRASE"})
"""Variables of whoever launches that no supervisor needs."""
_TURN_SECONDS = 0.05


class LocalLauncher:
    """Launches on this machine, and keeps its runs in one folder."""

    backend = BACKEND
    takes = frozenset(Taken)

    def __init__(self, folder: Path, *, on_end: Callable[[str], list[str]]) -> None:
        self._folder = folder
        self._on_end = on_end
        """What to run when the launch of an id has ended; an empty list: nothing."""

    @property
    def environments(self) -> Path:
        """Where the virtual environments of its runs are kept."""
        return self._folder.parent / ENVIRONMENTS

    def plan(self, request: LaunchRequest) -> LaunchPlan:
        """See CanLaunch.plan."""
        plan = plan_project(request, self._place())
        self._require_passed(plan)
        return plan

    def declaration(self, project: str, ref: str) -> Declaration:
        """See CanDeclare."""
        return declared_project(project, ref)

    def launch(self, launch: str, plan: LaunchPlan, *, held: bool) -> PipelineRun:
        """See CanLaunch.launch."""
        claim = self._claim(launch)
        if plan.backend != BACKEND or plan.place != self._place():
            raise ConnectorRefused("the plan was made for another place")
        if not claim.folder.exists():
            self._require_passed(plan)
            self._make(claim, launch, plan, held=held)
        run = claim.run()
        if run.plan_digest != plan.digest:
            raise ConnectorRefused(
                f"the launch {launch} is another one here: {run.pipeline}, "
                f"plan {run.plan_digest[:16]}",
                hint="Choose another id, or leave --id out.",
            )
        return self._start(claim) if run.state is RunState.PENDING else run

    def release(self, launch: str) -> PipelineRun:
        """See CanHold.release."""
        claim = self._existing(launch)
        run = claim.run()
        if run.state not in (RunState.SUSPENDED, RunState.PENDING):
            return run
        from connectors.pipelines.plans import read_plan

        self._require_passed(read_plan(claim.plan_path.read_bytes()))
        claim.mark("released")
        return self._start(claim)

    def find(self, launch: str) -> PipelineRun | None:
        """See CanLaunch.find."""
        claim = self._claim(launch)
        return claim.run() if claim.folder.is_dir() else None

    def runs(self) -> Iterator[PipelineRun]:
        """See CanLaunch.runs."""
        if not self._folder.is_dir():
            return
        found = [
            _run_or_damage(Claim(entry))
            for entry in self._folder.iterdir()
            if entry.is_dir() and LAUNCH_ID.fullmatch(entry.name)
        ]
        yield from sorted(
            found, key=lambda run: (run.claimed, run.launch), reverse=True
        )

    def some(self, launches: Sequence[str]) -> Iterator[PipelineRun]:
        """See CanFindSome."""
        for launch in launches:
            claim = self._claim(launch)
            if claim.folder.is_dir():
                yield _run_or_damage(claim)

    def sample(self, most: int) -> Iterator[PipelineRun]:
        """See CanSample: those that changed last."""
        if not self._folder.is_dir():
            return
        with os.scandir(self._folder) as entries:
            named = [one for one in entries if LAUNCH_ID.fullmatch(one.name)]
            named.sort(key=lambda one: one.stat().st_mtime, reverse=True)
            names = [one.name for one in named[:most] if one.is_dir()]
        yield from self.some(names)

    def plan_bytes(self, launch: str) -> bytes:
        """See CanLaunch.plan_bytes."""
        return self._existing(launch).plan_path.read_bytes()

    def folder_of(self, launch: str) -> Path:
        """Where a run's files are."""
        return self._existing(launch).work

    def log_lines(
        self,
        launch: str,
        *,
        follow: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[LogLine]:
        """See CanStreamLogs."""
        claim = self._existing(launch)
        if claim.has(PRUNED) and not claim.log.exists():
            raise ConnectorRefused(
                f"what {launch} printed was pruned here",
                hint=f"The log keeps what it was: countersign pipeline show {launch}",
            )

        def is_over() -> bool:
            state = claim.run().state
            return state.is_final or state is RunState.UNKNOWN

        yield from read_log(claim.log, follow=follow, is_over=is_over, stop=stop)

    def cancel(self, launch: str, *, grace_seconds: float) -> PipelineRun:
        """See CanCancel."""
        claim = self._existing(launch)
        run = claim.run()
        if run.state.is_final and not claim.is_held_now() and not claim.left():
            return run
        claim.mark("cancelled")
        with claim.locked(grace_seconds + START_SECONDS) as is_ours:
            run = claim.run()
            if not is_ours:
                raise ConnectorUnavailable(
                    f"the supervisor of {launch} does not end it",
                    hint="Look at its log, and cancel again.",
                )
            if run.state.is_final and not claim.left():
                return run
            end_all(claim.left, claim.leader(), grace_seconds=grace_seconds)
            self._write_cancelled(claim)
        return claim.run()

    def _write_cancelled(self, claim: Claim) -> None:
        """Say that a run is cancelled whose supervisor is gone or never came."""
        run, now = claim.run(), datetime.now(UTC)
        steps = tuple(
            replace(step, state=RunState.CANCELLED, ended=now)
            if step.state is RunState.RUNNING
            else step
            for step in run.steps
        )
        claim.write(
            "state.json",
            state_document(
                RunState.CANCELLED,
                reason="cancelled",
                started=run.started,
                ended=now,
                steps=steps,
                leader=claim.leader(),
            ),
        )

    def _make(self, claim: Claim, launch: str, plan: LaunchPlan, *, held: bool) -> None:
        source = find_code(Path(plan.project), _ref_of(plan))
        if source.code.commit != plan.code.commit or source.code.tree != plan.code.tree:
            raise ConnectorRefused(
                "the project is no longer what was planned",
                hint="Launch it again; what is there now will be planned anew.",
            )
        built = environment_of(source, plan)
        source = replace(source, code=plan.code)

        def fill(work: Path) -> None:
            copy_code(source, work)
            if built is not None:
                write_pip_files(Claim(work.parent).pip_files, built)

        document = {
            "launch": launch,
            "pipeline": plan.pipeline,
            "plan": plan.digest,
            "held": held,
            "claimed": datetime.now(UTC).isoformat(),
            "below": source.below,
            "environments": str(self.environments),
            "token": secrets.token_hex(16),
            "on_end": self._on_end(launch),
        }
        make_claim(claim.folder, document, plan.to_bytes(), fill)

    def _start(self, claim: Claim) -> PipelineRun:
        """Let a supervisor start a claim, and wait until it has."""
        if not claim.is_held_now():
            environment = {k: v for k, v in os.environ.items() if k not in _WITHHELD}
            with open(claim.folder / "supervisor.log", "ab") as log:
                subprocess.run(  # noqa: S603 - this program's own module
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "connectors.pipelines.supervisor",
                        str(claim.folder),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                    check=False,
                    timeout=START_SECONDS,
                )
        deadline = time.monotonic() + START_SECONDS
        while (run := claim.run()).state in (RunState.PENDING, RunState.SUSPENDED):
            if time.monotonic() >= deadline:
                raise ConnectorUnavailable(
                    f"the supervisor of {run.launch} does not start",
                    hint=f"It says why in {claim.folder}/supervisor.log. Then launch "
                    "the same again, by its id.",
                )
            time.sleep(_TURN_SECONDS)
        return run

    def _require_passed(self, plan: LaunchPlan) -> None:
        for name in plan.passed:
            if name not in os.environ:
                raise MalformedInput(
                    f"the variable {name} is to be passed on, and is not set here",
                    hint=f"Set {name}, or leave --pass {name} out.",
                )

    def _claim(self, launch: str) -> Claim:
        if not LAUNCH_ID.fullmatch(launch):
            raise MalformedInput(
                f"{launch[:80]!r} is no id of a launch",
                hint="Letters, digits and . _ - make one, at most 100 of them.",
            )
        return Claim(self._folder / launch)

    def _existing(self, launch: str) -> Claim:
        claim = self._claim(launch)
        if not claim.folder.is_dir():
            raise ConnectorRefused(
                f"this machine has no run of the launch {launch}",
                hint="It may have been launched on another machine, or for another "
                "store. Those here: countersign pipeline list",
            )
        return claim

    def _place(self) -> str:
        """A name of this folder that no other has, kept in it."""
        path = self._folder / "_place"
        with contextlib.suppress(FileNotFoundError):
            return path.read_text().strip()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = self._folder / f".place-{secrets.token_hex(8)}"
        aside.write_text(f"local/{secrets.token_hex(8)}\n")
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        aside.unlink()
        return path.read_text().strip()


def _run_or_damage(claim: Claim) -> PipelineRun:
    """A run for a list, in which one damaged folder must not hide the others."""
    try:
        return claim.run()
    except MalformedInput as problem:
        return PipelineRun(
            launch=claim.folder.name,
            backend=BACKEND,
            pipeline="",
            state=RunState.UNKNOWN,
            plan_digest="",
            claimed=datetime.fromtimestamp(claim.folder.stat().st_mtime, UTC),
            reason=str(problem),
        )


def _ref_of(plan: LaunchPlan) -> str:
    return plan.code.commit if plan.code.is_dirty is False else ""
