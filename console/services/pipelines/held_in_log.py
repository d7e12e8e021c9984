"""Which launches are held, by the log: it alone says so where a place holds nothing.

It takes its turn at the store itself, so that whoever looks at a place need not.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.errors import ConnectorRefused
from connectors.pipelines.kfp_holds import Held
from connectors.pipelines.plans import read_plan
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.launch_log import launch_record, launches


class HeldInLog:
    """The launches whose last declaration says that they are held."""

    def __init__(self, store: OpenStore) -> None:
        self._store = store

    def hold(self, launch: str, plan_digest: str) -> None:
        """See KeepsHeld. Nothing is written: it was declared before."""
        held = self.held(launch)
        if held is None or held.plan_digest != plan_digest:
            raise ConnectorRefused(f"the log does not say that {launch} is held")

    def held(self, launch: str) -> Held | None:
        """See KeepsHeld."""
        with self._store.turn:
            record = launch_record(self._store, launch, self._store.state())
        if record is None or not record.intent.held:
            return None
        since = parse_time(record.intents[0][1].judged_at)
        return Held(launch, record.intent.definition, since)

    def all(self, place: str) -> Iterator[Held]:
        """See KeepsHeld."""
        with self._store.turn:
            declared = list(launches(self._store))
        for launch, _, intent in declared:
            plan = read_plan(self._store.objects.get(intent.definition))
            held = self.held(launch) if plan.place == place else None
            if held is not None:
                yield held

    def let_go(self, launch: str) -> None:
        """See KeepsHeld. That it is released is declared before."""
        if self.held(launch) is not None:
            raise ConnectorRefused(
                f"the log does not say that {launch} is released",
                hint=f"countersign pipeline release {launch} --start",
            )
