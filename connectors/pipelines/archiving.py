"""Places with lists of runs that people look at, and that can leave one out of them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from connectors.pipelines.protocols import PipelineRun


@runtime_checkable
class CanArchive(Protocol):
    """Takes ended runs out of the lists that people see there."""

    def archive(self, launch: str) -> PipelineRun:
        """Archive the run of a launch; it stays as it is otherwise.

        Raises:
            ConnectorRefused: it has not ended.
            ConnectorError: it was not done, or not known whether.
        """
        ...
