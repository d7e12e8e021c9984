"""Importing: what sources tell becomes a batch in the log, once each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.mlflow.client import Secret
from connectors.mlflow.database_address import without_password
from connectors.opening import open_sources
from connectors.protocols import (
    FactSource,
    KnownState,
    RefusedInput,
    TableSource,
)
from console.services.configuration import SourceSetting
from console.services.import_folder import import_folder
from console.services.opened import OpenStore, rfc3339
from console.services.problems import Refusal
from console.services.secret_references import password_of
from console.services.signing import Acting, append
from console.services.told_parts import parts_told, remember_parts
from policies.predicates import LineageBatch
from store.ahead import ahead
from store.facts import FactKind, Relation
from store.projection.batches import fact_tables
from store.projection.keeping import Kept, keep_new_facts
from store.projection.prepared import Prepared
from store.queries.models import current_aliases, current_stages
from store.queries.sql import last_heard

if TYPE_CHECKING:
    import pyarrow as pa

COLLECTOR = "countersign/import"
Watcher = Callable[[str, int], None]
"""Told the source's name and how many facts were read so far."""
_FACTS_PER_TABLE = 5_000


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
    password: Secret | None = None,
    watch: Watcher | None = None,
) -> list[ImportReport]:
    """Import every source at an address, or a configured source by its name.

    A password in a database's address is used and not remembered.

    Raises:
        ConnectorError: a source cannot be read; what came before it stays.
    """
    setting = store.configuration.sources.get(address)
    if setting is not None:
        name, address = name or address, setting.address
        artifacts = artifacts or setting.artifacts
        password = password or password_of(setting)
    address, inside = without_password(address)
    reports = []
    for source in open_sources(
        address, name=name, artifacts=artifacts, password=password or inside
    ):
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
        heard = last_heard(connection, source.name)
    parts = parts_told(store, source.name)
    known = KnownState(now, heard, aliases, stages, parts)
    index = None
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(import_folder(store.folder))
        prepared = stack.enter_context(Prepared(projection, folder, source.name))
        kept = _kept(store, source, known, folder, prepared, watch)
        digests = [store.objects.put(file.read_bytes()) for file in kept.files]
        projection.admitted.update(digests)
        for digest, rows in zip(digests, kept.rows, strict=True):
            batch = LineageBatch(
                source=source.name,
                collector=COLLECTOR,
                batch=digest,
                rows=rows,
                observed_at=rfc3339(now),
            )
            index = append(store, acting, batch, (source.name, digest)).index
        if digests:
            prepared.put_in_place(digests)
            projection.catch_up()
    remember_parts(store, source.name, parts)
    tally = source.tally
    return ImportReport(
        source.name,
        tally.accepted,
        tuple(tally.refused),
        dict(kept.new),
        dict(kept.relations),
        index,
    )


def _kept(
    store: OpenStore,
    source: FactSource,
    known: KnownState,
    folder: Path,
    prepared: Prepared,
    watch: Watcher | None,
) -> Kept:
    """What is new of all that a source tells, read to its end and found good."""
    told = _watched(ahead(_tables(source, known)), source.name, watch)
    with contextlib.closing(told), _Admission(source.name) as admission:
        kept = keep_new_facts(
            store.projection,
            told,
            source.name,
            folder,
            known.now,
            admission.begin,
            prepared.take,
        )
        admission.finish()
    return kept


class _Admission:
    """Finds out, while more is read, whether what was kept makes batches."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._pool = ThreadPoolExecutor(1)
        self._found: list[Future[None]] = []

    def __enter__(self) -> _Admission:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, file: Path) -> None:
        """Look at one file."""
        self._found.append(self._pool.submit(_check_file, file))

    def finish(self) -> None:
        """Wait for the answers.

        Raises:
            Refusal: a batch would be left out, so nothing is committed.
        """
        from store.projection.fact_checks import UnusableBatch

        for found in self._found:
            try:
                found.result()
            except UnusableBatch as problem:
                raise Refusal(
                    f"what {self._source} tells makes no batch of facts: {problem}",
                    hint="Nothing was written. Look at what that source holds.",
                ) from problem


def _check_file(file: Path) -> None:
    from store.projection.admission import check_batch

    check_batch(file.read_bytes(), None)


def _tables(source: FactSource, known: KnownState) -> Iterator[pa.Table]:
    """What a source tells, as tables; small ones where it takes its time."""
    if isinstance(source, TableSource):
        return source.tables(known)
    return fact_tables(source.facts(known), _FACTS_PER_TABLE)


def _watched(
    tables: Iterable[pa.Table], name: str, watch: Watcher | None
) -> Generator[pa.Table]:
    """The tables; who watches hears how far it is."""
    told = 0
    for table in tables:
        told += table.num_rows
        if watch is not None:
            watch(name, told)
        yield table


def last_seen(store: OpenStore, source: str) -> datetime | None:
    """When a source last told anything new; None if it never did."""
    with store.projection.reading() as connection:
        return last_heard(connection, source)


def _absolute(address: str) -> str:
    if not address or "://" in address:
        return address
    return str(Path(address).expanduser().resolve())
