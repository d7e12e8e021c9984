"""Keeping what new entries name on this machine, so that reading works offline."""

from __future__ import annotations

from console.services.opened import OpenStore
from policies.errors import PolicyError
from policies.evidence_reading import read_manifest
from policies.predicates import PredicateType, Request
from policies.topics import kept_topic
from store.errors import StoreDamaged
from store.judgement import IndexedEntry

_WORDS = "words:"


def copy_named_objects(store: OpenStore, start: int) -> None:
    """Read every object, batches aside, that entries from `start` on name.

    What is damaged or gone is left for whoever needs it to tell.

    Raises:
        StoreUnavailable: the store stopped answering.
    """
    for entry in store.index.entries(start):
        for digest in _named(store, entry):
            try:
                store.objects.find(digest)
            except StoreDamaged:
                continue


def _named(store: OpenStore, entry: IndexedEntry) -> list[str]:
    topics = entry.judgement.topics
    found = [
        topic.removeprefix(kept_topic(""))
        for topic in topics
        if topic.startswith(kept_topic(""))
    ]
    found += [
        topic.rpartition(":")[2]
        for topic in topics
        if topic.startswith(_WORDS) and ":lineage-batch:" not in topic
    ]
    if entry.judgement.predicate_type == PredicateType.REQUEST:
        found += _evidence(store, entry.index)
    elif entry.judgement.predicate_type == PredicateType.ENDORSEMENT:
        found += _profiles(store)
    return found


def _evidence(store: OpenStore, index: int) -> list[str]:
    _, statement = store.entry(index)
    assert isinstance(statement.predicate, Request)  # noqa: S101 - its type says so
    try:
        data = store.objects.find(statement.predicate.evidence)
        items = read_manifest(data).items if data is not None else ()
    except (StoreDamaged, PolicyError):
        return []
    return [item.digest for item in items]


def _profiles(store: OpenStore) -> list[str]:
    root = store.state().root
    return [person.profile for person in root.people] if root else []
