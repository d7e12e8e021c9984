"""Sign-off where the store cannot be reached: packed here, signed there, handed in.

A pack is opened as a store in memory, so that its log is judged and its review rendered
by exactly the code that does so for a store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.services.artifact_check import check_artifact
from console.services.configuration import Configuration
from console.services.currency import require_current
from console.services.judging import evidence_of
from console.services.opened import (
    Clock,
    OpenStore,
    parse_time,
    read_origin,
    rfc3339,
    wall_clock,
)
from console.services.places import Places
from console.services.problems import Misuse, Refusal, Undecided
from console.services.reviewing import (
    ReviewSheet,
    all_requests,
    find_request,
    review_sheet,
)
from console.services.signing import Acting, sign_statement
from console.services.signoff import bind_answer
from policies.errors import PolicyError
from policies.evidence import item_bytes
from policies.evidence_reading import read_manifest
from policies.predicates import Approval, Decision, EvidenceCheck
from policies.review_pack import (
    ReviewPack,
    SignedAnswer,
    read_pack,
    read_signed_answer,
)
from policies.statements import Statement, read_statement
from policies.workflow import RequestRecord, RequestState
from store.backend import Backend, entry_path, object_path
from store.errors import StoreError
from store.objects import sha256_hex


class PackBackend:
    """The entries and objects of a pack, as a store to read."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self._content = content

    @property
    def address(self) -> str:
        """See Backend."""
        return "the review pack"

    def read(self, path: str, *, at_most: int) -> bytes | None:
        """See Backend.read."""
        data = self._content.get(path)
        return None if data is None or len(data) > at_most else data

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Keep an object in memory; a pack's log never grows."""
        if not path.startswith("object/"):
            raise StoreError(f"{path} cannot be written into a review pack")
        return self._content.setdefault(path, data) is data

    def names(self, prefix: str) -> Iterator[str]:
        """See Backend.names."""
        return (name for name in list(self._content) if name.startswith(prefix))


class NotingBackend(PackBackend):
    """A store that is read through, noting which objects were needed."""

    def __init__(self, entries: dict[str, bytes], source: Backend) -> None:
        super().__init__(entries)
        self._source = source
        self.needed: dict[str, bytes] = {}

    def read(self, path: str, *, at_most: int) -> bytes | None:
        """See Backend.read."""
        if not path.startswith("object/"):
            return super().read(path, at_most=at_most)
        data = self._source.read(path, at_most=at_most)
        if data is not None:
            self.needed[path] = data
        return data


@dataclass(frozen=True, slots=True)
class OpenPack:
    """A pack that was judged: its log as a store, and the review rendered anew."""

    store: OpenStore
    sheet: ReviewSheet


def make_pack(store: OpenStore, record: RequestRecord) -> bytes:
    """Everything that an approver elsewhere needs to check a request.

    Raises:
        Refusal: the review rendered here is not the one that was frozen.
    """
    entries = [store.log.entry_bytes(index) for index in range(store.index.size)]
    content = {entry_path(index): data for index, data in enumerate(entries)}
    backend = NotingBackend(content, store.backend)
    with _in_memory(backend, store.clock) as copy:
        _sheet_of(copy, record.id)
        for person in copy.state().people.values():
            copy.objects.find(person.profile)
    return ReviewPack(
        record.id, tuple(entries), tuple(backend.needed.values())
    ).to_bytes()


@contextmanager
def open_pack(data: bytes, clock: Clock = wall_clock) -> Iterator[OpenPack]:
    """Judge the log in a pack and render its review; nothing in it is trusted yet.

    Raises:
        Misuse: it is no review pack.
        Refusal: its log or its review is not what its digests promise.
    """
    try:
        pack = read_pack(data)
    except PolicyError as cause:
        raise Misuse(f"this is no review pack: {cause}") from cause
    content = {entry_path(index): entry for index, entry in enumerate(pack.entries)}
    content |= {object_path(sha256_hex(item)): item for item in pack.objects}
    with _in_memory(PackBackend(content), clock) as store:
        if store.index.size != len(pack.entries):
            raise Refusal("the log in the pack cannot be read to its end")
        yield OpenPack(store, _sheet_of(store, pack.request))


@contextmanager
def _in_memory(backend: PackBackend, clock: Clock) -> Iterator[OpenStore]:
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder), Path(folder))
        origin = read_origin(backend)
        store = OpenStore(backend, origin, places, Configuration(), clock=clock)
        try:
            store.catch_up()
            yield store
        finally:
            store.close()


def _sheet_of(store: OpenStore, request: str) -> ReviewSheet:
    state = store.state()
    sheet = review_sheet(store, find_request(store, request, state), state)
    store.objects.get(sheet.record.request.review)
    return sheet


def require_anchor(
    opened: OpenPack, places: Places, anchor: str, confirm: Callable[[str], bool]
) -> None:
    """Hold the first root in a pack against what is pinned, or was confirmed here.

    Raises:
        Refusal: the pack begins with another root.
        Undecided: nothing is pinned and nobody confirms it.
    """
    first_root = opened.store.first_root
    note = places.of_store(opened.store.origin) / "anchor"
    try:
        remembered = note.read_text().strip()
    except OSError:
        remembered = ""
    expected = anchor.strip().lower() or remembered
    if expected and expected != first_root:
        raise Refusal(
            f"the pack begins with the trust root {first_root[:16] or 'none'}..., "
            f"and {expected[:16]}... is pinned",
            hint="It is of another log than the one you trust. Do not sign.",
        )
    if not expected and not confirm(first_root):
        raise Undecided(
            "nothing says that the first trust root in the pack is the right one",
            hint="Give the fingerprint you were told by another way: --anchor F",
        )
    if not remembered:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(first_root + "\n")


def sign_pack(
    opened: OpenPack,
    acting: Acting,
    decision: Decision,
    reason: str,
    *,
    role: str = "",
    artifact_folder: str = "",
) -> bytes:
    """The signed answer to a pack, as the file to send back.

    Raises:
        Refusal: the signer may not answer, or the artifact is another.
    """
    store, sheet = opened.store, opened.sheet
    approval = bind_answer(
        store,
        acting,
        sheet,
        decision,
        reason,
        role,
        lambda: _checks(store, sheet.record, artifact_folder),
    )
    envelope = sign_statement(
        acting,
        approval,
        (approval.version, approval.manifest),
        store.prefix(),
        rfc3339(store.clock()),
    )
    return SignedAnswer(envelope, store.objects.get(approval.reason)).to_bytes()


def _checks(
    store: OpenStore, record: RequestRecord, folder: str
) -> tuple[EvidenceCheck, ...]:
    checks = []
    for item in read_manifest(store.objects.get(record.request.evidence)).items:
        result = "no-access"
        if item.kind == "artifact" and folder:
            found = check_artifact(
                store, evidence_of(store, record).model, folder=folder
            )
            if not found.is_readable:
                raise Misuse(f"cannot read the artifact in {folder}")
            if sha256_hex(item_bytes(found)) != item.digest:
                paths = ", ".join(change.path for change in found.changes[:5])
                raise Refusal(
                    f"the artifact in {folder} is not the one asked about ({paths})",
                    hint="Do not sign. Ask for the bytes that were registered.",
                )
            result = "same"
        checks.append(EvidenceCheck(item.kind, item.digest, result))
    return tuple(checks)


def hand_in_answer(store: OpenStore, data: bytes) -> tuple[int, bool]:
    """Append an answer exactly as it was signed; return its entry, and if it is new.

    Raises:
        Misuse: it is no signed answer.
        Refusal: it could not count: of another store, stale, expired, answered.
    """
    try:
        answer = read_signed_answer(data)
        statement = read_statement(answer.envelope.payload)
    except PolicyError as cause:
        raise Misuse(f"this is no signed answer: {cause}") from cause
    if not isinstance(statement, Statement) or not isinstance(
        statement.predicate, Approval
    ):
        raise Misuse("the signed statement is no approval and no rejection")
    if statement.prefix.origin != store.origin:
        raise Refusal("the answer is for another store")
    known = list(store.index.statements_starting(answer.envelope.statement_id))
    if known:
        _require_standing(store, statement.predicate, known[0].index)
        return known[0].index, False
    _require_countable(store, answer, statement, statement.predicate)
    store.objects.put(answer.reason)
    return store.log.append(answer.envelope.to_bytes()), True


def _require_standing(store: OpenStore, approval: Approval, index: int) -> None:
    """Say of an answer that is in the log if its signer took it back."""
    for record in all_requests(store, store.state()):
        standing = [entry.index for entry, _ in record.answers]
        if record.id == approval.request and index not in standing:
            raise Refusal(
                f"the answer is in the log as entry {index} and was withdrawn",
                hint="Whoever signed it can sign the request anew.",
            )


def _require_countable(
    store: OpenStore, answer: SignedAnswer, statement: Statement, approval: Approval
) -> None:
    """Refuse before anything is written what could never count."""
    store.require_known_types()
    state = store.state()
    signer = state.people.get(statement.by)
    signed = (answer.envelope.signature, answer.envelope.signed_bytes)
    if signer is None or not any(key.verifies(*signed) for key in signer.keys):
        raise Refusal(f"no key of {statement.by!r} that is in force made its signature")
    if sha256_hex(answer.reason) != approval.reason:
        raise Refusal("the words of the reason are not the ones that were signed")
    record = next(
        (r for r in all_requests(store, state) if r.id == approval.request), None
    )
    if record is None:
        raise Refusal("the answer is to a request that is not in this store")
    if record.state is not RequestState.OPEN:
        raise Refusal(f"the request is {record.state.value}, not open")
    if approval.expires and parse_time(approval.expires) <= store.clock():
        raise Refusal(f"the answer expired at {approval.expires}")
    if any(
        entry.statement.by == statement.by and earlier.role == approval.role
        for entry, earlier in record.answers
    ):
        raise Refusal(f"{statement.by} has answered this request already")
    request = record.request
    if (approval.evidence, approval.review, approval.policy) != (
        request.evidence,
        request.review,
        request.policy,
    ):
        raise Refusal("the answer is bound to other evidence than the request")
    require_current(store, record, "the answer")
