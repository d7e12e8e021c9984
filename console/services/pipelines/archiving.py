"""Archiving: an ended run leaves the lists of the place that ran it, not the log."""

from __future__ import annotations

from connectors.pipelines.archiving import CanArchive
from connectors.pipelines.protocols import PipelineRun
from console.services.opened import OpenStore
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.recording import is_recorded
from console.services.pipelines.viewing import launch_line
from console.services.problems import Refusal


def archive_launch(store: OpenStore, launch: str) -> PipelineRun:
    """Archive the run of a launch, once the log knows what it was.

    Raises:
        Refusal: it has not ended or is not recorded, or its place archives nothing.
        ConnectorError: it was not done, or not known whether.
    """
    everywhere = launcher_of_all(store)
    line = launch_line(store, everywhere, launch)
    launcher = everywhere.of(line.launch)
    if not isinstance(launcher, CanArchive):
        raise Refusal(f"{launcher.backend} has no lists to take a run out of")
    if not line.run.state.is_final:
        raise Refusal(f"{line.launch} is {line.run.state.value}")
    if not is_recorded(store, line.launch):
        raise Refusal(
            f"the log does not know yet what {line.launch} was",
            hint=f"countersign pipeline record {line.launch}",
        )
    return launcher.archive(line.launch)
