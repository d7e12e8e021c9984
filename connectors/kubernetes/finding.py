"""The jobs of a namespace as they are: that of a launch, or all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.kinds import Served, WorkKind, available, served
from connectors.kubernetes.manifests import (
    LAUNCH_LABEL,
    label_of_launch,
    name_of_launch,
)
from connectors.kubernetes.problems import NotAllowed, ObjectMissing
from connectors.kubernetes.works import Work, work_of

_KINDS_STAY_SECONDS = 10.0


class FoundWork:
    """The jobs of one namespace, to look at."""

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str = "",
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._sleep, self._clock = sleep, clock
        self._found_at: dict[str, Served] = {}
        """Where launches were found."""
        self._places: tuple[float, list[Served]] = (float("-inf"), [])
        """The kinds that may be read, and when that was found out."""

    @property
    def namespace(self) -> str:
        """Where the jobs are: as told, or as the context has it."""
        return self._namespace or self._client.access.namespace

    def find(self, kind: WorkKind, launch: str) -> Work | None:
        """The job of a launch as it is now.

        Raises:
            ConnectorError: it cannot be told.
        """
        return self._look(served(self._client, kind), launch)

    def _look(self, place: Served, launch: str) -> Work | None:
        try:
            path = place.path(self.namespace, name_of_launch(launch))
            return work_of(self._client.get(path), place)
        except ObjectMissing:
            return None

    def find_any(self, launch: str) -> Work | None:
        """The job of a launch as it is now, whatever kind it is of.

        What this account may not read, it cannot have launched.

        Raises:
            ConnectorError: it cannot be told.
        """
        known = self._found_at.get(launch)
        found = self._look(known, launch) if known else None
        for place in [] if found else self._readable():
            found = self._look(place, launch)
            if found is not None:
                self._found_at[launch] = place
                break
        return found

    def works(self, *, only_launched: bool = False) -> Iterator[Work]:
        """Every job of the kinds that the cluster serves.

        With `only_launched` those that this account may read: it launched no others.

        Raises:
            ConnectorError: they cannot be listed.
        """
        query = {"labelSelector": LAUNCH_LABEL} if only_launched else {}
        places = self._readable() if only_launched else available(self._client)
        for place in places:
            found, _ = self._client.items(place.path(self.namespace), **query)
            yield from _works(found, place)

    def works_of(self, launches: Sequence[str]) -> Iterator[Work]:
        """The jobs that are labelled with some launches, as far as they may be read.

        Raises:
            ConnectorError: they cannot be listed.
        """
        values = ",".join(sorted(map(label_of_launch, launches)))
        query = {"labelSelector": f"{LAUNCH_LABEL} in ({values})"}
        for place in self._readable():
            found, _ = self._client.items(place.path(self.namespace), **query)
            yield from _works(found, place)

    def some_works(self, most: int) -> Iterator[Work]:
        """A few launched jobs of each kind, those that the cluster lists first.

        Raises:
            ConnectorError: they cannot be listed.
        """
        query = {"labelSelector": LAUNCH_LABEL}
        for place in self._readable():
            page = self._client.get(place.path(self.namespace), limit=most, **query)
            yield from _works(page.get("items") or [], place)

    def _readable(self) -> list[Served]:
        """The kinds that this account may read here.

        Raises:
            NotAllowed: it may read none.
        """
        found_out, readable = self._places
        if self._clock() - found_out < _KINDS_STAY_SECONDS:
            return readable
        readable, refused = [], None
        for place in available(self._client):
            try:
                self._client.get(place.path(self.namespace), limit=1)
                readable.append(place)
            except NotAllowed as problem:
                refused = problem
        if refused is not None and not readable:
            raise refused
        self._places = self._clock(), readable
        return readable


def _works(found: Sequence[Json], place: Served) -> Iterator[Work]:
    """Listed jobs; a list leaves out what is the same for all of it."""
    typed = {"apiVersion": place.api_version, "kind": place.kind.kind}
    for one in found:
        yield work_of({**one, **typed}, place)
