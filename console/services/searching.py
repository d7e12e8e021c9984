"""Finding anything by what a person remembers of its name."""

from __future__ import annotations

from dataclasses import dataclass

from console.services.catalogue import caught_up
from console.services.moments import NOW, Asked
from console.services.opened import OpenStore
from console.services.problems import Misuse
from store.identifiers import split_key
from store.queries.lineage import describe
from store.queries.presence import presence
from store.queries.search import Found, HitKind, Match, search
from store.references import readable_reference

MOST_HITS = 100


@dataclass(frozen=True, slots=True)
class Hit:
    """Something a search found."""

    kind: HitKind
    reference: str
    """What other commands take for it."""
    text: str
    """The name, message or tag that answers to what was typed."""
    match: Match


def find(store: OpenStore, text: str, asked: Asked = NOW) -> list[Hit]:
    """What answers to a text, the best first; `model:`, `run:` and so on ask for one
    kind alone. At a past moment without what is known to have begun later; names are
    looked for as they ever were.

    Raises:
        Misuse: there is nothing to search for.
    """
    kinds, wanted = _asked(text)
    if not wanted.strip():
        listed = ", ".join(f"{kind}:" for kind in HitKind)
        raise Misuse("nothing to search for", hint=f"One kind alone: {listed}")
    caught_up(store)
    with store.projection.reading(asked.known_at) as connection:
        found = search(connection, wanted, kinds)
        if asked.as_of is not None:
            nodes = describe(connection, {hit.key for hit in found})
            found = [
                hit
                for hit in found
                if presence(nodes[hit.key].moment, None, asked.as_of) is not None
            ]
    return [
        Hit(hit.kind, _reference(hit), hit.text, hit.match) for hit in found[:MOST_HITS]
    ]


def _asked(text: str) -> tuple[frozenset[HitKind], str]:
    kind, colon, rest = text.strip().partition(":")
    if colon and kind.lower() in {one.value for one in HitKind}:
        return frozenset({HitKind(kind.lower())}), rest
    return frozenset(HitKind), text


def _reference(hit: Found) -> str:
    """Experiments are named by name; what a key holds of them is a number."""
    if hit.kind is HitKind.EXPERIMENT:
        return f"experiment:{split_key(hit.key)[1][0]}/{hit.text}"
    return readable_reference(hit.key)
