"""The process that stays with one launch: starts its steps, watches them, says how it
ended. It outlives whoever launched, and is told everything by the claim's folder.

    python -m connectors.pipelines.supervisor FOLDER
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from connectors.errors import ConnectorError
from connectors.pipelines.claims import BUILT, Claim, state_document
from connectors.pipelines.environment_planning import STEP
from connectors.pipelines.plans import read_plan
from connectors.pipelines.processes import (
    MARK,
    Process,
    end_all,
    living,
    this_process,
)
from connectors.pipelines.protocols import (
    Limits,
    PlannedFile,
    RunState,
    StepRun,
)
from connectors.pipelines.run_log import LogWriter
from connectors.pipelines.run_outputs import files_made, files_seen
from connectors.pipelines.step_variables import (
    variables_of_building,
    variables_of_step,
)

BUILDER = "connectors.pipelines.environment_building"
"""The module that builds an environment, as a process of its own."""
GRACE_SECONDS = 10.0
END_PAUSES_SECONDS = (0.0, 5.0, 30.0, 120.0)
"""Before each try of the command at the end."""
COULD_NOT_TELL = 3
"""Exit status of a program that may succeed later."""
_TURN_SECONDS = 0.1
_DRAIN_SECONDS = 0.5
_PIECE_BYTES = 64 * 1024
_END_COMMAND_SECONDS = 900


class Ended(Exception):
    """The run is over before its steps are; says in which state, and why."""

    def __init__(self, state: RunState, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class Supervisor:
    """Stays with one launch from its start to its end."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._token = str(claim.read("claim.json")["token"])
        self._launch = str(claim.read("claim.json")["launch"])
        self._below = str(claim.read("claim.json")["below"])
        self._plan = read_plan(claim.plan_path.read_bytes())
        names = [STEP] if self._plan.virtualenv else []
        names += [step.name for step in self._plan.steps]
        self._steps = [StepRun(name, RunState.PENDING) for name in names]
        self._started = datetime.now(UTC)
        self._leader = Process(0, "")
        self._is_told_to_end = False
        wall = self._plan.limits.wall_seconds
        self._deadline = time.monotonic() + wall if wall else float("inf")

    def stay(self) -> None:
        """Run every step and write how it ended."""
        signal.signal(signal.SIGTERM, self._told_to_end)
        folder = self._claim.work / self._below
        before = files_seen(folder)
        self._save(RunState.RUNNING)
        log = LogWriter(
            self._claim.log,
            at_most=self._plan.limits.log_bytes,
            secrets=tuple(os.environ.get(name, "") for name in self._plan.passed),
        )
        state, reason = RunState.SUCCEEDED, ""
        try:
            interpreter = self._interpreter(log)
            first = len(self._steps) - len(self._plan.steps)
            for number, step in enumerate(self._plan.steps, first):
                environment = variables_of_step(
                    self._plan, self._launch, step.name, interpreter
                )
                self._run(number, step.command, environment, folder, log)
        except Ended as ended:
            state, reason = ended.state, str(ended)
        except (OSError, ConnectorError) as problem:
            state, reason = RunState.FAILED, f"it could not be run: {problem}"
        finally:
            log.close()
        outputs, cut = files_made(folder, before)
        reason = f"{reason}; {cut}".strip("; ") if cut else reason
        self._save(state, reason, datetime.now(UTC), outputs)

    def _told_to_end(self, *_: object) -> None:
        self._is_told_to_end = True

    def _interpreter(self, log: LogWriter) -> Path:
        """The Python that the steps find first; builds it, if that was planned.

        Raises:
            Ended: it cannot be built, or the run was ended meanwhile.
        """
        if not self._plan.virtualenv:
            return Path(self._plan.runtime)
        command = (sys.executable, "-P", "-m", BUILDER, str(self._claim.folder))
        variables = variables_of_building(self._plan.virtualenv[0])
        self._run(0, command, variables, self._claim.folder, log)
        return Path(str(self._claim.read(BUILT)["folder"])) / "bin" / "python"

    def _run(
        self,
        number: int,
        command: tuple[str, ...],
        environment: dict[str, str],
        folder: Path,
        log: LogWriter,
    ) -> None:
        """One step, to its end.

        Raises:
            Ended: it failed, was cancelled or took too long.
        """
        self._check()
        begun = replace(
            self._steps[number], state=RunState.RUNNING, started=datetime.now(UTC)
        )
        name = begun.name
        limits = Limits() if name == STEP else self._plan.limits
        process = subprocess.Popen(  # noqa: S603 - what was planned, judged and logged
            command,
            cwd=folder,
            env=environment | self._marks(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: _limit(limits),
        )
        self._leader = this_process(process.pid)
        self._steps[number] = begun
        self._save(RunState.RUNNING)
        ended: Ended | None = None
        try:
            self._pump(process, name, log)
        except Ended as problem:
            ended = problem
        finally:
            self._end_processes(process, name, log, is_over=ended is None)
        status = process.wait()
        log.end(name)
        state = RunState.SUCCEEDED if status == 0 else RunState.FAILED
        self._steps[number] = replace(
            begun,
            state=ended.state if ended else state,
            ended=datetime.now(UTC),
            exit_status=status,
        )
        if ended is not None:
            raise ended
        if status:
            raise Ended(RunState.FAILED, f"step {name} {_said(status)}")

    def _pump(
        self, process: subprocess.Popen[bytes], step: str, log: LogWriter
    ) -> None:
        """Move what it prints into the log until it has ended.

        Raises:
            Ended: it was cancelled or took too long.
        """
        with selectors.DefaultSelector() as selector:
            for stream, name in ((process.stdout, "out"), (process.stderr, "err")):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    selector.register(stream, selectors.EVENT_READ, name)
            drained = None
            while selector.get_map():
                for key, _ in selector.select(_TURN_SECONDS):
                    piece = os.read(key.fd, _PIECE_BYTES)
                    if piece:
                        log.feed(step, str(key.data), piece)
                    else:
                        selector.unregister(key.fileobj)
                self._check()
                if drained is None and process.poll() is not None:
                    drained = time.monotonic() + _DRAIN_SECONDS
                if drained is not None and time.monotonic() >= drained:
                    break
            while process.poll() is None:
                self._check()
                time.sleep(_TURN_SECONDS)

    def _check(self) -> None:
        """See whether it may go on.

        Raises:
            Ended: it may not.
        """
        if self._claim.has("cancelled"):
            raise Ended(RunState.CANCELLED, "cancelled")
        if self._is_told_to_end:
            raise Ended(RunState.CANCELLED, "its supervisor was told to end")
        if time.monotonic() >= self._deadline:
            seconds = self._plan.limits.wall_seconds
            raise Ended(RunState.FAILED, f"it took longer than {seconds} seconds")

    def _end_processes(
        self,
        process: subprocess.Popen[bytes],
        step: str,
        log: LogWriter,
        *,
        is_over: bool,
    ) -> None:
        """End what is left of a step: all of it, or what it left behind."""

        def find() -> list[int]:
            process.poll()
            return living(self._leader, self._token)

        left = find()
        if left and is_over:
            log.note(step, f"processes it left behind are ended: {left[:10]}")
        try:
            end_all(find, self._leader, grace_seconds=GRACE_SECONDS)
        except ConnectorError as problem:
            log.note(step, str(problem))
            raise
        finally:
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def _marks(self) -> dict[str, str]:
        """What says of a process which launch it is of, and where it may write."""
        temporary = self._claim.folder / "tmp"
        temporary.mkdir(exist_ok=True, mode=0o700)
        return {"TMPDIR": str(temporary), MARK: self._token}

    def _save(
        self,
        state: RunState,
        reason: str = "",
        ended: datetime | None = None,
        outputs: tuple[PlannedFile, ...] = (),
    ) -> None:
        self._claim.write(
            "state.json",
            state_document(
                state,
                reason=reason,
                started=self._started,
                ended=ended,
                steps=tuple(self._steps),
                outputs=outputs,
                leader=self._leader,
            ),
        )


def supervise(claim: Claim) -> None:
    """Start a claim that nobody has started, and stay with it."""
    if claim.has("started"):
        return
    with claim.locked() as is_ours:
        document = claim.read("claim.json")
        may_start = not document["held"] or claim.has("released")
        if not is_ours or claim.has("cancelled") or not may_start:
            return
        if not claim.mark("started"):
            return
        Supervisor(claim).stay()
    command = document["on_end"]
    if isinstance(command, list) and command:
        _tell_the_end([str(word) for word in command])


def _tell_the_end(command: list[str]) -> None:
    """Run what is to be run at the end; again, if it could not do so just then."""
    for pause in END_PAUSES_SECONDS:
        time.sleep(pause)
        done = subprocess.run(  # noqa: S603 - what whoever launched asked to be run
            command,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=_END_COMMAND_SECONDS,
        )
        if done.returncode != COULD_NOT_TELL:
            return


def _limit(limits: Limits) -> None:
    """Bind this process, just before it becomes the step."""
    for which, amount in (
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
    ):
        if amount:
            hard = resource.getrlimit(which)[1]
            most = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
            resource.setrlimit(which, (most, most))


def _said(status: int) -> str:
    if status > 0:
        return f"ended with exit status {status}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"


def main() -> None:
    """Leave whoever started this, and stay with the claim that is named."""
    claim = Claim(Path(sys.argv[1]))
    os.umask(0o077)
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    supervise(claim)


if __name__ == "__main__":
    main()
