"""Taking what waits in a spool into the log, signed by the import service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.openlineage_received import ReceivedEvents
from console.services.importing import import_source
from console.services.opened import OpenStore
from console.services.signing import act_as_service
from console.services.spool import Spool
from policies.trust_root import ServiceKind

AT_ONCE = 50_000
"""Events that make one batch at most."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What one turn brought."""

    events: int
    index: int | None
    """The entry that committed the new facts, if there were any."""


class Drain:
    """Takes events out of one spool into one store, which is opened when needed."""

    def __init__(
        self,
        spool: Spool,
        open_again: Callable[[], OpenStore],
        source: str,
        *,
        runs_of: str = "",
    ) -> None:
        self._spool = spool
        self._open = open_again
        self._source = source
        self._runs_of = runs_of

    def turn(self) -> Drained:
        """Put what waits into the log; a turn that broke off is simply taken again.

        The events count as logged only after their batch is, and a fact that the log
        has already is not written again: nothing is lost and nothing is there twice.

        Raises:
            StoreError: the log or the spool does not answer; everything still waits.
            Refusal: the log takes no batch of this machine.
        """
        waiting = self._spool.waiting(AT_ONCE)
        if not waiting.count:
            return Drained(0, None)
        store = self._open()
        try:
            acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
            source = ReceivedEvents(self._source, waiting.bodies, runs_of=self._runs_of)
            report = import_source(store, acting, source)
            self._spool.mark_logged(waiting.last, store.clock())
        finally:
            store.close()
        return Drained(waiting.count, report.index)
