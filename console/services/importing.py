"""Importing: what sources tell becomes a batch in the log, once each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.opening import open_sources
from connectors.protocols import (
    FactSource,
    KnownState,
    RefusedInput,
    TableSource,
)
from console.services.configuration import SourceSetting
from console.services.opened import OpenStore, rfc3339
from console.services.problems import Refusal
from console.services.signing import Acting, append
from policies.predicates import LineageBatch
from store.facts import Fact, FactKind, Relation
from store.projection.batches import fact_tables, write_tables
from store.projection.new_facts import keep_new_facts
from store.projection.returned import changed_before, with_returned
from store.queries.models import current_aliases, current_stages
from store.queries.sql import last_heard

if TYPE_CHECKING:
    import pyarrow as pa

COLLECTOR = "countersign/import"
Watcher = Callable[[str, int], None]
"""Told the source's name and how many facts were read so far."""
_FACTS_PER_REPORT = 5_000


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What one source brought."""

    source: str
    accepted: int
    """Inputs taken: runs and versions, commits, events."""
    refused: tuple[RefusedInput, ...]
    new: dict[str, int]
    """New facts by kind; empty when everything was known."""
    new_relations: dict[str, int]
    """New edges by relation."""
    index: int | None
    """Entry that committed (the last of) them, if anything was new."""

    @property
    def new_edges(self) -> int:
        """New links of runs to dataset versions, each way."""
        return sum(
            self.new_relations.get(relation.value, 0)
            for relation in (Relation.READ, Relation.WROTE)
        )

    @property
    def new_parent_links(self) -> int:
        """New links of parent runs to their children."""
        return self.new_relations.get(Relation.CONTAINS.value, 0)

    def count(self, *kinds: FactKind) -> int:
        """New facts of some kinds."""
        return sum(self.new.get(kind.value, 0) for kind in kinds)


def import_address(
    store: OpenStore,
    acting: Acting,
    address: str,
    *,
    name: str = "",
    artifacts: str = "",
    watch: Watcher | None = None,
) -> list[ImportReport]:
    """Import every source at an address, or a configured source by its name.

    Raises:
        ConnectorError: a source cannot be read; what came before it stays.
    """
    setting = store.configuration.sources.get(address)
    if setting is not None:
        name, address = name or address, setting.address
        artifacts = artifacts or setting.artifacts
    reports = []
    for source in open_sources(address, name=name, artifacts=artifacts):
        reports.append(import_source(store, acting, source, watch=watch))
        remembered = SourceSetting(_absolute(address), _absolute(artifacts))
        store.remember_source(source.name, remembered)
    return reports


def import_source(
    store: OpenStore,
    acting: Acting,
    source: FactSource,
    *,
    watch: Watcher | None = None,
) -> ImportReport:
    """Read one source to its end and commit what is new.

    Nothing is committed when the source fails half-way. What is new becomes one batch,
    or several where it is millions of facts: of those a crash between two entries may
    leave the first, and the next import adds the others.
    """
    projection = store.projection
    projection.catch_up()
    now = store.clock()
    with projection.reading() as connection:
        aliases = {
            (alias.model, alias.name): alias.version_key
            for alias in current_aliases(connection)
        }
        stages = current_stages(connection)
        changed = changed_before(connection, source.name)
    known = KnownState(now, changed.last_heard, aliases, stages)
    index = None
    with tempfile.TemporaryDirectory(dir=store.folder) as folder:
        incoming = Path(folder) / "incoming"
        told = with_returned(_watched(source, known, watch), changed, now)
        write_tables(told, incoming)
        with projection.reading() as connection:
            kept = keep_new_facts(connection, incoming, source.name, Path(folder))
        batches = [
            LineageBatch(
                source=source.name,
                collector=COLLECTOR,
                batch=store.objects.put(_admitted(file.read_bytes(), source.name)),
                rows=rows,
                observed_at=rfc3339(now),
            )
            for file, rows in zip(kept.files, kept.rows, strict=True)
        ]
    for batch in batches:
        index = append(store, acting, batch, (source.name, batch.batch)).index
    if batches:
        projection.catch_up()
    tally = source.tally
    return ImportReport(
        source.name,
        tally.accepted,
        tuple(tally.refused),
        dict(kept.new),
        dict(kept.relations),
        index,
    )


def _admitted(data: bytes, source: str) -> bytes:
    """The bytes of a batch that every machine will take in.

    Raises:
        Refusal: they would be left out, so nothing is committed.
    """
    from store.projection.admission import UnusableBatch, admit_batch

    try:
        admit_batch(data, None)
    except UnusableBatch as problem:
        raise Refusal(
            f"what {source} tells makes no batch of facts: {problem}",
            hint="Nothing was written. Look at what that source holds.",
        ) from problem
    return data


def _watched(
    source: FactSource, known: KnownState, watch: Watcher | None
) -> Iterator[pa.Table]:
    """What a source tells, as tables; who watches hears how far it is."""
    told = 0
    if isinstance(source, TableSource):
        for table in source.tables(known):
            told += table.num_rows
            if watch is not None:
                watch(source.name, told)
            yield table
    else:
        yield from fact_tables(_counted(source, known, watch))


def _counted(
    source: FactSource, known: KnownState, watch: Watcher | None
) -> Iterator[Fact]:
    count = 0
    for count, fact in enumerate(source.facts(known), start=1):
        if watch is not None and count % _FACTS_PER_REPORT == 0:
            watch(source.name, count)
        yield fact
    if watch is not None:
        watch(source.name, count)


def last_seen(store: OpenStore, source: str) -> datetime | None:
    """When a source last told anything new; None if it never did."""
    with store.projection.reading() as connection:
        return last_heard(connection, source)


def _absolute(address: str) -> str:
    if not address or "://" in address:
        return address
    return str(Path(address).expanduser().resolve())
