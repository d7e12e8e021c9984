"""What one version of a policy changes over another, in terms of its rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from policies.authoring.lint import implies
from policies.authoring.plain_words import (
    REJECTED,
    SAME_PERSON,
    applies_in_words,
    quorum_in_words,
    waivers_in_words,
)
from policies.document import Policy, Quorum, Rule
from policies.rules.kinds import RULE_KINDS


class Change(StrEnum):
    """What became of one part of a policy."""

    ADDED = "added"
    DROPPED = "dropped"
    STRICTER = "stricter"
    LAXER = "laxer"
    OTHER = "changed"


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One difference; `before` or `after` is empty where there was or is nothing."""

    part: str
    """The id of a rule, an approval by its role, `applies` or `description`."""
    change: Change
    before: str
    after: str

    def __str__(self) -> str:
        match self.change:
            case Change.ADDED:
                return f"{self.part} added: {self.after}"
            case Change.DROPPED:
                return f"{self.part} dropped: {self.before}"
            case _:
                return f"{self.part} {self.change.value}: {self.before} -> {self.after}"


def policy_changes(old: Policy, new: Policy) -> tuple[PolicyChange, ...]:
    """Everything that differs between two policies but their id and version."""
    return (
        *_texts(
            "applies", applies_in_words(old.applies), applies_in_words(new.applies)
        ),
        *_rules(old, new),
        *_quorums(old, new),
        *_texts("rejections", REJECTED[old.rejection], REJECTED[new.rejection]),
        *_texts(
            "people",
            SAME_PERSON[old.wants_different_people],
            SAME_PERSON[new.wants_different_people],
        ),
        *_waivers(old, new),
        *_texts("description", old.description, new.description),
    )


def _texts(part: str, before: str, after: str) -> Iterator[PolicyChange]:
    if before != after:
        yield PolicyChange(part, Change.OTHER, before, after)


def _rules(old: Policy, new: Policy) -> Iterator[PolicyChange]:
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    for name in (*before, *(name for name in after if name not in before)):
        if name not in after:
            yield PolicyChange(name, Change.DROPPED, _asks(before[name]), "")
        elif name not in before:
            yield PolicyChange(name, Change.ADDED, "", _asks(after[name]))
        else:
            yield from _rule(before[name], after[name])


def _rule(before: Rule, after: Rule) -> Iterator[PolicyChange]:
    if (before.kind, dict(before.fields)) != (after.kind, dict(after.fields)):
        change = Change.OTHER
        if implies(after, before):
            change = Change.STRICTER
        elif implies(before, after):
            change = Change.LAXER
        one, two = _asks(before), _asks(after)
        if one == two:
            one, two = _fields(before), _fields(after)
        yield PolicyChange(after.id, change, one, two)
    elif before.why != after.why:
        yield PolicyChange(
            after.id, Change.OTHER, f"why: {before.why}", f"why: {after.why}"
        )


def _quorums(old: Policy, new: Policy) -> Iterator[PolicyChange]:
    """Quorums by role; several of one role are matched in their order."""
    before, after = _by_role(old), _by_role(new)
    for name in (*before, *(name for name in after if name not in before)):
        one, two = before.get(name), after.get(name)
        if one == two:
            continue
        change = Change.OTHER
        if one is None:
            change = Change.ADDED
        elif two is None:
            change = Change.DROPPED
        yield PolicyChange(
            f"approval by {name}",
            change,
            quorum_in_words(one) if one else "",
            quorum_in_words(two) if two else "",
        )


def _waivers(old: Policy, new: Policy) -> Iterator[PolicyChange]:
    if old.waivers == new.waivers:
        return
    before, after = (
        waivers_in_words(policy.waivers) if policy.waivers else ""
        for policy in (old, new)
    )
    change = Change.OTHER
    if not before:
        change = Change.LAXER
    elif not after:
        change = Change.STRICTER
    yield PolicyChange(
        "waivers", change, before or "no rule may be waived", after or "none"
    )


def _by_role(policy: Policy) -> dict[str, Quorum]:
    found: dict[str, Quorum] = {}
    for quorum in policy.quorums:
        name, number = quorum.role, 2
        while name in found:
            name, number = f"{quorum.role} ({number})", number + 1
        found[name] = quorum
    return found


def _asks(rule: Rule) -> str:
    return RULE_KINDS[rule.kind].asks(rule)


def _fields(rule: Rule) -> str:
    """A rule by its fields, where two that differ ask in the same words."""
    told = {
        name: ", ".join(value) if isinstance(value, tuple) else str(value)
        for name, value in sorted(rule.fields.items())
    }
    return f"{rule.kind} " + "; ".join(f"{n} = {v}" for n, v in told.items())
