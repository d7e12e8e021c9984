"""Rules about a model's record and its findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.rules import evaluate
from policies.rules.context import Context, ModelStanding, OpenFinding
from policies.verdict import Node
from tests.unit.policies.test_rules import BOTH, CONTEXT, GOOD, HEAD, QUORUMS
from tests.worlds import NOON

RAN = '[[rules]]\nid = "ran"\nkind = "run_finished"\n'
RECORD = ModelStanding("Ana", True, "high", ("xgboost",), NOON + timedelta(days=1))
EVERYTHING = (
    'require = ["owner", "tier", "purpose", "limits", "vendor_parts", "review_by"]'
)


def judged(kind: str, fields: str, context: Context) -> Node:
    text = f'{HEAD}{RAN}[[rules]]\nid = "r"\nkind = "{kind}"\n{fields}\n{QUORUMS}'
    whole = evaluate(read_policy(text.encode()), GOOD, BOTH, context)
    return next(leaf for leaf in whole.leaves() if leaf.rule == "r")


@pytest.mark.parametrize(
    ("standing", "verdict"),
    [
        (RECORD, "yes"),
        (None, "unknown"),
        (replace(RECORD, is_owner_in_force=False), "no"),
        (replace(RECORD, vendor_parts=()), "unknown"),
        (replace(RECORD, review_by=None), "unknown"),
        (replace(RECORD, review_by=NOON), "no"),
        (replace(RECORD, review_by=NOON, vendor_parts=()), "no"),
    ],
)
def test_a_record_is_complete_and_reviewed_in_time(
    standing: ModelStanding | None, verdict: str
) -> None:
    context = replace(CONTEXT, model=standing)
    assert judged("model_record", EVERYTHING, context).verdict.value == verdict


def test_only_what_is_required_is_looked_for() -> None:
    bare = ModelStanding("gone", False, "low", (), None)
    context = replace(CONTEXT, model=bare)
    wanted = 'require = ["tier", "purpose"]'
    assert judged("model_record", wanted, context).verdict.value == "yes"


FINDINGS = (
    OpenFinding("F-1", "low", NOON - timedelta(days=1)),
    OpenFinding("F-2", "high", None),
)


@pytest.mark.parametrize(
    ("fields", "findings", "verdict"),
    [
        ('severities = ["critical"]', (), "yes"),
        ('severities = ["critical"]', FINDINGS, "yes"),
        ('severities = ["critical", "high"]', FINDINGS, "no"),
        ('severities = ["critical"]\noverdue = true', FINDINGS, "no"),
        ('severities = ["critical"]\noverdue = true', FINDINGS[1:], "yes"),
        ('severities = ["critical"]\noverdue = false', FINDINGS, "yes"),
    ],
)
def test_an_open_finding_refuses_by_severity_or_when_overdue(
    fields: str, findings: tuple[OpenFinding, ...], verdict: str
) -> None:
    context = replace(CONTEXT, findings=findings)
    assert judged("findings", fields, context).verdict.value == verdict


@pytest.mark.parametrize(
    ("kind", "fields", "what"),
    [
        ("model_record", "", "needs 'require'"),
        ("model_record", 'require = ["ownr"]', "did you mean 'owner'"),
        ("findings", 'severities = ["severe"]', "nothing for severities"),
        ("findings", 'severities = ["high"]\noverdue = "yes"', "true or false"),
    ],
)
def test_malformed_rules_about_records_are_told(
    kind: str, fields: str, what: str
) -> None:
    with pytest.raises(MalformedPolicy, match=what):
        judged(kind, fields, CONTEXT)
