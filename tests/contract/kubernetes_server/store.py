"""Objects with their versions, and the history that watches are fed from."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.contract.kubernetes_server.objects import (
    Object,
    copied,
    name_of,
    namespace_of,
)

Key = tuple[str, str]
"""Group and plural."""
Place = tuple[str, str]
"""Namespace and name."""
FIRST_REVISION = 1000


@dataclass(frozen=True)
class Change:
    """One thing that happened, as a watch tells it."""

    revision: int
    type: str
    key: Key
    found: Object
    before: Object | None


@dataclass
class Store:
    """Everything that is there; one lock for all of it."""

    revision: int = FIRST_REVISION
    changed: threading.Condition = field(default_factory=threading.Condition)
    changes: list[Change] = field(default_factory=list)
    forgotten_to: int = FIRST_REVISION
    """Watches from before this revision are told that it is gone."""
    _objects: dict[Key, dict[Place, Object]] = field(default_factory=dict)
    _snapshots: dict[tuple[Key, int], list[Object]] = field(default_factory=dict)

    def get(self, key: Key, place: Place) -> Object | None:
        """A copy of one object."""
        with self.changed:
            found = self._objects.get(key, {}).get(place)
            return copied(found) if found is not None else None

    def all(self, key: Key, namespace: str = "") -> list[Object]:
        """Copies of the objects of one resource, by namespace and name."""
        with self.changed:
            kept = self._objects.get(key, {})
            return [
                copied(kept[place])
                for place in sorted(kept)
                if not namespace or place[0] == namespace
            ]

    def listed(self, key: Key) -> list[Object]:
        """The objects of one resource as they are stored, by namespace and name: not to
        be changed. What is put replaces them, so a list of them stays as it was."""
        with self.changed:
            kept = self._objects.get(key, {})
            return [kept[place] for place in sorted(kept)]

    def put(self, key: Key, found: Object) -> Object:
        """Store an object under the next revision and tell the watches."""
        with self.changed:
            place = (namespace_of(found), name_of(found))
            before = self._objects.get(key, {}).get(place)
            self.revision += 1
            kept = copied(found)
            kept["metadata"]["resourceVersion"] = str(self.revision)
            self._objects.setdefault(key, {})[place] = kept
            kind = "ADDED" if before is None else "MODIFIED"
            self._tell(Change(self.revision, kind, key, kept, before))
            return copied(kept)

    def remove(self, key: Key, place: Place) -> Object:
        """Take an object away under the next revision and tell the watches."""
        with self.changed:
            before = self._objects[key].pop(place)
            self.revision += 1
            last = copied(before)
            last["metadata"]["resourceVersion"] = str(self.revision)
            self._tell(Change(self.revision, "DELETED", key, last, before))
            return copied(last)

    def _tell(self, change: Change) -> None:
        self.changes.append(change)
        self.changed.notify_all()

    def forget(self) -> None:
        """Compact: no watch and no page can go on from before now."""
        with self.changed:
            self.forgotten_to = self.revision
            self.changes.clear()
            self._snapshots.clear()
            self.changed.notify_all()

    def after(self, revision: int) -> list[Change]:
        """What happened since a revision, in order."""
        with self.changed:
            first = len(self.changes)
            while first and self.changes[first - 1].revision > revision:
                first -= 1
            return self.changes[first:]

    def snapshot(self, key: Key, revision: int) -> list[Object] | None:
        """The objects as they were at a revision, if a page was begun there."""
        return self._snapshots.get((key, revision))

    def keep(self, key: Key, revision: int, found: list[Object]) -> None:
        """Keep a list for the pages that follow."""
        self._snapshots[key, revision] = found

    def wait_beyond(self, revision: int, seconds: float) -> None:
        """Wait until something changes after a revision."""
        with self.changed:
            self.changed.wait_for(lambda: self.revision > revision, seconds)
