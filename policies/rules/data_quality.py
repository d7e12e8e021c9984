"""Rules about the rows of a dataset: profiles that an import counted, and named checks
that a run told of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from policies.document import FieldValue, Rule
from policies.evidence import DatasetUse, Evidence
from policies.evidence_data import ColumnProfile, DataProfile
from policies.rules.forms import RuleKind, number, text, words
from policies.rules.measured import EXACT, node_of, yes_if
from policies.verdict import Node, Verdict

_Found = tuple[Verdict, str]
_ORDER = (Verdict.NO, Verdict.UNKNOWN, Verdict.YES)


def judge_data_check(rule: Rule, evidence: Evidence) -> Node:
    """Every version of the dataset that the run read passes the check."""
    wanted, name = _asks(rule), rule.text("dataset")
    uses = _uses(name, evidence)
    if not uses:
        return node_of(rule, Verdict.UNKNOWN, f"{name}: no dataset recorded", wanted)
    found = [
        (f"{use.name}@{use.digest[:19]}: ", _judged(rule, use, evidence))
        for use in sorted(uses, key=lambda use: (use.name, use.digest))
    ]
    worst = min((answer[0] for _, answer in found), key=_ORDER.index)
    observed = "; ".join(f"{who}{answer[1]}" for who, answer in found)
    return node_of(rule, worst, observed, wanted)


def _uses(name: str, evidence: Evidence) -> list[DatasetUse]:
    uses = evidence.lineage.datasets
    measured_on = evidence.lineage.evaluation_dataset
    if name == "training":
        return [use for use in uses if use.context != "evaluation"]
    if name == "evaluation":
        name = measured_on
    return [use for use in uses if use.name == name] if name else []


def _judged(rule: Rule, use: DatasetUse, evidence: Evidence) -> _Found:
    if not use.is_evidence:
        return Verdict.UNKNOWN, "no digest of the bytes"
    if rule.text("check") == "assertion":
        return _assertion(rule, use, evidence)
    profile = evidence.data.profile(use.digest)
    if profile is None:
        return Verdict.UNKNOWN, "no import counted its rows: import the Parquet file"
    return _ON_PROFILES[rule.text("check")](rule, profile, evidence)


def _assertion(rule: Rule, use: DatasetUse, evidence: Evidence) -> _Found:
    """Told to have passed, and never to have failed."""
    asked = (use.digest, rule.text("name"), rule.text("column"))
    answers = [
        check.is_passed
        for check in evidence.data.checks
        if (check.digest, check.name, check.column) == asked
    ]
    if not answers:
        return Verdict.UNKNOWN, "no run told of that check"
    return (Verdict.YES, "passed") if all(answers) else (Verdict.NO, "failed")


def _row_count(rule: Rule, profile: DataProfile, _: Evidence) -> _Found:
    within = _is_within(rule, Decimal(profile.rows), Decimal(profile.rows))
    return yes_if(within), f"{profile.rows} rows"


def _columns(rule: Rule, profile: DataProfile, evidence: Evidence) -> _Found:
    found = _typed(profile)
    others = [
        evidence.data.profile(use.digest) if use.is_evidence else None
        for use in _uses(rule.text("same_as"), evidence)
    ]
    known = [_typed(other) for other in others if other is not None]
    if "columns" in rule.fields:
        known.append(set(rule.names("columns")))
    if not known or len(known) < len(others):
        return Verdict.UNKNOWN, f"the columns of {rule.text('same_as')} are not known"
    differing = sorted(set().union(*(found ^ other for other in known)))
    if differing:
        return Verdict.NO, f"differs in {', '.join(differing)}"
    return Verdict.YES, f"{len(found)} columns, as asked"


def _typed(profile: DataProfile) -> set[str]:
    return {f"{column.name}:{column.type}" for column in profile.columns}


def _on_column(
    judge: Callable[[Rule, DataProfile, ColumnProfile], _Found],
) -> Callable[[Rule, DataProfile, Evidence], _Found]:
    def judged(rule: Rule, profile: DataProfile, _: Evidence) -> _Found:
        column = profile.find(rule.text("column"))
        if column is None:
            return Verdict.UNKNOWN, f"it has no column {rule.text('column')}"
        return judge(rule, profile, column)

    return judged


def _null_rate(rule: Rule, profile: DataProfile, column: ColumnProfile) -> _Found:
    if not profile.rows:
        return Verdict.UNKNOWN, "it has no rows"
    most = EXACT.multiply(rule.number("at_most") or Decimal(0), profile.rows)
    observed = f"{column.missing} of {profile.rows} rows lack {column.name}"
    return yes_if(column.missing <= most), observed


def _range(rule: Rule, _: DataProfile, column: ColumnProfile) -> _Found:
    least, most = _finite(column.least), _finite(column.most)
    if least is None or most is None:
        return Verdict.UNKNOWN, f"{column.name} has no finite extremes"
    return yes_if(_is_within(rule, least, most)), f"{column.least} to {column.most}"


def _unique(_: Rule, profile: DataProfile, column: ColumnProfile) -> _Found:
    if column.distinct is None:
        return Verdict.UNKNOWN, f"values of type {column.type} were not compared"
    observed = f"{column.distinct} different values in {profile.rows} rows"
    return yes_if(column.distinct == profile.rows), observed


def _is_within(rule: Rule, least: Decimal, most: Decimal) -> bool:
    low, high = rule.number("at_least"), rule.number("at_most")
    return (low is None or least >= low) and (high is None or most <= high)


def _finite(value: str) -> Decimal | None:
    try:
        number_ = Decimal(value)
    except InvalidOperation:
        return None
    return number_ if number_.is_finite() else None


_ON_PROFILES: Mapping[str, Callable[[Rule, DataProfile, Evidence], _Found]] = {
    "null_rate": _on_column(_null_rate),
    "row_count": _row_count,
    "range": _on_column(_range),
    "unique": _on_column(_unique),
    "columns": _columns,
}
_BOUNDS = frozenset({"at_least", "at_most"})
_TAKES: Mapping[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {
    "null_rate": (frozenset({"column", "at_most"}), frozenset(), frozenset()),
    "row_count": (frozenset(), _BOUNDS, frozenset()),
    "range": (frozenset({"column"}), _BOUNDS, frozenset()),
    "unique": (frozenset({"column"}), frozenset(), frozenset()),
    "columns": (frozenset(), frozenset({"columns", "same_as"}), frozenset()),
    "assertion": (frozenset({"name"}), frozenset(), frozenset({"column"})),
}
"""By check: fields that it needs, fields of which it needs one, and others."""


def _complaint(fields: Mapping[str, FieldValue]) -> str:
    check = str(fields["check"])
    needed, one_of, others = _TAKES[check]
    given = fields.keys() - {"dataset", "check"}
    if needed - given:
        return f"check {check} needs {', '.join(sorted(needed - given))}"
    if one_of and not one_of & given:
        return f"check {check} needs {' or '.join(sorted(one_of))}"
    surplus = sorted(given - needed - one_of - others)
    return f"check {check} takes no {', '.join(surplus)}" if surplus else ""


def _asks(rule: Rule) -> str:
    dataset, column = rule.text("dataset"), rule.text("column")
    return f"{dataset}: {_WORDS[rule.text('check')](rule, column)}"


def _bounds(rule: Rule) -> str:
    return " and ".join(
        f"{bound.replace('_', ' ')} {rule.text(bound)}"
        for bound in ("at_least", "at_most")
        if bound in rule.fields
    )


def _asks_columns(rule: Rule, _: str) -> str:
    asked = [", ".join(rule.names("columns"))] if "columns" in rule.fields else []
    if "same_as" in rule.fields:
        asked.append(f"those of {rule.text('same_as')}")
    return f"its columns are {' and '.join(asked)}"


_WORDS: Mapping[str, Callable[[Rule, str], str]] = {
    "null_rate": lambda rule, column: (
        f"at most {rule.text('at_most')} of the rows lack {column}"
    ),
    "row_count": lambda rule, _: f"{_bounds(rule)} rows",
    "range": lambda rule, column: f"every {column} {_bounds(rule)}",
    "unique": lambda _, column: f"no {column} twice or missing",
    "columns": _asks_columns,
    "assertion": lambda rule, column: (
        f"the check {rule.text('name')}{f' of {column}' if column else ''} passed"
    ),
}

KINDS = (
    RuleKind(
        "data_check",
        {
            "dataset": text(needed=True),
            "check": text(*_TAKES, needed=True),
            "column": text(),
            "at_least": number(),
            "at_most": number(),
            "columns": words(),
            "same_as": text(),
            "name": text(),
        },
        _asks,
        on_evidence=judge_data_check,
        complaint=_complaint,
    ),
)
"""The kinds of rule that this module judges."""
