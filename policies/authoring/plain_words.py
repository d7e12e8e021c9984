"""A policy as plain English, for the people who must agree to it.

Every rule says what it asks through its kind; nothing here knows a kind by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from policies.document import (
    LAUNCH_STAGE,
    PIPELINE_PREFIX,
    SCHEDULE_STAGE,
    Applies,
    Policy,
    Quorum,
    Rejection,
    Rule,
    WaiverTerms,
)
from policies.rules.kinds import RULE_KINDS

_BARRED = {
    "trainer": "whoever ran the training",
    "owner": "whoever owns the model",
    "author": "whoever wrote the code",
}
_QUORUM_TOLD = (
    *("role", "count", "exclude", "expires_after_days"),
    *("after", "condition"),
)
_FROZEN = (
    "These are judged on the evidence that is frozen when somebody asks. Their "
    "verdicts are part of the text that approvers read and sign."
)
_LATER = (
    "These are judged anew each time somebody asks, because they depend on the time "
    "or on what the log holds."
)
_TOGETHER = (
    "Everything must hold at once. What is not recorded counts as not fulfilled."
)
SAME_PERSON = {
    True: "Nobody counts in two of these approvals.",
    False: "One person may count in several of these approvals.",
}
REJECTED = {
    Rejection.BLOCKS: "A rejection by somebody who holds a role blocks until they "
    "withdraw it or decide anew.",
    Rejection.OUTVOTED: "A rejection blocks nothing once enough others approve.",
}


def policy_in_words(policy: Policy) -> str:
    """The whole policy as Markdown."""
    frozen = [r for r in policy.rules if RULE_KINDS[r.kind].on_evidence]
    later = [r for r in policy.rules if RULE_KINDS[r.kind].at_position]
    sections = [
        f"# {policy.id}, version {policy.version}",
        quoted(policy.description),
        "## When it applies",
        applies_in_words(policy.applies),
        "## What must be true",
        _FROZEN,
        _numbered(frozen, 1),
    ]
    if later:
        sections += [_LATER, _numbered(later, 1 + len(frozen))]
    agree = _listed(map(quorum_in_words, policy.quorums)) or "Nobody."
    sections += ["## Who must agree", agree]
    sections += [decisions_in_words(policy)]
    if policy.waivers:
        sections += ["## What may be waived", waivers_in_words(policy.waivers)]
    sections += [f"SHA-256 of the document: `{policy.digest}`"]
    return "\n\n".join(sections) + "\n"


def applies_in_words(applies: Applies) -> str:
    """Which transitions a policy is for, as a sentence."""
    where = "in every environment"
    if "*" not in applies.environments:
        where = f"in {_either(applies.environments)}"
    models = "every model"
    if "*" not in applies.models:
        models = f"a model named {_either(applies.models)}"
    stages = "every stage"
    if "*" not in applies.to:
        stages = _either(applies.to)
    more = ""
    if "*" not in applies.from_stages:
        more += f", and it is in {_either(applies.from_stages)} there"
    if "*" not in applies.tiers:
        more += f", and the model's tier is {_either(applies.tiers)}"
    if "*" not in applies.owners:
        more += f", and its owner is {_either(applies.owners)}"
    if applies.is_for_launches:
        named = tuple(n.removeprefix(PIPELINE_PREFIX) for n in applies.models)
        pipeline = f"a pipeline named {_either(named)}"
        if "*" in named:
            pipeline = "a pipeline"
        kinds = {LAUNCH_STAGE: "launched", SCHEDULE_STAGE: "launched on a schedule"}
        what = " or ".join(word for to, word in kinds.items() if to in applies.to)
        return f"When {pipeline} is to be {what}, {where}{more}."
    return f"When a version of {models} is to go to {stages}, {where}{more}."


def quorum_in_words(quorum: Quorum) -> str:
    """Whose approval is wanted, as a sentence."""
    who = "1 person" if quorum.count == 1 else f"{quorum.count} different people"
    holds = "holds" if quorum.count == 1 else "hold"
    more = _rest(quorum, _QUORUM_TOLD)
    if quorum.after:
        more += f"; only after {' and '.join(f'`{r}`' for r in quorum.after)} approved"
    if quorum.condition:
        more += f". They confirm: {quoted(quorum.condition).rstrip('.')}"
    days = quorum.expires_after_days
    barred = ", nor ".join(_barred(quorum.exclude))
    return (
        f"{who} who {holds} the role `{quoted(quorum.role)}`; not "
        f"{barred}{more}. An approval lapses after {days} "
        f"{'day' if days == 1 else 'days'}."
    )


def decisions_in_words(policy: Policy) -> str:
    """How the approvals count together, in sentences."""
    sentences = [_TOGETHER, REJECTED[policy.rejection]]
    if len(policy.quorums) > 1:
        sentences.insert(1, SAME_PERSON[policy.wants_different_people])
    return " ".join(sentences)


def waivers_in_words(terms: WaiverTerms) -> str:
    """Which rules people may answer for by name, and for how long, as a sentence."""
    who = "1 person" if terms.count == 1 else f"{terms.count} different people"
    holds = "holds" if terms.count == 1 else "hold"
    days = "1 day" if terms.longest_days == 1 else f"{terms.longest_days} days"
    return (
        f"{who} who {holds} the role `{quoted(terms.role)}`, not "
        f"{', nor '.join(_barred(terms.exclude))}, may answer by name for "
        f"{_either(terms.rules)} when it is not met, for at most {days}."
    )


def rule_in_words(rule: Rule) -> str:
    """What a rule asks, and why, on one line."""
    asked = quoted(RULE_KINDS[rule.kind].asks(rule))
    why = f" *{quoted(rule.why)}*" if rule.why else ""
    return f"**{quoted(rule.id)}**: {asked}.{why}"


def quoted(text: str) -> str:
    """Text from a document, so that Markdown shows it as it is, on one line."""
    shown = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|~" else c for c in shown)


def _barred(exclude: tuple[str, ...]) -> list[str]:
    return ["whoever asked", *(_BARRED.get(name, name) for name in exclude)]


def _numbered(rules: Iterable[Rule], first: int) -> str:
    return "\n".join(
        f"{number}. {rule_in_words(rule)}" for number, rule in enumerate(rules, first)
    )


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(f"`{name.replace('`', '')}`" for name in names)


def _rest(part: Applies | Quorum, told: tuple[str, ...]) -> str:
    """What else a part of the document says, by the names of its fields."""
    more = ""
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if field.name in told or value in ("", (), None, False, field.default):
            continue
        named = field.name.replace("_", " ")
        if isinstance(value, tuple):
            more += f"; {named}: {quoted(', '.join(map(str, value)))}"
        else:
            more += f"; {named}" + ("" if value is True else f": {quoted(str(value))}")
    return more
