"""Lint of a policy against the people there are: who could sign, and who never."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from policies.authoring.known import Record, places
from policies.authoring.remarks import Linted, Remark, Severity
from policies.document import OWNER, Quorum
from policies.seating import seats_filled
from policies.table_reading import nearest
from policies.trust_root import BuiltInRole

_REQUESTER = BuiltInRole.REQUESTER
_SAID = {"people": "id", "keys": "key"}


def lint_people(linted: Linted, record: Record) -> Iterator[Remark]:
    """Everything there is to say about a policy and the people of a store."""
    yield from _quorums(linted, record)
    yield from _together(linted, record)
    yield from _waivers(linted, record)
    yield from _signers(linted, record)


def _quorums(linted: Linted, record: Record) -> Iterator[Remark]:
    """Quorums that the people there are could never fill."""
    for number, quorum in enumerate(linted.policy.quorums):
        for model, where in places(linted.policy, record):
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


def _together(linted: Linted, record: Record) -> Iterator[Remark]:
    """Quorums of which each could be filled, but not all by different people."""
    policy = linted.policy
    if not policy.wants_different_people or len(policy.quorums) < 2:
        return
    for model, where in places(policy, record):
        if any(_shortage(quorum, model, where, record) for quorum in policy.quorums):
            continue
        seats = [
            _able(quorum, model, where, record)
            for quorum in policy.quorums
            for _ in range(quorum.count)
        ]
        if seats_filled(seats) < len(seats):
            place = f" for {model} in {where}" if model else ""
            yield linted.at_quorum(
                len(policy.quorums) - 1,
                "role",
                Severity.PROBLEM,
                f"{len(seats)} different people are wanted{place}, and at most "
                f"{seats_filled(seats)} could sign at once",
                "Give one of the roles to somebody else.",
            )
            return


def _able(quorum: Quorum, model: str, where: str, record: Record) -> frozenset[str]:
    """People who hold a role and made none of the newest version."""
    holders = {p.id for p in record.people if p.holds(quorum.role, model, where)}
    return frozenset(holders - _barred(quorum, model, record))


def _barred(quorum: Quorum, model: str, record: Record) -> frozenset[str]:
    """People whose part in the newest version keeps them from a quorum."""
    barred: frozenset[str] = frozenset()
    if "trainer" in quorum.exclude:
        barred |= record.trainers.get(model, frozenset())
    if "author" in quorum.exclude:
        barred |= record.authors.get(model, frozenset())
    if OWNER in quorum.exclude:
        barred |= record.owners.get(model, frozenset())
    return barred


def _signers(linted: Linted, record: Record) -> Iterator[Remark]:
    """Signers of model files and of commits who are enrolled nowhere."""
    for number, rule in enumerate(linted.policy.rules):
        if rule.kind not in ("model_signed", "signed_commit"):
            continue
        for field, known in _signing(record):
            for name in rule.names(field):
                if name not in known:
                    yield linted.at_rule(
                        number,
                        field,
                        Severity.REMARK,
                        f"nobody enrolled has the {_SAID[field]} {name[:16]!r}"
                        f"{nearest(name, known)}",
                        "It will count once somebody is.",
                    )


def _waivers(linted: Linted, record: Record) -> Iterator[Remark]:
    """Waivers that the people there could never sign."""
    terms = linted.policy.waivers
    if terms is None:
        return
    quorum = Quorum(terms.role, terms.count, terms.exclude, terms.longest_days)
    for model, where in places(linted.policy, record):
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
    barred = _barred(quorum, model, record)
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


def _signing(record: Record) -> tuple[tuple[str, Collection[str]], ...]:
    return (("people", record.signers), ("keys", record.keys))
