"""Names and reasons: salted objects that statements name by digest, so they can go."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from console.services.opened import OpenStore
from console.services.problems import Misuse, Refusal
from console.services.signing import Acting, Appended, append
from policies.errors import PolicyError
from policies.predicates.upkeep import ErasedKind, Erasure
from policies.strict_json import encode
from policies.topics import erasable_topic, erased_topic, kept_topic
from store.backend import CanRemove, object_path
from store.errors import StoreError

ERASED = "(erased)"
MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure let go."""

    appended: Appended
    digest: str
    kind: ErasedKind
    is_removed: bool
    """Whether the bytes are gone from the store; if not, its owner must remove them."""
    path: str


def put_words(store: OpenStore, text: str) -> str:
    """Store a reason or comment, salted, and return its digest."""
    return store.objects.put(encode({"salt": secrets.token_hex(16), "text": text}))


def read_words(store: OpenStore, digest: str) -> str:
    """A reason by digest, or what there is in its place."""
    data = store.objects.find(digest)
    if data is None:
        return ERASED if erasure_of(store, digest) is not None else MISSING
    try:
        return str(json.loads(data)["text"])
    except (ValueError, KeyError, TypeError):
        return "(unreadable)"


def erasure_of(store: OpenStore, digest: str) -> int | None:
    """The entry that let an object go, or None."""
    entries = store.index.on_topics(erased_topic(digest))
    return entries[0].index if entries else None


def named_objects(store: OpenStore, *, batches: bool) -> list[str]:
    """Digests of the objects that accepted statements name, each once."""
    named: dict[str, None] = {}
    prefixes = [kept_topic("")]
    prefixes += [
        erasable_topic("", kind)
        for kind in ErasedKind
        if batches or kind is not ErasedKind.LINEAGE_BATCH
    ]
    for prefix in prefixes:
        for topic in store.index.topics_starting(prefix):
            named[topic.removeprefix(prefix)] = None
    return list(named)


def missing_objects(store: OpenStore, *, batches: bool) -> list[str]:
    """Objects that accepted statements name and that are neither there nor erased.

    Every one that is there is hashed. Lineage batches only with `batches`.
    """
    problems = []
    for digest in named_objects(store, batches=batches):
        try:
            if store.objects.find(digest) is None and erasure_of(store, digest) is None:
                problems.append(f"object {digest} is missing, and nobody erased it")
        except StoreError as problem:
            problems.append(str(problem))
    return problems


def erase(
    store: OpenStore, acting: Acting, target: str, reason: str, *, replacement: str = ""
) -> Erased:
    """Let an object go: a person's printed name, a reason, a comment, an attachment.

    `target` is `person:NAME`, `statement:ID` for its reason, or a digest. A lineage
    batch is let go together with `replacement`, the digest of the batch that takes
    its place.

    Raises:
        Misuse: nothing erasable answers to the target, or there is no reason.
        StoreRefused: the signer may not, or a decision rests on the object.
    """
    if not reason.strip():
        raise Misuse("an erasure has a reason", hint="--reason TEXT")
    digest = _digest_of(store, target)
    kinds = [
        kind
        for kind in ErasedKind
        if store.index.on_topics(erasable_topic(digest, kind))
    ]
    if not kinds:
        raise Misuse(
            f"no statement names {target} as something that may be erased",
            hint="Names, reasons, comments, attachments, review texts and lineage "
            "batches may be.",
        )
    if erasure_of(store, digest) is not None:
        raise Refusal(f"entry {erasure_of(store, digest)} let it go already")
    erasure = Erasure(digest, kinds[0], replacement, put_words(store, reason))
    appended = append(store, acting, erasure, (f"object:{kinds[0].value}", digest))
    return Erased(
        appended, digest, kinds[0], _remove(store, digest), object_path(digest)
    )


def _remove(store: OpenStore, digest: str) -> bool:
    if not isinstance(store.backend, CanRemove):
        return False
    try:
        store.backend.remove(object_path(digest))
    except StoreError:
        return False
    return True


def _digest_of(store: OpenStore, target: str) -> str:
    kind, colon, rest = target.partition(":")
    if colon and kind == "person":
        from console.services.rotating import find_person

        return find_person(store, store.state().people, rest).profile
    if colon and kind == "statement":
        from console.services.checkpoints import require_statement_index

        try:
            _, statement = store.entry(require_statement_index(store, rest))
        except PolicyError as cause:
            raise Misuse(f"{target} is no statement that can be read") from cause
        digest = getattr(statement.predicate, "reason", "") or getattr(
            statement.predicate, "text", ""
        )
        if not isinstance(digest, str) or not digest:
            raise Misuse(f"{target} holds no reason or comment")
        return digest
    return (rest if colon and kind == "object" else target).lower()
