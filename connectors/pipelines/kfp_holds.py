"""Launches of which nothing was sent, and who knows of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connectors.pipelines.kfp_planning import BACKEND
from connectors.pipelines.protocols import PipelineRun, RunState


@dataclass(frozen=True, slots=True)
class Held:
    """A launch that waits."""

    launch: str
    plan_digest: str
    since: datetime

    @property
    def run(self) -> PipelineRun:
        """How it shows among runs."""
        return PipelineRun(
            launch=self.launch,
            backend=BACKEND,
            pipeline="",
            state=RunState.SUSPENDED,
            plan_digest=self.plan_digest,
            claimed=self.since,
        )


class KeepsHeld(Protocol):
    """Knows which launches are held."""

    def hold(self, launch: str, plan_digest: str) -> None:
        """Hold a launch.

        Raises:
            ConnectorRefused: it may not be held here.
        """
        ...

    def held(self, launch: str) -> Held | None:
        """A launch that is held; None: it is not.

        Raises:
            ConnectorError: it could not be told.
        """
        ...

    def all(self, place: str) -> Iterable[Held]:
        """Every launch that is held for a place.

        Raises:
            ConnectorError: they could not be told.
        """
        ...

    def let_go(self, launch: str) -> None:
        """Hold a launch no longer.

        Raises:
            ConnectorRefused: it is not released.
        """
        ...
