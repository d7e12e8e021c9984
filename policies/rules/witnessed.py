"""A rule about witnesses: somebody else saw the history that a verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from policies.document import FieldValue, Rule
from policies.errors import MalformedStatement
from policies.evidence import Evidence
from policies.notes import NoteKind, read_verifier_key
from policies.rules.context import Context
from policies.rules.forms import RuleKind, count, words
from policies.rules.kinds import COSIGNED_HEAD
from policies.verdict import Node, Verdict


def judge_cosigned_head(rule: Rule, _: Evidence, context: Context) -> Node:
    """A named witness cosigned a head with the request in it, not long ago."""
    wanted, longest = asks_cosigned_head(rule), timedelta(hours=rule.count("hours"))
    seen = sorted(
        (
            head
            for head in context.cosigned
            if head.witness in rule.names("witnesses")
            and head.size > context.request_entry
        ),
        key=lambda head: (head.at, head.size, head.witness),
    )
    fresh = [h for h in seen if h.at <= context.now and context.now - h.at <= longest]
    if fresh:
        newest = fresh[-1]
        name = newest.witness.partition("+")[0]
        observed = f"{name} saw {newest.size} entries at {newest.at:%Y-%m-%d %H:%M} UTC"
        return Node(rule.id, Verdict.YES, observed, wanted, rule.why)
    observed = "no head with the request in it"
    if seen:
        observed = f"the newest at {seen[-1].at:%Y-%m-%d %H:%M} UTC"
    return Node(
        rule.id,
        Verdict.UNKNOWN,
        observed,
        wanted,
        rule.why or "Ask the witness to look: countersign log witness",
        can_settle=True,
    )


def asks_cosigned_head(rule: Rule) -> str:
    """Whose cosignature is wanted, in words."""
    names = " or ".join(key.partition("+")[0] for key in rule.names("witnesses"))
    return (
        f"{names} cosigned the log with the request in it, no longer than "
        f"{rule.count('hours')} hours ago"
    )


def _complaint(fields: Mapping[str, FieldValue]) -> str:
    named = fields["witnesses"]
    for text in named if isinstance(named, tuple) else ():
        try:
            key = read_verifier_key(text)
        except MalformedStatement as cause:
            return f"{text!r} is no verifier key of a witness: {cause}"
        if key.kind is not NoteKind.COSIGNATURE:
            return f"{text!r} is a key that signs heads, not one that cosigns them"
    return ""


KINDS = (
    RuleKind(
        COSIGNED_HEAD,
        {"witnesses": words(needed=True), "hours": count(needed=True)},
        asks_cosigned_head,
        at_position=judge_cosigned_head,
        complaint=_complaint,
    ),
)
"""The kinds of rule that this module judges."""
