"""Lint of a policy against a record: its names, its people, and its neighbours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product

from policies.authoring.known import Record, asked_example, example
from policies.authoring.lint_people import lint_people
from policies.authoring.log_facts import OBSERVING
from policies.authoring.remarks import Linted, Remark, Severity
from policies.document import PIPELINE_PREFIX, Policy, Rule
from policies.patterns import matches
from policies.selection import covers, is_as_narrow, rank
from policies.table_reading import nearest
from policies.verdict import Verdict


def lint_against(linted: Linted, record: Record) -> list[Remark]:
    """Everything there is to say about a policy and a store."""
    found = [
        *_version(linted, record),
        *_names(linted, record),
        *lint_people(linted, record),
        *_covered(linted, record),
    ]
    return sorted(found, key=lambda remark: remark.line)


def _version(linted: Linted, record: Record) -> Iterator[Remark]:
    policy = linted.policy
    current = next((p for p in record.in_force if p.id == policy.id), None)
    if current is not None and current.digest == policy.digest:
        yield linted.at_part("version", Severity.REMARK, "it is in force already", "")
        return
    expected = current.version + 1 if current else 1
    if policy.version != expected:
        standing = f"version {current.version} is in force" if current else "it is new"
        yield linted.at_part(
            "version",
            Severity.PROBLEM,
            f"version {policy.version}, but {standing}",
            f"Write version = {expected}.",
        )


def _names(linted: Linted, record: Record) -> Iterator[Remark]:
    """Names in rules that nothing in the record has."""
    known: tuple[tuple[str, Collection[str], str], ...] = (
        ("metric", record.metrics, "no run has a metric"),
        ("slice", record.slices, "no metric is on a slice"),
        ("column", record.columns, "no metric is sliced by"),
        ("dataset", record.datasets, "there is no dataset"),
    )
    for number, rule in enumerate(linted.policy.rules):
        for field, names, text in known:
            name = _name(rule, field)
            if name and names and name not in names:
                yield linted.at_rule(
                    number,
                    field,
                    Severity.PROBLEM,
                    f"{text} {name!r}{nearest(name, names)}",
                    "Write the name as it is recorded, or record it first "
                    "(docs/logging.md).",
                )


def _name(rule: Rule, field: str) -> str:
    """What a field names; datasets without a version, and none by their use."""
    name = rule.text(field)
    if rule.kind in OBSERVING:
        return ""
    if field == "column" and "metric" not in rule.fields:
        return ""
    if field == "dataset":
        name = name.split("@")[0]
        return "" if name in ("training", "evaluation") else name
    return name


def _covered(linted: Linted, record: Record) -> Iterator[Remark]:
    """Patterns that fit no registered model, and environments nobody configured."""
    applies = linted.policy.applies
    for field, patterns, known, text in (
        ("models", applies.models, record.models, "no registered model is called"),
        (
            "environments",
            applies.environments,
            record.environments,
            "no environment is configured that is called",
        ),
    ):
        for pattern in patterns:
            if field == "models" and pattern.startswith(PIPELINE_PREFIX):
                continue
            if known and not any(matches(pattern, name) for name in known):
                yield linted.at_part(
                    field,
                    Severity.REMARK,
                    f"{text} {pattern!r}{nearest(pattern, known)}",
                    "It will apply once there is one.",
                )


def overlaps(
    policies: Sequence[Linted], in_force: Sequence[Policy], models: Iterable[str] = ()
) -> list[Remark]:
    """Policies that would be equally specific for some transition.

    A policy takes the place of the one in force with its id.
    """
    replaced = {linted.policy.id for linted in policies}
    kept = [policy for policy in in_force if policy.id not in replaced]
    found = []
    for number, linted in enumerate(policies):
        others = [*(one.policy for one in policies[:number]), *kept]
        for other in others:
            place = _clash(linted.policy, other, models)
            if other.id != linted.policy.id and place:
                found.append(
                    linted.at_part(
                        "applies",
                        Severity.PROBLEM,
                        f"as specific as {other.id} for {place}: that means no",
                        "Name the model, stage or environment in one of the two.",
                    )
                )
    return found


def _clash(one: Policy, other: Policy, models: Iterable[str]) -> str:
    """A transition for which two policies are equally specific, or nothing."""
    applies = (one.applies, other.applies)
    names = {example(p) for a in applies for p in a.models} | set(models)
    stages = {example(p) for a in applies for p in a.to}
    places = {example(p) for a in applies for p in a.environments}
    for model, stage, where in product(sorted(names), sorted(stages), sorted(places)):
        for fitted in applies:
            asked = asked_example(fitted, model, stage, where)
            if any(covers(a, asked) is not Verdict.YES for a in applies):
                continue
            ours, theirs = (rank(a, asked) for a in applies)
            if is_as_narrow(ours, theirs) == is_as_narrow(theirs, ours):
                return f"{model} to {stage} in {where}"
    return ""
