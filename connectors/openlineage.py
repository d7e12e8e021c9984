"""OpenLineage events as facts: what those of one run add up to, and all facets.

Source: OpenLineage 2-0-2. What makes an event useless (no UUID, no job) refuses it;
what is merely lax is noted as a violation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import MalformedInput
from connectors.fact_rows import FactRows
from connectors.named_source import NamedSource
from connectors.openlineage_files import event_files, read_events
from connectors.openlineage_parsing import RawEvent, raw_event, value_of
from connectors.openlineage_parts import Job, Run, Touched
from connectors.openlineage_pieces import Pieces
from connectors.openlineage_runs import STATES, RunSoFar
from connectors.openlineage_secrets import text_without_secrets
from connectors.openlineage_telling import SHAPES, Teller
from connectors.parsing import well_formed
from connectors.protocols import KnownState, RefusedInput
from store.facts import Fact, FactKind, Strength

if TYPE_CHECKING:
    import msgspec
    import pyarrow as pa

MOST_RUNS = 250_000
"""Runs that are added up at once; what more is told of them adds up in the store."""
MOST_SIGHTINGS = 1_000_000
"""Of parameters and tags of such runs."""
_TYPES = {"START", "RUNNING", "OTHER", *STATES}


@dataclass(slots=True)
class Understood:
    """One event whose parts were read."""

    run: Run | None
    job: Job | None
    inputs: list[Touched]
    outputs: list[Touched]
    beside: Touched | None
    """What a dataset event is about."""


class OpenLineageSource(NamedSource):
    """A file of events, or a folder of such files."""

    def __init__(self, name: str, path: Path, *, runs_of: str = "") -> None:
        super().__init__(name)
        self._path = path
        self._pieces = Pieces(name, runs_of or name)
        """The source whose runs have the same UUIDs."""

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        for rows in self._filled():
            yield from rows.take_facts()

    def tables(self, known: KnownState) -> Iterator[pa.Table]:
        """See TableSource.tables."""
        for rows in self._filled():
            yield from rows.take_tables()

    def understand(self, event: RawEvent) -> Understood:
        """Read one event and tell nothing.

        Raises:
            MalformedInput: it is of no use.
        """
        with well_formed("the event"):
            return self._understood(event)

    def _filled(self) -> Iterator[FactRows]:
        """Rows of facts, again and again when there are enough to be passed on."""
        rows, runs = FactRows(SHAPES), dict[str, RunSoFar]()
        teller, sightings = Teller(rows), 0
        for where, data in self._events():
            try:
                event = raw_event(data, "the event")
                understood = self.understand(event)
            except MalformedInput as problem:
                self._tally.refused.append(RefusedInput(where, str(problem)))
                continue
            self._tally.accepted += 1
            sightings += _tell(understood, event, teller, runs)
            if rows.is_full:
                yield rows
            if len(runs) >= MOST_RUNS or sightings >= MOST_SIGHTINGS:
                yield from _added_up(runs, rows)
                runs.clear()
                sightings = 0
        yield from _added_up(runs, rows)

    def _events(self) -> Iterator[tuple[str, bytes]]:
        """Every event with where it stands."""
        for path in event_files(self._path):
            yield from read_events(path)

    def _understood(self, event: RawEvent) -> Understood:
        """There is no type, so the parts of an event tell what it is."""
        run, job, beside, pieces = (
            bytes(event.run),
            bytes(event.job),
            None,
            self._pieces,
        )
        inputs = pieces.datasets(bytes(event.inputs))
        outputs = pieces.datasets(bytes(event.outputs))
        if run:
            return Understood(pieces.run(run), pieces.job(job), inputs, outputs, None)
        if dataset := bytes(event.dataset):
            beside = pieces.dataset(dataset)
        elif not job:
            raise MalformedInput("neither a run, a job nor a dataset event")
        return Understood(
            None, pieces.job(job) if job else None, inputs, outputs, beside
        )


def _added_up(runs: dict[str, RunSoFar], rows: FactRows) -> Iterator[FactRows]:
    for key, run in runs.items():
        for kind, row in run.told(key):
            rows.add(kind, row)
        if rows.is_full:
            yield rows
    yield rows


def _tell(
    understood: Understood, event: RawEvent, teller: Teller, runs: dict[str, RunSoFar]
) -> int:
    """Tell what one event adds, and add it to its run; how many of the run's parameters
    and tags it has."""
    run, job = understood.run, understood.job
    told = _told(event.eventTime)
    moment, is_zoned = _moment(told)
    if job is not None:
        teller.job(job, moment)
    strength = Strength.DECLARED if run is None else Strength.OBSERVED
    beside = [understood.beside] if understood.beside else []
    for given in (*understood.inputs, *understood.outputs, *beside):
        teller.touched(given, moment, strength, run)
    if job is not None:
        teller.entries(job, understood.outputs, strength, run)
    if run is None or job is None:
        return 0
    teller.run(run, moment)
    state = str(_told(event.eventType) or "")
    for name, text in _laxities(event, job, told, moment, is_zoned, state):
        teller.violation(run.key, name, text)
    so_far = runs.get(run.key)
    if so_far is None:
        so_far = runs[run.key] = RunSoFar()
    so_far.take(state, moment)
    so_far.belongs_to(job.key, job.name)
    so_far.touch(understood.inputs, understood.outputs)
    so_far.link(run.parent, job.commit)
    so_far.say(FactKind.PARAM, run.params, moment)
    so_far.say(FactKind.TAG, run.tags, moment)
    return len(run.params) + len(run.tags)


def _laxities(
    event: RawEvent,
    job: Job,
    told: object,
    moment: datetime | None,
    is_zoned: bool,
    state: str,
) -> Iterator[tuple[str, str]]:
    """What the specification asks for and the event lacks."""
    for name, part in (("schemaURL", event.schemaURL), ("producer", event.producer)):
        if not _told(part):
            yield f"no {name}", ""
    if not job.namespace:
        yield "job without namespace", job.name[:80]
    if moment is None:
        yield "eventTime is no time", text_without_secrets(str(told))[:80]
    elif not is_zoned:
        yield "eventTime without time zone", text_without_secrets(str(told))[:80]
    if state and state not in _TYPES:
        yield "unknown eventType", text_without_secrets(state)[:80]


def _told(part: msgspec.Raw) -> object:
    return _value(bytes(part))


@lru_cache(4_096)
def _value(part: bytes) -> object:
    """A short text of an event; most are told again and again."""
    if not part:
        return None
    value = value_of(part)
    return value if isinstance(value, str | int | float) else str(value or "")


def _moment(value: object) -> tuple[datetime | None, bool]:
    """A time in UTC, and whether it named its zone; else it is taken for UTC."""
    try:
        moment = datetime.fromisoformat(str(value))
        zone = moment.tzinfo
        return moment.replace(tzinfo=zone or UTC).astimezone(UTC), zone is not None
    except (ValueError, OverflowError):
        return None, False
