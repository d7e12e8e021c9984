"""Rules about what accompanies a model: its record, and findings that are open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policies.document import Rule
from policies.evidence import Evidence
from policies.rules.context import Context, ModelStanding
from policies.rules.forms import RuleKind, flag, words
from policies.verdict import Node, Verdict

SEVERITIES = ("critical", "high", "medium", "low")
_REQUIRABLE = ("owner", "tier", "purpose", "limits", "vendor_parts", "review_by")


@dataclass(frozen=True, slots=True)
class _Lack:
    """Why a part of a record does not do."""

    verdict: Verdict
    text: str


def judge_model_record(rule: Rule, _: Evidence, context: Context) -> Node:
    """The record has every part required, and its review is not overdue."""
    wanted, standing = asks_model_record(rule), context.model
    if standing is None:
        return Node(
            rule.id,
            Verdict.UNKNOWN,
            "the model has no record",
            wanted,
            rule.why or "Set one: countersign model set MODEL",
        )
    lacks = [
        lack
        for name in rule.names("require")
        for lack in [_lack(name, standing, context.now)]
        if lack is not None
    ]
    if not lacks:
        review = (
            f", review by {standing.review_by:%Y-%m-%d}" if standing.review_by else ""
        )
        observed = f"owner {standing.owner}, tier {standing.tier}{review}"
        return Node(rule.id, Verdict.YES, observed, wanted, rule.why)
    is_wrong = any(lack.verdict is Verdict.NO for lack in lacks)
    return Node(
        rule.id,
        Verdict.NO if is_wrong else Verdict.UNKNOWN,
        "; ".join(lack.text for lack in lacks),
        wanted,
        rule.why or "Set the record anew: countersign model set MODEL",
    )


def _lack(name: str, standing: ModelStanding, now: datetime) -> _Lack | None:
    match name:
        case "owner" if not standing.is_owner_in_force:
            return _Lack(Verdict.NO, f"owner {standing.owner} is not in force")
        case "vendor_parts" if not standing.vendor_parts:
            return _Lack(Verdict.UNKNOWN, "vendor parts not recorded")
        case "review_by" if standing.review_by is None:
            return _Lack(Verdict.UNKNOWN, "no date of the next review")
        case "review_by" if standing.review_by and now >= standing.review_by:
            return _Lack(Verdict.NO, f"review was due {standing.review_by:%Y-%m-%d}")
        case _:
            return None


def judge_findings(rule: Rule, _: Evidence, context: Context) -> Node:
    """No finding of these severities is open; with `overdue`, none past its date."""
    counted = [
        found
        for found in context.findings
        if found.severity in rule.names("severities")
        or (
            rule.fields.get("overdue") is True
            and found.due is not None
            and context.now >= found.due
        )
    ]
    listed = ", ".join(
        f"{found.id} ({found.severity}"
        + (f", due {found.due:%Y-%m-%d}" if found.due else "")
        + ")"
        for found in sorted(counted, key=lambda f: f.id)
    )
    return Node(
        rule.id,
        Verdict.NO if counted else Verdict.YES,
        f"open: {listed}" if counted else "none open",
        asks_findings(rule),
        rule.why or "Remedy it: countersign finding close ID --text TEXT",
    )


def asks_model_record(rule: Rule) -> str:
    """What a record must have, in words."""
    return f"a model record with {', '.join(rule.names('require'))}"


def asks_findings(rule: Rule) -> str:
    """Which findings must not be open, in words."""
    overdue = ", and none overdue" if rule.fields.get("overdue") is True else ""
    return (
        f"no open finding of severity {' or '.join(rule.names('severities'))}{overdue}"
    )


KINDS = (
    RuleKind(
        "model_record",
        {"require": words(*_REQUIRABLE, needed=True)},
        asks_model_record,
        at_position=judge_model_record,
    ),
    RuleKind(
        "findings",
        {"severities": words(*SEVERITIES, needed=True), "overdue": flag()},
        asks_findings,
        at_position=judge_findings,
    ),
)
"""The kinds of rule that this module judges."""
