"""The history of a model: which version had which alias or stage, from when to when.

What the registry showed is known as intervals, with the time that nobody observed; what
the log approved is known to the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from console.services.catalogue import caught_up
from console.services.moments import NOW, Asked
from console.services.opened import OpenStore, parse_time
from policies.topics import model_topic
from policies.workflow import RunningRecord
from store.identifiers import split_key
from store.queries.models import list_versions
from store.queries.resolve import resolve_version
from store.queries.sql import last_heard
from store.queries.tenures import (
    Span,
    alias_changes,
    deleted_among,
    spans,
    stage_changes,
)
from store.references import Reference, ReferenceKind, parse_reference


class Told(StrEnum):
    """By whom, and of what kind."""

    LOG = "log"
    """A stage that the log approved."""
    ALIAS = "alias"
    """An alias in the registry."""
    STAGE = "stage"
    """A stage in the registry's own sense."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """A version in a place, for a time.

    It was there from `seen_from` to `seen_until`; it may have been from `not_before` to
    `not_after`. By the log both are the same.
    """

    kind: Told
    name: str
    """The alias or the stage."""
    environment: str
    """Of a stage by the log; else empty."""
    version: str
    not_before: datetime | None
    """None: nobody looked before it was first seen."""
    seen_from: datetime | None
    seen_until: datetime | None
    """None: it holds, by the log."""
    not_after: datetime | None
    """None: it is not known to have ended."""
    is_current: bool
    is_deleted: bool
    """Whether the registry has deleted the version since."""


@dataclass(frozen=True, slots=True)
class Unobserved:
    """A time in which nobody looked, and what was seen before and after it."""

    kind: Told
    name: str
    """The alias; or the version whose stage it is."""
    start: datetime | None
    """None: nobody ever looked before."""
    end: datetime | None
    """None: nobody has looked since."""
    before: str | None
    """Empty when it was seen to be nothing; None when it was not seen."""
    after: str | None


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """Everything that is known of who held what, oldest first in each place."""

    model: str
    last_heard: datetime | None
    """When the registry last told anything new."""
    tenures: tuple[Tenure, ...]
    unobserved: tuple[Unobserved, ...]


def model_history(store: OpenStore, text: str, asked: Asked = NOW) -> ModelHistory:
    """Which versions of a model held which alias and stage, and when.

    At a past moment, only what may have held then, and the unobserved time around it.

    Raises:
        UnknownReference: no one model answers to the name.
    """
    caught_up(store)
    reference = parse_reference(text, default_kind=ReferenceKind.MODEL)
    with store.projection.reading(asked.known_at) as connection:
        named = Reference(reference.kind, reference.name)
        model = resolve_version(connection, named)
        versions = [v.key for v in list_versions(connection, model_key=model.model_key)]
        gone = deleted_among(connection, versions)
        aliases = alias_changes(connection, model.model_key)
        stages = stage_changes(connection, versions)
        heard = last_heard(connection, model.source)
    end = store.index.size if asked.known_at is None else asked.known_at + 1
    found = [
        (Told.ALIAS, name, spans(changes, heard))
        for (_, name), changes in sorted(aliases.items())
    ]
    found += [
        (Told.STAGE, key, spans(changes, heard))
        for (key, _), changes in sorted(stages.items())
    ]
    tenures = [
        *_by_the_log(store, model.model_key, gone, end),
        *(
            _tenure(kind, track, span, gone)
            for kind, track, held in found
            for span in held
            if span.value
        ),
    ]
    unobserved = [
        gap for kind, track, held in found for gap in _gaps(kind, track, held)
    ]
    return ModelHistory(
        model=f"{model.source}/{model.model}",
        last_heard=heard,
        tenures=tuple(t for t in tenures if _may_hold(t, asked.as_of)),
        unobserved=tuple(u for u in unobserved if _is_within(u, asked.as_of)),
    )


def _may_hold(tenure: Tenure, as_of: datetime | None) -> bool:
    """Whether a version may have been in its place at a moment."""
    if as_of is None:
        return True
    low, high = tenure.not_before, tenure.not_after
    if tenure.kind is Told.LOG:
        return (low is None or low <= as_of) and (high is None or as_of < high)
    if tenure.seen_from is not None and tenure.seen_from <= as_of:
        return high is None or as_of < high
    return low is None or low < as_of


def _is_within(gap: Unobserved, as_of: datetime | None) -> bool:
    """Whether a moment lies in a time that nobody observed."""
    return as_of is None or (
        (gap.start is None or gap.start < as_of)
        and (gap.end is None or as_of < gap.end)
    )


def _tenure(kind: Told, track: str, span: Span, gone: frozenset[str]) -> Tenure:
    name, version = (track, span.value) if kind is Told.ALIAS else (span.value, track)
    return Tenure(
        kind=kind,
        name=name,
        environment="",
        version=_number(version),
        not_before=span.not_before,
        seen_from=span.seen_from,
        seen_until=span.seen_until,
        not_after=span.not_after,
        is_current=span.is_last,
        is_deleted=version in gone,
    )


def _gaps(kind: Told, track: str, held: list[Span]) -> Iterator[Unobserved]:
    """Before each span, and after the last one that holds something."""
    name = track if kind is Told.ALIAS else _number(track)
    before: str | None = None
    for span in held:
        value = _shown(kind, span.value)
        if span.not_before != span.seen_from:
            start, end = span.not_before, span.seen_from
            yield Unobserved(kind, name, start, end, before, value)
        before = value
    if held and held[-1].value:
        yield Unobserved(kind, name, held[-1].seen_until, None, before, None)


def _shown(kind: Told, value: str) -> str:
    return _number(value) if value and kind is Told.ALIAS else value


def _number(version: str) -> str:
    return split_key(version)[1][-1]


def _by_the_log(
    store: OpenStore, model: str, gone: frozenset[str], end: int
) -> Iterator[Tenure]:
    """What the log approved, each stage from the promotion that filled it."""
    entries = store.verified_entries(model_topic(model), store.state())
    record = RunningRecord(entries).before(end)
    for (environment, stage), held in sorted(record.holders.items()):
        for number, holder in enumerate(held):
            following = held[number + 1] if number + 1 < len(held) else None
            ending = holder.ended or (following and following.began)
            began = parse_time(holder.began.statement.at)
            ended = parse_time(ending.statement.at) if ending else None
            yield Tenure(
                kind=Told.LOG,
                name=stage,
                environment=environment,
                version=_number(holder.version),
                not_before=began,
                seen_from=began,
                seen_until=ended,
                not_after=ended,
                is_current=ending is None,
                is_deleted=holder.version in gone,
            )
