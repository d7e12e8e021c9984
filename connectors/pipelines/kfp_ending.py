"""Ending what a recurring run of Kubeflow Pipelines started, until nothing runs.

That a run was asked to end is said by a claim, because not every server tells a run
that was cancelled from one that failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.objects import KfpRun
from connectors.kubeflow.recurring import RecurringRun
from connectors.pipelines.kfp_fired import FiredRuns, claimed_name
from connectors.pipelines.kfp_runs import is_ending, state_of
from connectors.pipelines.kfp_sending import TURN_SECONDS, Clock, Sender
from connectors.pipelines.protocols import PipelineRun

_LOOKS_AFTER_THE_LAST = 2
"""How often nothing has to go on once it is disabled: one may have been on its way."""


class Ending:
    """Ends runs that schedules of one namespace started."""

    def __init__(
        self, api: KfpApi, fired: FiredRuns, sender: Sender, clock: Clock
    ) -> None:
        self._api = api
        self._fired = fired
        self._sender = sender
        self._clock = clock

    def end(self, raw: KfpRun, of: PipelineRun) -> None:
        """Ask a run of a schedule to end; one that has ended is left as it is.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        if state_of(raw).is_final:
            return
        self._sender.never_again(replace(of, launch=claimed_name(raw)))
        try:
            self._api.terminate_run(raw.run_id)
        except ConnectorRefused:
            if not is_ending(self._api.run(raw.run_id)):
                raise

    def end_all(
        self, of: PipelineRun, kept: Sequence[RecurringRun], until: float
    ) -> None:
        """End every run of a schedule that is disabled, and return once none goes on.

        Raises:
            ConnectorUnavailable: one does, or another was started.
            ConnectorError: it could not be told.
        """
        looks, asked = 0, set[str]()
        while looks < _LOOKS_AFTER_THE_LAST:
            left = [
                one
                for one in self._fired.listed(kept)
                if not state_of(one).is_final and one.run_id not in asked
            ]
            for one in left:
                self.end(one, of)
                asked.add(one.run_id)
            looks = 0 if left else looks + 1
            self._wait(until, of.launch)
        self.await_end(kept, of.launch, until)

    def await_end(
        self,
        kept: Sequence[RecurringRun],
        launch: str,
        until: float,
        *,
        only: str = "",
    ) -> None:
        """Return once no run goes on, or once a single one does not.

        Raises:
            ConnectorUnavailable: it still does.
            ConnectorError: it could not be told.
        """
        while any(
            not state_of(one).is_final
            for one in self._fired.listed(kept)
            if only in ("", one.run_id)
        ):
            self._wait(until, launch)

    def _wait(self, until: float, launch: str) -> None:
        if self._clock.monotonic() >= until:
            raise ConnectorUnavailable(
                f"{launch} was asked to end, and has not",
                hint=f"Ask again: countersign pipeline cancel {launch}",
            )
        self._clock.sleep(TURN_SECONDS)
