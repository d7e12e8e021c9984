"""Rules about how a version behaves where it runs: observations, and canaries.

They look at the newest observation of each deployment that gives the number asked for.
Judged anew at each position: they are never part of the text that is signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from policies.document import FieldValue, Rule
from policies.evidence import Evidence, Metric
from policies.rules.context import Context, Observed
from policies.rules.forms import Field, RuleKind, count, days, flag, number, text
from policies.rules.measured import (
    EXACT,
    label,
    node_of,
    number_of,
    samples_wanted,
    shown,
    too_few,
    wrong_unit,
    yes_if,
)
from policies.rules.numbers import (
    BETTER,
    FIRST,
    bounds_in_words,
    first_promotion,
    not_worse,
    one_margin,
    within_bounds,
)
from policies.verdict import Node, Verdict

_SKEW = timedelta(minutes=10)
"""How far ahead the clock of a monitor may have been."""
_FOUND = tuple[Verdict, str]
_WORST_FIRST = (Verdict.NO, Verdict.UNKNOWN, Verdict.YES)


def judge_observation(rule: Rule, evidence: Evidence, context: Context) -> Node:
    """The version was observed where the rule says, lately, within bounds."""
    wanted = _asks_observation(rule)
    seen = _newest(rule, _of_version(evidence, context))
    if not seen:
        return _unseen(rule, wanted)
    return _together(rule, wanted, seen, [_in_bounds(rule, o, context) for o in seen])


def judge_canary(rule: Rule, evidence: Evidence, context: Context) -> Node:
    """The version did as well as the one in the stage, on a share of its traffic."""
    wanted, incumbent = _asks_canary(rule), evidence.incumbent
    if not incumbent.exists:
        return first_promotion(rule, wanted)
    beside = [
        observed
        for observed in _of_version(evidence, context)
        if observed.baseline == incumbent.version_key
    ]
    seen = _newest(rule, beside)
    if not seen:
        return _unseen(rule, wanted)
    return _together(rule, wanted, seen, [_held_up(rule, o, context) for o in seen])


def _of_version(evidence: Evidence, context: Context) -> list[Observed]:
    """Observations of the bytes that are asked about."""
    mine = (evidence.model.version_key, evidence.model.manifest)
    return [o for o in context.observations if (o.version, o.manifest) == mine]


def _newest(rule: Rule, among: Sequence[Observed]) -> list[Observed]:
    """The newest that gives the number, of each deployment the rule is about."""
    name, slice_name, target = (rule.text(f) for f in ("metric", "slice", "target"))
    newest: dict[str, Observed] = {}
    for observed in sorted(among, key=lambda o: (o.until, o.entry)):
        if observed.environment != rule.text("environment"):
            continue
        if target and observed.target != target:
            continue
        if rule.fields.get("by_service") is True and not observed.is_by_service:
            continue
        if _find(observed.numbers, name, slice_name) is not None:
            newest[observed.target] = observed
    return [newest[name] for name in sorted(newest)]


def _in_bounds(rule: Rule, observed: Observed, context: Context) -> _FOUND:
    metric = _find(observed.numbers, rule.text("metric"), rule.text("slice"))
    value = number_of(metric)
    if metric is None or value is None:
        return Verdict.UNKNOWN, "no number"
    wrong = (
        _wrong_window(rule, observed, context)
        or wrong_unit(rule, dict(observed.units))
        or too_few(rule, metric)
    )
    return wrong or (yes_if(within_bounds(rule, value)), shown(metric))


def _held_up(rule: Rule, observed: Observed, context: Context) -> _FOUND:
    name, slice_name = rule.text("metric"), rule.text("slice")
    mine = _find(observed.numbers, name, slice_name)
    theirs = _find(observed.baseline_numbers, name, slice_name)
    value, reference = number_of(mine), number_of(theirs)
    if mine is None or theirs is None or value is None or reference is None:
        return Verdict.UNKNOWN, "not given of both versions"
    units = [dict(u).get(name, "") for u in (observed.units, observed.baseline_units)]
    if units[0] != units[1]:
        said = f"{units[0] or 'no unit'} against {units[1] or 'no unit'}"
        return Verdict.UNKNOWN, said
    wrong = (
        _wrong_window(rule, observed, context)
        or too_few(rule, mine)
        or too_few(rule, theirs)
    )
    if wrong:
        return wrong
    pair = (reference, value) if rule.text("better") == "lower" else (value, reference)
    least = rule.number("better_by")
    if least is None:
        least = EXACT.minus(rule.number("tolerance") or Decimal(0))
    said = f"{shown(mine)} against {shown(theirs)}"
    return yes_if(EXACT.subtract(*pair) >= least), said


def _wrong_window(rule: Rule, observed: Observed, context: Context) -> _FOUND | None:
    """Why an observation is of the wrong time, or of too short a one."""
    said = f"observed until {observed.until:%Y-%m-%d %H:%M} UTC"
    if observed.until > context.now + _SKEW:
        return Verdict.UNKNOWN, f"{said}, later than the time it is judged at"
    if context.now - observed.until > timedelta(days=rule.count("days")):
        return Verdict.NO, said
    if observed.until - observed.since < timedelta(hours=rule.count("window_hours")):
        hours = (observed.until - observed.since).total_seconds() / 3600
        return Verdict.NO, f"observed for {hours:.1f} hours"
    return None


def _find(numbers: Sequence[Metric], name: str, slice_name: str) -> Metric | None:
    for metric in numbers:
        if (metric.name, metric.slice) == (name, slice_name):
            return metric
    return None


def _unseen(rule: Rule, wanted: str) -> Node:
    return Node(
        rule.id,
        Verdict.UNKNOWN,
        "not observed there",
        wanted,
        rule.why or "Log what was measured: countersign observe REF --env ENV",
    )


def _together(
    rule: Rule, wanted: str, seen: Sequence[Observed], found: Sequence[_FOUND]
) -> Node:
    """One verdict from those of every deployment."""
    worst = min((verdict for verdict, _ in found), key=_WORST_FIRST.index)
    said = "; ".join(
        f"{observed.target}: {text} (entry {observed.entry})"
        for observed, (_, text) in zip(seen, found, strict=True)
    )
    return node_of(rule, worst, said, wanted)


def _asks_observation(rule: Rule) -> str:
    name = label(rule.text("metric"), rule.text("slice"))
    return f"{name} {bounds_in_words(rule)}{samples_wanted(rule)}, {_where(rule)}"


def _asks_canary(rule: Rule) -> str:
    name = label(rule.text("metric"), rule.text("slice"))
    return (
        f"{name} {not_worse(rule)}{samples_wanted(rule)}, beside it and {_where(rule)}"
    )


def _where(rule: Rule) -> str:
    target = f" at {rule.text('target')}" if "target" in rule.fields else ""
    by = " by a service" if rule.fields.get("by_service") is True else ""
    hours = rule.count("window_hours")
    window = f" for at least {hours} hours" if hours else ""
    return (
        f"observed{by} in {rule.text('environment')}{target}{window}, "
        f"no more than {rule.count('days')} days ago"
    )


def _observation_complaint(fields: Mapping[str, FieldValue]) -> str:
    if not {"at_least", "at_most"} & fields.keys():
        return "an observation rule needs at_least or at_most"
    return ""


_OF_DEPLOYMENT: Mapping[str, Field] = {
    "metric": text(needed=True),
    "slice": text(),
    "environment": text(needed=True),
    "target": text(),
    "days": days(needed=True),
    "window_hours": count(),
    "minimum_samples": count(),
    "by_service": flag(),
}
KINDS = (
    RuleKind(
        "observation",
        {**_OF_DEPLOYMENT, "at_least": number(), "at_most": number(), "unit": text()},
        _asks_observation,
        at_position=judge_observation,
        complaint=_observation_complaint,
    ),
    RuleKind(
        "canary",
        {
            **_OF_DEPLOYMENT,
            "better": BETTER,
            "tolerance": number(),
            "better_by": number(),
            "first_promotion": FIRST,
        },
        _asks_canary,
        at_position=judge_canary,
        complaint=one_margin,
    ),
)
"""The kinds of rule that this module judges."""
