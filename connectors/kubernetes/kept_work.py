"""What keeps jobs, and the jobs that it started: by whom each of them is controlled."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import WorkKind, served
from connectors.kubernetes.manifests import name_of_launch
from connectors.kubernetes.problems import ObjectMissing
from connectors.kubernetes.work import ClusterWork
from connectors.kubernetes.works import Work, work_of
from connectors.parsing import text_of, well_formed


class KeptWork(ClusterWork):
    """The jobs of one namespace, and what starts them again and again."""

    def read(self, kind: WorkKind, launch: str) -> tuple[Work, Json] | None:
        """The object of a launch, and every field of it.

        Raises:
            ConnectorError: it cannot be told.
        """
        place = served(self._client, kind)
        try:
            found = self._client.get(place.path(self.namespace, name_of_launch(launch)))
        except ObjectMissing:
            return None
        return work_of(found, place), found

    def started_by(self, uid: str, kind: WorkKind) -> Iterator[tuple[Work, Json]]:
        """The jobs of a kind that an object controls, by its uid, and every field of
        each.

        Raises:
            ConnectorError: they cannot be listed.
        """
        place = served(self._client, kind)
        found, _ = self._client.items(place.path(self.namespace))
        for one in found:
            if uid in _controllers(one):
                typed = {"apiVersion": place.api_version, "kind": kind.kind} | one
                yield work_of(typed, place), typed


def _controllers(found: Json) -> list[str]:
    with well_formed("an object"):
        owners = found["metadata"].get("ownerReferences") or []
        return [text_of(one["uid"]) for one in owners if one.get("controller") is True]
