"""Rules about the time at which a promotion is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from policies.document import FieldValue, Rule
from policies.evidence import Evidence
from policies.rules.context import Context, Held
from policies.rules.forms import RuleKind, days, text, time, words
from policies.verdict import Node, Verdict

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile("([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_MIDNIGHT = 24 * 60
_DAY = timedelta(days=1)


def judge_freeze(rule: Rule, _: Evidence, context: Context) -> Node:
    """Nothing is promoted while it lasts."""
    now = context.now.astimezone(UTC)
    is_frozen = _in_span(rule, now) and _in_week(rule, now)
    return Node(
        rule.id,
        Verdict.NO if is_frozen else Verdict.YES,
        f"judged at {WEEKDAYS[now.weekday()]} {now:%Y-%m-%d %H:%M} UTC",
        asks_freeze(rule),
        rule.why or "Wait until it is over.",
    )


def asks_freeze(rule: Rule) -> str:
    """When nothing is promoted, in words."""
    told = "no promotion"
    if rule.names("days"):
        told += f" on {', '.join(rule.names('days'))}"
    if rule.text("hours"):
        told += f" between {' and '.join(rule.text('hours').split('-'))}"
    if rule.text("from"):
        told += f" from {rule.text('from')}"
    if rule.text("until"):
        told += f" until {rule.text('until')}"
    return f"{told}, in UTC"


def judge_time_in_stage(rule: Rule, _: Evidence, context: Context) -> Node:
    """The version has been in another stage long enough, in one go."""
    longest = max((_length(h, context) for h in _fitting(rule, context)), default=None)
    if longest is None:
        observed, verdict = "never", Verdict.NO
    else:
        observed = f"{longest / _DAY:.1f} days"
        verdict = Verdict.YES if longest >= _DAY * rule.count("days") else Verdict.NO
    return Node(rule.id, verdict, observed, asks_time_in_stage(rule), rule.why)


def asks_time_in_stage(rule: Rule) -> str:
    """How long a version must have been where, in words."""
    where = rule.text("environment")
    place = f" in {where}" if where else ""
    return (
        f"at least {rule.count('days')} days in {rule.text('stage')}{place}, by the log"
    )


def _fitting(rule: Rule, context: Context) -> list[Held]:
    where = rule.text("environment")
    return [
        held
        for held in context.held
        if held.stage == rule.text("stage") and where in ("", held.environment)
    ]


def _length(held: Held, context: Context) -> timedelta:
    return (held.until or context.now) - held.since


def _in_span(rule: Rule, now: datetime) -> bool:
    start, end = rule.text("from"), rule.text("until")
    return (not start or datetime.fromisoformat(start) <= now) and (
        not end or now < datetime.fromisoformat(end)
    )


def _in_week(rule: Rule, now: datetime) -> bool:
    days = rule.names("days")
    if days and WEEKDAYS[now.weekday()] not in days:
        return False
    first, last = _minutes(rule.text("hours")) or (0, _MIDNIGHT)
    return first <= now.hour * 60 + now.minute < last


def _minutes(hours: str) -> tuple[int, int] | None:
    """First minute of the day and the one after the last; None: no such hours."""
    found = _HOURS.fullmatch(hours)
    if found is None:
        return None
    numbers = [int(part) for part in found.groups()]
    first, last = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    return (first, last) if first < last <= _MIDNIGHT else None


def _freeze_complaint(fields: Mapping[str, FieldValue]) -> str:
    if not fields:
        return "a freeze needs from, until, days or hours"
    hours = fields.get("hours")
    if hours is not None and _minutes(str(hours)) is None:
        return 'hours must be like "16:00-24:00", the first before the second'
    for name in ("from", "until"):
        if name in fields and not _is_time(str(fields[name])):
            return f"{name} is no time that there is"
    if "from" in fields and "until" in fields:
        start, end = (datetime.fromisoformat(str(fields[n])) for n in ("from", "until"))
        if start >= end:
            return "from must be before until"
    return ""


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


KINDS = (
    RuleKind(
        "freeze",
        {
            "from": time(),
            "until": time(),
            "days": words(*WEEKDAYS),
            "hours": text(),
        },
        asks_freeze,
        at_position=judge_freeze,
        complaint=_freeze_complaint,
    ),
    RuleKind(
        "time_in_stage",
        {"stage": text(needed=True), "environment": text(), "days": days(needed=True)},
        asks_time_in_stage,
        at_position=judge_time_in_stage,
    ),
)
"""Kinds of rules about the time."""
