"""A log read once for a report: every entry, its signature verified, its models judged.

A report and its verification look at the same entries many times; here each is read,
parsed and judged a single time, so that both take time in proportion to the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from console.services.judging import Judged, judge_standing
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.launch_auditing import records_of
from console.services.pipelines.launch_log import LaunchRecord
from console.services.problems import KNOWN_ERRORS
from policies.dsse import Envelope, read_envelope
from policies.errors import PolicyError
from policies.keys import PublicKey
from policies.predicates import PredicateType
from policies.statements import Statement, UnknownStatement, read_statement
from policies.trust_state import TrustState
from policies.verdict import Node, Verdict
from policies.workflow import Entry, Holder, ModelRecord, RunningRecord
from store import merkle
from store.errors import StoreDamaged
from store.judgement import IndexedEntry, Standing

_DECISION = "decision:"
_LAUNCHED = {
    PredicateType.LAUNCH_INTENT.value,
    PredicateType.LAUNCH_OUTCOME.value,
    PredicateType.LAUNCH_CANCELLATION.value,
}


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """An accepted entry of a log, with the key that made its signature."""

    index: int
    statement: Statement
    envelope: Envelope
    key: PublicKey

    @property
    def stem(self) -> str:
        """What the names of its files begin with."""
        return f"{self.index:06d}-{self.statement.type.short}"

    @property
    def entry(self) -> Entry:
        """As the workflow takes it."""
        return Entry(
            self.index, self.envelope.statement_id, self.statement, self.key.id
        )


def read_signed(
    store: OpenStore, index: int, state: TrustState, data: bytes
) -> SignedStatement:
    """Read an accepted entry from its bytes and verify its signature.

    Raises:
        StoreDamaged: it is not what this machine has judged.
    """
    envelope = read_envelope(data)
    statement = read_statement(envelope.payload)
    if isinstance(statement, UnknownStatement):
        raise StoreDamaged(f"entry {index} is of an unknown type")
    for key in state.keys_at(statement.by, index):
        if key.verifies(envelope.signature, envelope.signed_bytes):
            return SignedStatement(index, statement, envelope, key)
    raise StoreDamaged(
        f"the signature of entry {index} does not verify",
        hint="Run: countersign log verify",
    )


@dataclass(slots=True)
class ModelHistory:
    """Everything decided about one model, and its promotions judged again."""

    store: OpenStore
    state: TrustState
    entries: list[Entry]
    _running: RunningRecord = field(init=False)
    _judged: dict[tuple[int, bool], Judged] = field(default_factory=dict)
    record: ModelRecord = field(init=False)

    def __post_init__(self) -> None:
        self._running = RunningRecord(self.entries)
        self.record = RunningRecord(self.entries).before(self.state_size)

    @property
    def state_size(self) -> int:
        """Size of the log."""
        return self.store.index.size

    def judged(self, holder: Holder, *, as_recorded: bool) -> Judged:
        """A promotion judged again, at the time that its intent states.

        What became known of stolen keys later makes the only difference.
        """
        place = holder.intent.index, as_recorded or not self.state.suspect_since
        if place not in self._judged:
            self._judged[place] = self._judge(holder, as_recorded=place[1])
        return self._judged[place]

    def _judge(self, holder: Holder, *, as_recorded: bool) -> Judged:
        at = parse_time(holder.promoted_by.judged_at)
        try:
            return judge_standing(
                self.store,
                self.record,
                holder,
                at,
                reads_artifact=False,
                as_recorded=as_recorded,
                before=self._running.before,
            )
        except KNOWN_ERRORS as problem:
            tree = Node(
                "what the promotion rests on can be read",
                Verdict.NO,
                str(problem),
                "evidence, a policy and a trust root",
            )
            return Judged(tree, None, None, holder.intent.index, at)


class WholeLog:
    """Every entry of a store's log as it is now."""

    def __init__(self, store: OpenStore) -> None:
        self.store = store
        self.state = store.state()
        self.indexed: list[IndexedEntry] = store.index.entries()
        self._signed: dict[int, SignedStatement] = {}
        self._data: list[bytes] = []
        for entry in self.indexed:
            data = store.log.entry_bytes(entry.index)
            self._data.append(data)
            if entry.judgement.standing is Standing.ACCEPTED:
                self._signed[entry.index] = read_signed(
                    store, entry.index, self.state, data
                )

    def entry_bytes(self, index: int) -> bytes:
        """The exact bytes of an entry."""
        return self._data[index]

    def signed(self) -> Iterator[SignedStatement]:
        """The accepted entries, in order."""
        return iter(self._signed.values())

    @cached_property
    def tree(self) -> merkle.MemoryTree:
        """The Merkle tree over all entries."""
        return merkle.MemoryTree([entry.leaf for entry in self.indexed])

    @cached_property
    def launches(self) -> dict[str, LaunchRecord]:
        """Id of every launch -> everything that was said of it."""
        return records_of(signed.entry for signed in self.signed())

    @cached_property
    def void_launches(self) -> list[tuple[Entry, str]]:
        """Statements about launches that count for nothing, and why; only what people
        who were enrolled signed, because anybody can write rubbish."""
        accepted = {signed.entry.id for signed in self.signed()}
        found = []
        for entry in self.indexed:
            judged = entry.judgement
            if judged.standing is not Standing.VOID or judged.statement_id in accepted:
                continue
            if judged.predicate_type in _LAUNCHED:
                try:
                    signed = read_signed(
                        self.store, entry.index, self.state, self._data[entry.index]
                    )
                except (PolicyError, StoreDamaged):
                    continue
                found.append((signed.entry, judged.reason))
        return found

    @cached_property
    def models(self) -> dict[str, ModelHistory]:
        """Key of every model something was decided about -> its history."""
        found: dict[str, list[Entry]] = {}
        for entry in self.indexed:
            for topic in entry.judgement.topics:
                if topic.startswith(_DECISION):
                    key = topic.removeprefix(_DECISION)
                    found.setdefault(key, []).append(self._signed[entry.index].entry)
        return {
            key: ModelHistory(self.store, self.state, entries)
            for key, entries in sorted(found.items())
        }
