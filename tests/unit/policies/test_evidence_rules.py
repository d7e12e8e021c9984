"""Rules about evidence itself: its age, its readers, and what the run stood on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.evidence import KINDS, Evidence
from policies.evidence_origins import Collector
from policies.rules import evaluate
from policies.rules.readings import Reading
from policies.verdict import Node, Verdict
from tests.unit.policies.test_rules import (
    CONTEXT,
    GOOD,
    HEAD,
    QUORUMS,
    lineage,
)
from tests.worlds import NOON


def readings(
    reader: str = "p-req",
    *roles: str,
    at: datetime | None = NOON,
    kinds: tuple[str, ...] = tuple(KINDS),
) -> tuple[Reading, ...]:
    return tuple(
        Reading(kind, reader, frozenset(roles), reader == "p-req", at) for kind in kinds
    )


def judged(
    kind: str, fields: str, evidence: Evidence = GOOD, read: tuple[Reading, ...] = ()
) -> Node:
    rules = '[[rules]]\nid = "ended"\nkind = "run_finished"\n'
    rules += f'[[rules]]\nid = "r"\nkind = "{kind}"\n{fields}\n'
    policy = read_policy((HEAD + rules + QUORUMS).encode())
    tree = evaluate(policy, evidence, [], replace(CONTEXT, readings=read))
    return next(
        node for part in tree.children for node in part.children if node.rule == "r"
    )


def with_origins(**changes: object) -> Evidence:
    return replace(GOOD, origins=replace(GOOD.origins, **changes))  # type: ignore[arg-type]  # names checked by the dataclass


@pytest.mark.parametrize(
    ("fields", "evidence", "wanted"),
    [
        ("", GOOD, Verdict.YES),
        ('by = ["image"]', with_origins(image_digest=""), Verdict.UNKNOWN),
        ("", with_origins(image_digest=""), Verdict.YES),
        ('by = ["lock"]', lineage(lock_digest=""), Verdict.UNKNOWN),
        ('by = ["image"]', with_origins(image_digest="python:3.12"), Verdict.NO),
        ('by = ["image"]', with_origins(image_digest="sha256:abc"), Verdict.NO),
        ("", with_origins(image_digest="latest"), Verdict.YES),
    ],
)
def test_what_a_run_stood_on_is_named_by_a_digest_or_not_at_all(
    fields: str, evidence: Evidence, wanted: Verdict
) -> None:
    assert judged("runtime_locked", fields, evidence).verdict is wanted


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (readings(at=NOON - timedelta(days=7)), Verdict.YES),
        (readings(at=NOON - timedelta(days=7, seconds=1)), Verdict.NO),
        (readings(at=NOON + timedelta(days=1)), Verdict.UNKNOWN),
        (readings(at=None), Verdict.UNKNOWN),
        ((), Verdict.UNKNOWN),
        (readings(kinds=("model", "metrics")), Verdict.UNKNOWN),
        (readings(at=NOON - timedelta(days=30)) + readings("p-v"), Verdict.YES),
        (readings("p-v") + readings(at=NOON + timedelta(days=30)), Verdict.YES),
        (
            readings(at=NOON - timedelta(days=30))
            + readings("p-v", kinds=tuple(KINDS)[1:]),
            Verdict.NO,
        ),
    ],
)
def test_evidence_is_as_old_as_the_item_that_was_not_read_for_longest(
    read: tuple[Reading, ...], wanted: Verdict
) -> None:
    assert judged("evidence_age", "days = 7", read=read).verdict is wanted
    assert judged("evidence_age", "days = 7", read=read[::-1]).verdict is wanted


@pytest.mark.parametrize(
    ("ended", "wanted"),
    [
        ("2026-02-27T12:00:00Z", Verdict.YES),
        ("2026-02-27T11:59:59Z", Verdict.NO),
        ("2026-03-02T12:00:00Z", Verdict.UNKNOWN),
        ("", Verdict.UNKNOWN),
        ("yesterday", Verdict.UNKNOWN),
    ],
)
def test_a_run_ended_lately_enough_or_it_is_not_known(
    ended: str, wanted: Verdict
) -> None:
    evidence = with_origins(run_ended=ended)
    assert judged("evidence_age", "run_days = 2", evidence).verdict is wanted


ROLE = 'role = "validator"'
OTHER = f"{ROLE}\nbesides_requester = true"


@pytest.mark.parametrize(
    ("fields", "read", "wanted"),
    [
        (ROLE, readings("p-v", "validator"), Verdict.YES),
        (ROLE, readings("p-req", "validator"), Verdict.YES),
        (OTHER, readings("p-req", "validator"), Verdict.NO),
        (OTHER, readings("p-v", "validator"), Verdict.YES),
        (ROLE, readings("p-v", "risk"), Verdict.NO),
        (ROLE, readings("p-v", "validator", kinds=("model",)), Verdict.NO),
        (
            f'{ROLE}\nitems = ["model"]',
            readings("p-v", "validator", kinds=("model",)),
            Verdict.YES,
        ),
        (ROLE, (), Verdict.NO),
    ],
)
def test_each_item_was_read_by_somebody_who_holds_the_role(
    fields: str, read: tuple[Reading, ...], wanted: Verdict
) -> None:
    assert judged("evidence_by", fields, read=read).verdict is wanted


@pytest.mark.parametrize(
    ("collectors", "wanted"),
    [
        ((Collector("s-import", True),), Verdict.YES),
        ((Collector("s-import", True), Collector("p-ana", False)), Verdict.NO),
        ((), Verdict.UNKNOWN),
    ],
)
def test_only_services_told_of_the_run(
    collectors: tuple[Collector, ...], wanted: Verdict
) -> None:
    evidence = with_origins(collectors=collectors)
    assert judged("evidence_by", "by_service = true", evidence).verdict is wanted


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("evidence_age", "", "days or run_days"),
        ("evidence_age", "days = 0", "1 or more"),
        ("evidence_by", "", "says role"),
        ("evidence_by", "by_service = false", "says role"),
        ("evidence_by", 'by_service = true\nitems = ["model"]', "need role"),
        ("evidence_by", f'{ROLE}\nitems = ["modle"]', "model"),
        ("runtime_locked", 'by = ["venv"]', "nothing for by"),
    ],
)
def test_fields_that_make_no_sense_are_refused(
    kind: str, fields: str, said: str
) -> None:
    with pytest.raises(MalformedPolicy, match=said):
        judged(kind, fields)
