"""Cosigned heads as the judge of a request counts them: verified, of this history."""

from __future__ import annotations

from datetime import UTC, datetime

from console.services.opened import OpenStore
from policies.checkpoint import read_checkpoint
from policies.document import Policy, Rule
from policies.errors import MalformedStatement
from policies.notes import read_verifier_key
from policies.rules.context import CosignedHead
from policies.rules.kinds import COSIGNED_HEAD


def heads_of(
    store: OpenStore, policy: Policy, frozen: str | None
) -> tuple[CosignedHead, ...]:
    """Heads by the witnesses that a policy names.

    With `frozen` only that one, by the digest under which a promotion kept it.

    Raises:
        Refusal: a witness has cosigned another history.
    """
    rule = _rule(policy)
    if rule is None:
        return ()
    if frozen is not None:
        return _kept(store, rule, frozen)
    from console.services.signed_heads import newest_cosigned

    found = []
    for text in rule.names("witnesses"):
        newest = newest_cosigned(store, read_verifier_key(text))
        if newest is not None:
            found.append(CosignedHead(text, newest[0], _moment(newest[1])))
    return tuple(found)


def keep_head(store: OpenStore, policy: Policy | None) -> str:
    """Store the newest cosigned head that a verdict rests on; its digest, or empty."""
    rule = None if policy is None else _rule(policy)
    if policy is None or rule is None:
        return ""
    heads = heads_of(store, policy, None)
    if not heads:
        return ""
    from console.services.signed_heads import cosigned_note

    newest = max(heads, key=lambda head: (head.at, head.size, head.witness))
    note = cosigned_note(store, read_verifier_key(newest.witness), newest.size)
    return store.objects.put(note) if note else ""


def _kept(store: OpenStore, rule: Rule, digest: str) -> tuple[CosignedHead, ...]:
    data = store.objects.find(digest) if digest else None
    if data is None:
        return ()
    try:
        head = read_checkpoint(data)
    except MalformedStatement:
        return ()
    if head.origin != store.origin or head.size > store.index.size:
        return ()
    if store.index.root_at(head.size) != head.root:
        return ()
    found = []
    for text in rule.names("witnesses"):
        at = head.cosigned_at(read_verifier_key(text))
        if at is not None:
            found.append(CosignedHead(text, head.size, _moment(at)))
    return tuple(found)


def _rule(policy: Policy) -> Rule | None:
    return next((rule for rule in policy.rules if rule.kind == COSIGNED_HEAD), None)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
