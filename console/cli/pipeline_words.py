"""How commands write the state of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.rendering import span

if TYPE_CHECKING:
    from connectors.pipelines.protocols import PipelineRun
    from console.services.pipelines.viewing import LaunchLine


def exit_code_of_run(run: PipelineRun) -> int:
    """0 succeeded; 1 failed or cancelled; 3 not over, or not known."""
    from connectors.pipelines.protocols import RunState

    if run.state is RunState.SUCCEEDED:
        return 0
    return 1 if run.state.is_final else 3


def state_line(run: PipelineRun) -> str:
    """The state of a run, and why."""
    return f"{run.state.value}{f': {run.reason}' if run.reason else ''}"


def expected(line: LaunchLine) -> str:
    """How long it is going to take, after how long it took."""
    if line.expected_seconds is None:
        return ""
    return f" of about {span(line.expected_seconds)}"
