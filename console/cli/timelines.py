"""A model's history for a person: what held, and what nobody saw, in one order."""

from __future__ import annotations

from datetime import UTC, datetime

from console.cli.forms import show_rows
from console.cli.output import moment, say
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.tenures import ModelHistory, Tenure, Told, Unobserved

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_ORDER = {kind: position for position, kind in enumerate(Told)}
Row = tuple[str, str, str, str]


def show_history(history: ModelHistory, form: str = "table") -> None:
    """One table: each place by time, unobserved stretches between what was seen."""
    rows = [(_key(t, t.seen_from), _tenure_row(t)) for t in history.tenures]
    rows += [(_key(u, u.start), _gap_row(u)) for u in history.unobserved]
    show_rows(
        form,
        ("WHAT", "FROM", "UNTIL", "HELD BY"),
        [row for _, row in sorted(rows, key=lambda pair: pair[0])],
    )
    if history.tenures:
        say(
            f"The registry of {history.model} last told anything new "
            f"{moment(history.last_heard)}. What moved away and back between two "
            "imports was seen by nobody."
        )


def _key(one: Tenure | Unobserved, start: datetime | None) -> tuple[object, ...]:
    """By kind and place, then by time; what was seen goes before what was not."""
    is_gap = isinstance(one, Unobserved)
    return _ORDER[one.kind], _what(one), start or _EARLIEST, is_gap


def _what(one: Tenure | Unobserved) -> str:
    if isinstance(one, Tenure) and one.kind is Told.LOG:
        named = one.environment != DEFAULT_ENVIRONMENT
        return f"log {one.name}" + (f" in {one.environment}" if named else "")
    if one.kind is Told.ALIAS:
        return f"alias {one.name}"
    number = one.version if isinstance(one, Tenure) else one.name
    return f"stage of {number}"


def _tenure_row(tenure: Tenure) -> Row:
    held = tenure.name if tenure.kind is Told.STAGE else tenure.version
    deleted = " (deleted since)" if tenure.is_deleted else ""
    return (
        _what(tenure),
        moment(tenure.seen_from),
        moment(tenure.seen_until) if tenure.seen_until else "now",
        f"{held}{deleted}",
    )


def _gap_row(gap: Unobserved) -> Row:
    if gap.before is None:
        held = f"unseen; then {gap.after or 'nothing'}"
    elif gap.after is None:
        held = f"unseen; {gap.before} before"
    else:
        held = f"unseen; {gap.before or 'nothing'} or {gap.after or 'nothing'}"
    return _what(gap), moment(gap.start), moment(gap.end), held
