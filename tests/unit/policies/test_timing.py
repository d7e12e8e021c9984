"""Rules about time: freezes, and how long a version was in another stage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from policies.document import Policy
from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.rules import evaluate
from policies.rules.context import Held
from policies.verdict import Node
from tests.unit.policies.test_rules import BOTH, CONTEXT, GOOD, HEAD, QUORUMS
from tests.worlds import NOON

RAN = '[[rules]]\nid = "ran"\nkind = "run_finished"\n'


def policy(kind: str, fields: str) -> Policy:
    rule = f'[[rules]]\nid = "r"\nkind = "{kind}"\n{fields}\n'
    return read_policy((HEAD + RAN + rule + QUORUMS).encode())


def judged(read: Policy, now: datetime, *held: Held) -> Node:
    context = replace(CONTEXT, now=now, held=held)
    whole = evaluate(read, GOOD, BOTH, context)
    return next(leaf for leaf in whole.leaves() if leaf.rule == "r")


@pytest.mark.parametrize(
    ("fields", "now", "verdict"),
    [
        ('from = "2026-02-28T00:00:00Z"', NOON, "no"),
        ('from = "2026-03-01T12:00:00Z"', NOON, "no"),
        ('from = "2026-03-01T12:00:01Z"', NOON, "yes"),
        ('until = "2026-03-01T12:00:00Z"', NOON, "yes"),
        ('until = "2026-03-01T12:00:01Z"', NOON, "no"),
        ('days = ["sun"]', NOON, "no"),
        ('days = ["sat", "mon"]', NOON, "yes"),
        ('hours = "12:00-13:00"', NOON, "no"),
        ('hours = "11:00-12:00"', NOON, "yes"),
        ('days = ["sun"]\nhours = "18:00-24:00"', NOON, "yes"),
        ('days = ["sun"]\nhours = "18:00-24:00"', NOON + timedelta(hours=11), "no"),
        ('days = ["sun"]', datetime(2026, 3, 2, 0, 30, tzinfo=UTC), "yes"),
    ],
)
def test_a_freeze_says_no_while_it_lasts(
    fields: str, now: datetime, verdict: str
) -> None:
    assert judged(policy("freeze", fields), now).verdict.value == verdict


def held(
    since: int, until: int | None, stage: str = "staging", env: str = "eu"
) -> Held:
    """Days before noon."""
    return Held(
        env,
        stage,
        NOON - timedelta(days=since),
        None if until is None else NOON - timedelta(days=until),
    )


@pytest.mark.parametrize(
    ("stages", "verdict"),
    [
        ((), "no"),
        ((held(7, None),), "yes"),
        ((held(6, None),), "no"),
        ((held(30, 23),), "yes"),
        ((held(30, 24), held(3, None)), "no"),
        ((held(30, None, stage="candidate"),), "no"),
        ((held(30, None, env="us"),), "no"),
    ],
)
def test_a_version_must_have_been_long_enough_in_a_stage_in_one_go(
    stages: tuple[Held, ...], verdict: str
) -> None:
    read = policy("time_in_stage", 'stage = "staging"\nenvironment = "eu"\ndays = 7')
    assert judged(read, NOON, *stages).verdict.value == verdict


@pytest.mark.parametrize(
    ("kind", "fields", "what"),
    [
        ("freeze", "", "a freeze needs"),
        ("freeze", 'hours = "18:00-06:00"', "hours must be like"),
        ("freeze", 'hours = "24:30-25:00"', "hours must be like"),
        ("freeze", 'from = "2026-02-30T00:00:00Z"', "no time that there is"),
        ("freeze", 'from = "soon"', "must be a time in UTC"),
        (
            "freeze",
            'from = "2027-01-02T00:00:00Z"\nuntil = "2027-01-01T00:00:00Z"',
            "from must be before until",
        ),
        ("freeze", 'days = ["sunday"]', "did you mean 'sun'"),
        ("time_in_stage", 'stage = "staging"', "needs 'days'"),
        ("time_in_stage", 'stage = "staging"\ndays = 0', "whole number"),
    ],
)
def test_malformed_rules_about_time_are_told(kind: str, fields: str, what: str) -> None:
    with pytest.raises(MalformedPolicy, match=what):
        policy(kind, fields)
