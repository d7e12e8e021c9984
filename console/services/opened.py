"""One store, opened: its log caught up, its trust state, its projection when asked.

Opening never imports DuckDB or a key library; what needs them asks for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from console.services.configuration import Configuration, SourceSetting
from console.services.offline import (
    catch_up_or_look_back,
    confirmed_at,
    note_confirmed,
    remember_origin,
    remembered_origin,
    with_copy,
)
from console.services.places import Places
from console.services.problems import Misuse, Refusal, Undecided
from console.services.turns import Turn
from policies.checkpoint import read_checkpoint
from policies.document import Policy
from policies.document_reading import read_policy
from policies.dsse import Envelope, read_envelope
from policies.errors import PolicyError
from policies.ledger import Ledger
from policies.predicates import Prefix
from policies.statements import Statement, UnknownStatement, read_statement
from policies.trust_root import ServiceKind, TrustRoot
from policies.trust_state import TrustState
from policies.workflow import Entry
from store.backend import Backend, HoldsConnections, entry_path
from store.errors import NotAStore, StoreDamaged, StoreUnavailable
from store.folder import GONE_HINT
from store.heads import RememberedHeads
from store.judgement import Judge
from store.log import LARGEST_ENTRY_BYTES, Log, Progress
from store.objects import Objects
from store.opening import is_remote, open_backend
from store.statement_index import StatementIndex

if TYPE_CHECKING:
    from store.projection.apply import Projection

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """The time now, UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def rfc3339(moment: datetime) -> str:
    """A time as statements spell it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read a time as statements spell it.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_policy_header(data: bytes) -> tuple[str, int]:
    """Id and version of a policy document, for the ledger."""
    policy = read_policy(data)
    return policy.id, policy.version


def new_ledger() -> Ledger:
    """An empty ledger that can read our policies."""
    return Ledger(read_policy_header)


def signed_head(judge: Judge, data: bytes) -> tuple[int, bytes] | None:
    """Size and root of a checkpoint that the log key in force has signed."""
    if not isinstance(judge, Ledger):
        return None
    try:
        head = read_checkpoint(data)
        is_signed = head.is_signed_by(
            key
            for service in judge.state.services.values()
            if service.kind is ServiceKind.LOG
            for key in service.keys
        )
    except PolicyError:
        return None
    return (head.size, head.root) if is_signed else None


class OpenStore:
    """A store as this machine sees it now."""

    def __init__(
        self,
        backend: Backend,
        origin: str,
        places: Places,
        configuration: Configuration,
        *,
        clock: Clock = wall_clock,
    ) -> None:
        self.backend = backend
        self.origin = origin
        self.places = places
        self.configuration = configuration
        self.clock = clock
        self.folder = places.of_store(origin)
        self.is_answering = True
        """Whether the store itself was read; else this machine's copy is."""
        self.max_age = timedelta()
        """How old a head decisions accept while the store does not answer."""
        self.turn = Turn()
        """Threads that share the store take it before they ask."""
        self._states: dict[int, TrustState] = {}
        self._policies: dict[str, Policy] = {}
        self.index = StatementIndex(self.folder / "decisions.sqlite")
        self.log = Log(
            backend,
            self.index,
            RememberedHeads(self.folder / "heads"),
            new_ledger,
            signed_head=signed_head,
        )

    @property
    def address(self) -> str:
        """How a person names the store."""
        return self.backend.address

    @property
    def objects(self) -> Objects:
        """The store's objects."""
        return self.log.objects

    def catch_up(self, progress: Progress | None = None) -> int:
        """Read on to the end of the log; return its size."""
        size = self.log.catch_up(progress) if progress else self.log.catch_up()
        self._note_confirmed()
        return size

    def catch_up_or_look_back(self, progress: Progress | None = None) -> None:
        """Read on; where the store does not answer, go on with what is known here.

        Raises:
            StoreUnavailable: it does not, and this machine knows nothing of it.
        """
        catch_up_or_look_back(self, progress)

    def _note_confirmed(self) -> None:
        """Remember when the end of the log was last read from the store itself."""
        self.is_answering = True
        if is_remote(self.address):
            note_confirmed(self.folder, self.clock())

    @property
    def confirmed_at(self) -> datetime | None:
        """When this machine last read the end of the log, or None if never."""
        return confirmed_at(self.folder)

    def require_confirmed_head(self, max_age: timedelta = timedelta()) -> None:
        """Refuse to decide on a log whose end may have moved.

        Raises:
            Undecided: the store does not answer, and was last read longer ago.
        """
        if self.is_answering:
            return
        confirmed = self.confirmed_at
        if confirmed is not None and self.clock() - confirmed <= max_age:
            return
        when = "never" if confirmed is None else rfc3339(confirmed)
        raise Undecided(
            f"{self.address} does not answer; its end was last read {when}",
            hint="Try again when it answers, or allow an older head: --max-age 15m",
        )

    def state(self, before: int | None = None) -> TrustState:
        """The trust state at the end of the log, or before an entry. Not to change."""
        size = self.index.size
        position = size if before is None else min(before, size)
        deciding = self.index.newest_on_topics(position, *self._state_topics)
        if deciding not in self._states:
            self._states[deciding] = self._state_after(deciding)
        return self._states[deciding]

    @cached_property
    def _state_topics(self) -> tuple[str, ...]:
        return new_ledger().state_topics

    def _state_after(self, deciding: int) -> TrustState:
        ledger = new_ledger()
        entries = [
            (entry.index, self.log.entry_bytes(entry.index))
            for entry in self.index.on_topics(*self._state_topics)
            if entry.index <= deciding
        ]
        ledger.restore(entries, self.log.history)
        return ledger.state

    def root(self) -> TrustRoot:
        """The trust root in force."""
        root = self.state().root
        if root is None:
            raise Refusal(
                f"{self.address} has no trust root in force",
                hint="Its founders have not all signed it yet.",
            )
        return root

    @cached_property
    def first_root(self) -> str:
        """Digest of the root that came first: what an anchor pins."""
        for entry in self.index.on_topics("trust"):
            before = self.state(before=entry.index + 1)
            if before.root is not None:
                return before.root.digest
        return ""

    def prefix(self) -> Prefix:
        """What a statement made now testifies to."""
        head = self.log.head()
        return Prefix(self.origin, head.size, head.root)

    def policies(self, state: TrustState) -> list[Policy]:
        """The policies in force, read from their objects."""
        found = []
        for active in sorted(state.policies.values(), key=lambda p: p.id):
            if active.digest not in self._policies:
                self._policies[active.digest] = read_policy(
                    self.objects.get(active.digest), path=active.id
                )
            found.append(self._policies[active.digest])
        return found

    def entry(self, index: int) -> tuple[Envelope, Statement]:
        """An accepted entry, parsed.

        Raises:
            StoreDamaged: it is not what this machine has judged.
        """
        envelope = read_envelope(self.log.entry_bytes(index))
        statement = read_statement(envelope.payload)
        if isinstance(statement, UnknownStatement):
            raise StoreDamaged(f"entry {index} is of an unknown type")
        return envelope, statement

    def verified_entries(self, topic: str, state: TrustState) -> list[Entry]:
        """Accepted entries on a topic, each signature checked again.

        Raises:
            StoreDamaged: a signature does not verify.
        """
        found = []
        for indexed in self.index.on_topics(topic):
            envelope, statement = self.entry(indexed.index)
            key = next(
                (
                    key.id
                    for key in state.keys_at(statement.by, indexed.index)
                    if key.verifies(envelope.signature, envelope.signed_bytes)
                ),
                "",
            )
            if not key:
                raise StoreDamaged(
                    f"the signature of entry {indexed.index} does not verify",
                    hint="Run: countersign log verify",
                )
            found.append(Entry(indexed.index, envelope.statement_id, statement, key))
        return found

    def require_known_types(self) -> None:
        """Refuse to decide beside statements this version cannot read.

        Raises:
            Undecided: there are such, or the end of the log is not known.
        """
        self.require_confirmed_head(self.max_age)
        count = self.index.count_unknown()
        if count:
            raise Undecided(
                f"{count} entries are of a type or version this program does not know, "
                "or name a missing document",
                hint="Upgrade countersign; see: countersign log show",
            )

    @cached_property
    def projection(self) -> Projection:
        """The DuckDB projection; opening it imports DuckDB."""
        from console.services.committed_batches import CommittedBatches
        from store.projection.apply import Projection

        path = self.folder / "lineage.duckdb"
        return Projection(path, self.index, self.objects, CommittedBatches(self))

    def sources(self) -> dict[str, SourceSetting]:
        """Where this machine reads each source: configured, else last imported from."""
        try:
            raw = json.loads((self.folder / "sources.json").read_text())
        except (OSError, ValueError):
            raw = {}
        remembered = {
            name: SourceSetting(str(entry["address"]), str(entry["artifacts"]))
            for name, entry in raw.items()
        }
        return remembered | dict(self.configuration.sources)

    def remember_source(self, name: str, setting: SourceSetting) -> None:
        """Note where a source was read, for reading its artifacts again."""
        known = self.sources() | {name: setting}
        target = self.folder / "sources.json"
        aside = target.with_suffix(".new")
        aside.write_text(
            json.dumps(
                {
                    key: {"address": value.address, "artifacts": value.artifacts}
                    for key, value in known.items()
                }
            )
        )
        aside.replace(target)

    def close(self) -> None:
        """Release what is open."""
        self.index.close()
        if isinstance(self.backend, HoldsConnections):
            self.backend.close()


def read_origin(backend: Backend) -> str:
    """The origin that a store's first entry claims.

    Raises:
        NotAStore: there is no first entry that could found a log.
    """
    data = backend.read(entry_path(0), at_most=LARGEST_ENTRY_BYTES)
    statement: object = None
    if data is not None:
        try:
            statement = read_statement(read_envelope(data).payload)
        except PolicyError as cause:
            raise NotAStore(
                f"the first entry at {backend.address} founds no log: {cause}",
                hint="Restore it from a backup.",
            ) from cause
    if not isinstance(statement, Statement):
        raise NotAStore(
            f"there is no store at {backend.address}",
            hint=f"Create one: countersign init --store {backend.address}",
        )
    return statement.prefix.origin


def open_store(
    address: str,
    places: Places,
    configuration: Configuration,
    *,
    anchor: str = "",
    max_age: timedelta = timedelta(),
    clock: Clock = wall_clock,
    progress: Progress | None = None,
) -> OpenStore:
    """Open a store, read on to its end and hold it against the pinned anchor.

    Raises:
        Misuse: no address was given.
        NotAStore: nothing is there, and nothing was when this machine looked before.
        StoreUnavailable: what was there is gone.
        Refusal: the store does not begin with the pinned or remembered root.
    """
    if not address:
        raise Misuse(
            "no store was named",
            hint="Give --store FOLDER or set COUNTERSIGN_STORE; "
            "make one with: countersign init --store FOLDER",
        )
    try:
        backend = open_backend(address)
        if is_remote(address):
            origin = remembered_origin(backend.address, places) or read_origin(backend)
            backend = with_copy(backend, places, origin)
        else:
            origin = read_origin(backend)
            remember_origin(address, places, origin)
    except NotAStore as problem:
        if not (origin := remembered_origin(address, places)):
            raise
        raise StoreUnavailable(
            f"{problem}; this machine has read the log {origin} there",
            hint=GONE_HINT,
        ) from problem
    store = OpenStore(backend, origin, places, configuration, clock=clock)
    store.max_age = max_age
    try:
        store.catch_up_or_look_back(progress)
        check_anchor(store, anchor)
    except BaseException:
        store.close()
        raise
    return store


def check_anchor(store: OpenStore, anchor: str) -> None:
    """Compare the first root with what is pinned, or was confirmed before.

    Raises:
        Refusal: it is another one.
    """
    expected = anchor.strip().lower() or confirmed_anchor(store)
    if expected and expected != store.first_root:
        raise Refusal(
            f"{store.address} begins with the trust root {store.first_root[:16]}..., "
            f"and {expected[:16]}... is pinned",
            hint="This is another log than the one you trust. Do not use it.",
        )
    if anchor:
        confirm_anchor(store)


def confirmed_anchor(store: OpenStore) -> str:
    """The first root that a person confirmed on this machine, or empty."""
    try:
        return (store.folder / "anchor").read_text().strip()
    except OSError:
        return ""


def confirm_anchor(store: OpenStore) -> None:
    """Remember the first root as the one this machine trusts."""
    if confirmed_anchor(store) != store.first_root:
        (store.folder / "anchor").write_text(store.first_root + "\n")
