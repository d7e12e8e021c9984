"""A log in memory, judged by the real ledger: what a judge may ask, and no store."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.services.opened import new_ledger
from policies.dsse import PAYLOAD_TYPE, Envelope, pre_authentication_encoding
from policies.keys import PublicKey, ed25519_public_key
from policies.ledger import Ledger
from policies.predicates import Prefix
from policies.statements import Statement
from store.judgement import IndexedEntry, Judgement, Standing
from store.merkle import MemoryTree, leaf_hash
from store.objects import sha256_hex

ORIGIN = "countersign.local/0123456789abcdef"
AT = "2026-03-01T12:00:00Z"


class Holder:
    """Somebody with an Ed25519 key that is the same in every run."""

    def __init__(self, name: str, number: int) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.id = name
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        raw = self._private.public_key().public_bytes_raw()
        self.key: PublicKey = ed25519_public_key(raw)

    def sign(self, data: bytes) -> bytes:
        """Sign exactly these bytes."""
        return self._private.sign(data)


@dataclass
class MemoryLog:
    """Entries as they were judged, and the ledger that judged them."""

    ledger: Ledger = field(default_factory=new_ledger)
    entries: list[bytes] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    tree: MemoryTree = field(default_factory=MemoryTree)

    def put(self, data: bytes) -> str:
        """Keep an object."""
        digest = sha256_hex(data)
        self.objects[digest] = data
        return digest

    def say(self, who: Holder, predicate: object, *, by: str = "") -> Judgement:
        """Sign a statement over the log as it is, append it, and judge it.

        `by` names somebody else than who signs.
        """
        head = Prefix(ORIGIN, self.size, self.tree.root().hex())
        subject = ("document", "0" * 64)
        statement = Statement(by or who.id, AT, head, subject, predicate)
        payload = statement.to_payload()
        signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
        return self.append(Envelope(payload, who.sign(signed), who.key.id).to_bytes())

    def append(self, data: bytes) -> Judgement:
        """Append bytes and judge them."""
        judgement = self.ledger.judge(self.size, data, self)
        self.entries.append(data)
        self.judgements.append(judgement)
        self.tree.append(leaf_hash(data))
        return judgement

    @property
    def size(self) -> int:
        """See History."""
        return len(self.entries)

    def root_at(self, size: int) -> bytes:
        """See History.root_at."""
        return self.tree.root(size)

    def find_statement(self, statement_id: str) -> IndexedEntry | None:
        """See History.find_statement."""
        found = [e for e in self._indexed() if e.judgement.statement_id == statement_id]
        return found[0] if found else None

    def on_topic(self, topic: str) -> list[IndexedEntry]:
        """See History.on_topic."""
        return [e for e in self._indexed() if topic in e.judgement.topics]

    def entry_bytes(self, index: int) -> bytes:
        """See History.entry_bytes."""
        return self.entries[index]

    def object(self, digest: str) -> bytes | None:
        """See History.object."""
        return self.objects.get(digest)

    def _indexed(self) -> list[IndexedEntry]:
        return [
            IndexedEntry(
                index=index, leaf=leaf_hash(self.entries[index]), judgement=judgement
            )
            for index, judgement in enumerate(self.judgements)
            if judgement.standing is Standing.ACCEPTED
        ]
