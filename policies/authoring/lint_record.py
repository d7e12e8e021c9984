"""Lint of a policy against a record: its names, its people, and its neighbours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from policies.authoring.remarks import Linted, Remark, Severity
from policies.document import Applies, Policy, Quorum, Rule
from policies.patterns import matches
from policies.predicates import Transition
from policies.selection import Asked, covers, is_as_narrow, rank
from policies.table_reading import nearest
from policies.trust_root import BuiltInRole, Person
from policies.verdict import Verdict

_REQUESTER = BuiltInRole.REQUESTER


@dataclass(frozen=True, slots=True)
class Record:
    """What a store knows, as far as a policy names it."""

    models: frozenset[str]
    metrics: frozenset[str]
    slices: frozenset[str]
    """As `column:value`."""
    datasets: frozenset[str]
    environments: frozenset[str]
    people: tuple[Person, ...]
    """Those who have keys that count."""
    trainers: Mapping[str, frozenset[str]]
    """Model -> ids of people who trained its newest version."""
    authors: Mapping[str, frozenset[str]]
    """Model -> ids of people who wrote the code of its newest version."""
    in_force: tuple[Policy, ...]

    @property
    def columns(self) -> frozenset[str]:
        """What metrics were sliced by."""
        return frozenset(name.partition(":")[0] for name in self.slices)


def lint_against(linted: Linted, record: Record) -> list[Remark]:
    """Everything there is to say about a policy and a store."""
    found = [
        *_version(linted, record),
        *_names(linted, record),
        *_quorums(linted, record),
        *_waivers(linted, record),
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
    if field == "column" and "metric" not in rule.fields:
        return ""
    if field == "dataset":
        name = name.split("@")[0]
        return "" if name in ("training", "evaluation") else name
    return name


def _quorums(linted: Linted, record: Record) -> Iterator[Remark]:
    """Quorums that the people there are could never fill."""
    for number, quorum in enumerate(linted.policy.quorums):
        for model, where in _places(linted.policy, record):
            text = _shortage(quorum, model, where, record)
            if text:
                yield linted.at_quorum(
                    number,
                    "count",
                    Severity.PROBLEM,
                    text,
                    f"Enrol somebody: countersign key enrol OFFER --role {quorum.role}",
                )
                break


def _waivers(linted: Linted, record: Record) -> Iterator[Remark]:
    """Waivers that the people there could never sign."""
    terms = linted.policy.waivers
    if terms is None:
        return
    quorum = Quorum(terms.role, terms.count, terms.exclude, terms.longest_days)
    for model, where in _places(linted.policy, record):
        text = _shortage(quorum, model, where, record)
        if text:
            yield linted.at_part(
                "waivers",
                Severity.REMARK,
                f"nobody could waive a rule: {text}",
                f"Enrol somebody: countersign key enrol OFFER --role {terms.role}",
            )
            break


def _shortage(quorum: Quorum, model: str, where: str, record: Record) -> str:
    """Why too few people could sign for a model, or nothing."""
    holders = {p.id for p in record.people if p.holds(quorum.role, model, where)}
    place = f" for {model} in {where}" if model else ""
    if len(holders) < quorum.count:
        return (
            f"{quorum.count} of the role {quorum.role} are wanted{place}, and "
            f"{len(holders)} hold it"
        )
    barred: frozenset[str] = frozenset()
    if "trainer" in quorum.exclude:
        barred |= record.trainers.get(model, frozenset())
    if "author" in quorum.exclude:
        barred |= record.authors.get(model, frozenset())
    left = len(holders - barred)
    if left < quorum.count:
        return (
            f"{quorum.count} of the role {quorum.role} are wanted{place}, and "
            f"{left} of the {len(holders)} who hold it made none of the newest version"
        )
    askers = {p.id for p in record.people if p.holds(_REQUESTER, model, where)}
    if askers and all(len(holders - barred - {a}) < quorum.count for a in askers):
        return (
            f"{quorum.count} of the role {quorum.role} are wanted{place}, and whoever "
            "may ask for it is needed among them"
        )
    return ""


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
            if known and not any(matches(pattern, name) for name in known):
                yield linted.at_part(
                    field,
                    Severity.REMARK,
                    f"{text} {pattern!r}{nearest(pattern, known)}",
                    "It will apply once there is one.",
                )


def _places(policy: Policy, record: Record) -> list[tuple[str, str]]:
    """Models and environments that a policy covers; one unnamed place if none."""
    stages = [_example(pattern) for pattern in policy.applies.to]
    found = [
        (model, where)
        for model, where, stage in product(
            sorted(record.models), sorted(record.environments), stages
        )
        if covers(policy.applies, _asked(policy.applies, model, stage, where))
        is Verdict.YES
    ]
    return found or [("", "")]


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
    names = {_example(p) for a in applies for p in a.models} | set(models)
    stages = {_example(p) for a in applies for p in a.to}
    places = {_example(p) for a in applies for p in a.environments}
    for model, stage, where in product(sorted(names), sorted(stages), sorted(places)):
        for example in applies:
            asked = _asked(example, model, stage, where)
            if any(covers(a, asked) is not Verdict.YES for a in applies):
                continue
            ours, theirs = (rank(a, asked) for a in applies)
            if is_as_narrow(ours, theirs) == is_as_narrow(theirs, ours):
                return f"{model} to {stage} in {where}"
    return ""


def _asked(applies: Applies, model: str, stage: str, where: str) -> Asked:
    """A transition that fits what a policy selects by besides names."""
    return Asked(
        model,
        Transition("", stage, where),
        frozenset(map(_example, applies.from_stages)),
        tier=_example(applies.tiers[0]),
        owner=_example(applies.owners[0]),
    )


def _example(pattern: str) -> str:
    """A name that fits a pattern."""
    return pattern.replace("*", "any")
