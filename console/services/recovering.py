"""After a backup was restored: what was lost, and root holders saying so.

Machines that have seen more of the log than the backup holds refuse it. They go on
once enough root holders have signed, in the restored log, that the rest is given up.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from console.services.configuration import Configuration
from console.services.opened import Clock, OpenStore, open_store, wall_clock
from console.services.places import Places
from console.services.problems import Misuse, Refusal
from console.services.signing import Acting, Appended, append
from console.services.words import put_words
from policies.predicates.upkeep import Recovery
from store.heads import Head, RememberedHeads
from store.statement_index import StatementIndex

ActAs = Callable[[OpenStore], Acting]
"""Opens the key of whoever signs, in the store as it was restored."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What this machine knows and the store no longer holds."""

    restored: Head
    """What both have in common."""
    lost: Head
    """The largest head this machine remembers."""
    entries: tuple[str, ...]
    """What the lost entries were, as far as this machine indexed them."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A signed word that a loss is accepted."""

    loss: Loss
    appended: Appended
    is_in_force: bool
    """Whether enough root holders have said so."""


def find_loss(store: OpenStore, places: Places) -> Loss:
    """Compare a restored store with what this machine remembers of it.

    `store` must have been opened without this machine's memory.

    Raises:
        Refusal: nothing is lost, or this machine remembers nothing.
    """
    local = places.of_store(store.origin)
    heads = RememberedHeads(local / "heads")
    newest = heads.newest()
    if newest is None:
        raise Refusal("this machine remembers nothing of that store")
    index = StatementIndex(local / "decisions.sqlite")
    try:
        common = _common_size(index, store, newest)
        if common >= newest.size:
            raise Refusal("the store holds everything that this machine remembers")
        entries = tuple(
            f"{e.index} {e.judgement.predicate_type.rpartition('attestation/')[2]}"
            for e in index.entries(common)
            if e.judgement.standing.value == "accepted"
        )
    finally:
        index.close()
    return Loss(Head(common, store.index.root_at(common).hex()), newest, entries)


def _common_size(index: StatementIndex, store: OpenStore, newest: Head) -> int:
    """The largest size at which both histories have the same root."""
    if index.size < newest.size:
        raise Refusal(
            "this machine lost its own index, so it cannot tell what was lost",
            hint="Run this on another machine that used the store before.",
        )
    low, high = 0, min(index.size, store.index.size)
    while low < high:
        middle = (low + high + 1) // 2
        if index.root_at(middle) == store.index.root_at(middle):
            low = middle
        else:
            high = middle - 1
    return low


def recover(
    address: str,
    places: Places,
    configuration: Configuration,
    act_as: ActAs,
    reason: str,
    *,
    clock: Clock = wall_clock,
    confirm: Callable[[Loss], bool] = lambda _: True,
) -> Recovered:
    """Sign, in the restored log, that what it lacks is given up.

    Raises:
        Misuse: there is no reason.
        Refusal: nothing is lost, or it was not confirmed.
        StoreRefused: the signer holds no root role.
    """
    if not reason.strip():
        raise Misuse("a recovery has a reason", hint="--reason TEXT")
    with tempfile.TemporaryDirectory() as folder:
        without_memory = Places(Path(folder), places.config)
        store = open_store(address, without_memory, configuration, clock=clock)
        try:
            loss = find_loss(store, places)
            if not confirm(loss):
                raise Refusal("nothing was signed")
            recovery = Recovery(
                loss.restored.size,
                loss.restored.root,
                loss.lost.size,
                loss.lost.root,
                put_words(store, reason),
            )
            appended = append(
                store, act_as(store), recovery, ("log", loss.restored.root)
            )
            return Recovered(loss, appended, bool(store.state().abandoned))
        finally:
            store.close()
