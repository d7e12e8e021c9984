"""Taking keys and people out of force, and telling what that makes doubtful."""

from __future__ import annotations

from dataclasses import dataclass

from console.services.judging import judge_standing, model_record
from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.rotating import find_person
from console.services.signing import Acting, Appended, append
from console.services.words import put_words
from policies.predicates import Revocation, RevocationCause, RevokedKind
from policies.trust_state import TrustState
from policies.verdict import Verdict
from store.identifiers import split_key


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revocation, and what no longer stands because of it."""

    appended: Appended
    keys: tuple[str, ...]
    """Ids of every key that counts no longer, those a thief enrolled included."""
    doubtful: tuple[str, ...]
    """Promotions that rest on a signature a thief may have made."""


def revoke(
    store: OpenStore,
    acting: Acting,
    target: str,
    cause: RevocationCause,
    reason: str,
    *,
    since: int | None = None,
) -> Revoked:
    """Revoke `key:ID`, the beginning of a key's id, or `person:ID`.

    Raises:
        Misuse: no reason, `since` without a compromise or the other way round, or
            nothing answers to the target.
        StoreRefused: the signer may not.
    """
    if not reason.strip():
        raise Misuse("a revocation has a reason", hint="--reason TEXT")
    if (cause is RevocationCause.COMPROMISED) != (since is not None):
        raise Misuse(
            "--since ENTRY goes with --cause compromised, and only with it",
            hint="The first entry that somebody else may have signed; 0 if unknown.",
        )
    state = store.state()
    before = {key.id for key in state.keys_of_all()}
    stood = set(_doubtful(store))
    kind, found = _target(store, state, target)
    revocation = Revocation(kind, found, cause, since, put_words(store, reason))
    appended = append(
        store, acting, revocation, (f"{kind.value}:{found}", revocation.reason)
    )
    after = {key.id for key in store.state().keys_of_all()}
    doubtful = tuple(d for d in _doubtful(store) if d not in stood)
    return Revoked(appended, tuple(sorted(before - after)), doubtful)


def _target(
    store: OpenStore, state: TrustState, target: str
) -> tuple[RevokedKind, str]:
    kind, colon, rest = target.partition(":")
    if colon and kind == "person":
        return RevokedKind.PERSON, find_person(store, state.people, rest).id
    prefix = (rest if colon and kind == "key" else target).lower()
    found = [
        key.id for key in state.keys_ever() if prefix and key.id.startswith(prefix)
    ]
    if len(found) != 1:
        raise Misuse(
            f"{len(found) or 'no'} keys begin with {prefix!r}",
            hint="Give key:ID or person:NAME; see: countersign trust show",
        )
    return RevokedKind.KEY, found[0]


def _doubtful(store: OpenStore) -> list[str]:
    """Promotions that last and would not be made with what is known now."""
    found, state = [], store.state()
    for topic in store.index.topics_starting("decision:"):
        record = model_record(store, topic.removeprefix("decision:"), state)
        for (environment, stage), held in record.holders.items():
            holder = held[-1]
            if holder.ended is not None:
                continue
            judged = judge_standing(
                store, record, holder, store.clock(), reads_artifact=False
            )
            if judged.tree.verdict is not Verdict.YES:
                name = "@".join(split_key(holder.version)[1][-2:])
                found.append(f"model:{name} in {stage} of {environment}")
    return found
