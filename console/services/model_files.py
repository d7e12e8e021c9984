"""A model's file: its record, findings, attachments and comments, signed and read."""

from __future__ import annotations

import mimetypes
import secrets
from dataclasses import dataclass
from pathlib import Path

from console.services.founding import printed_name
from console.services.named_versions import find_version
from console.services.opened import OpenStore, parse_time, rfc3339
from console.services.problems import Misuse, Refusal
from console.services.record_facts import model_file_before
from console.services.rotating import find_person
from console.services.signing import Acting, Appended, append
from console.services.words import put_words, read_words
from policies.model_file import FindingRecord, ModelFile
from policies.predicates.records import (
    Attachment,
    Comment,
    Finding,
    FindingStatus,
    ModelRecordChange,
)
from policies.rules.records import SEVERITIES
from policies.trust_root import Person
from policies.workflow import Entry
from store.identifiers import split_key
from store.queries.models import ModelVersion

LARGEST_ATTACHMENT_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class RecordInput:
    """What somebody wants to stand in a record; None: as it was."""

    owner: str | None = None
    """Id or printed name of a person."""
    tier: str | None = None
    purpose: str | None = None
    limits: str | None = None
    vendor_parts: tuple[str, ...] | None = None
    review_by: str | None = None


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One finding, as people read it."""

    id: str
    model: str
    version: str
    severity: str
    role: str
    status: str
    due: str
    text: str
    opened_by: str
    entry: int


@dataclass(frozen=True, slots=True)
class NamedEntry:
    """An attachment or a comment, as people read it."""

    entry: int
    at: str
    by: str
    text: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ModelFileView:
    """Everything that accompanies a model."""

    model: str
    owner: str
    tier: str
    purpose: str
    limits: str
    vendor_parts: tuple[str, ...]
    review_by: str
    set_by: str
    set_at: str
    findings: tuple[FindingLine, ...]
    attachments: tuple[NamedEntry, ...]
    comments: tuple[NamedEntry, ...]


def set_record(
    store: OpenStore, acting: Acting, reference: str, given: RecordInput
) -> Appended:
    """State the record of a model; what is not given stays as it was.

    Raises:
        Misuse: the first record lacks a part, or a part is none.
        StoreRefused: the signer may not.
    """
    version = find_version(store, reference)
    before = _file(store, version.model_key).record
    missing = [
        f"--{name}"
        for name in ("owner", "tier", "purpose", "limits")
        if not getattr(given, name) and before is None
    ]
    if missing:
        raise Misuse(
            f"{version.model} has no record yet; the first one lacks "
            f"{', '.join(missing)}",
            hint="Give all of them once; afterwards only what changes.",
        )
    record = ModelRecordChange(
        model=version.model_key,
        owner=_owner(store, given.owner, before),
        tier=given.tier or (before.tier if before else ""),
        purpose=_words(store, given.purpose, before.purpose if before else ""),
        limits=_words(store, given.limits, before.limits if before else ""),
        vendor_parts=given.vendor_parts
        if given.vendor_parts is not None
        else (before.vendor_parts if before else ()),
        review_by=_time(given.review_by)
        if given.review_by is not None
        else (before.review_by if before else ""),
    )
    return append(store, acting, record, (version.model, record.purpose))


def open_finding(
    store: OpenStore,
    acting: Acting,
    reference: str,
    *,
    severity: str,
    text: str,
    role: str = "",
    due: str = "",
) -> tuple[str, Appended]:
    """Open a finding about a model, or about one version of it; return its id.

    Raises:
        Misuse: the severity, the date or the text is none.
        Refusal: the signer holds no role for the model.
    """
    version = find_version(store, reference)
    if severity not in SEVERITIES:
        raise Misuse(
            f"{severity!r} is no severity", hint=f"One of: {', '.join(SEVERITIES)}"
        )
    finding = Finding(
        finding=f"F-{secrets.token_hex(4)}",
        model=version.model_key,
        version=version.key if "@" in reference else "",
        status=FindingStatus.OPEN,
        severity=severity,
        role=_role(store, acting, version, role),
        text=put_words(store, _filled(text, "a finding")),
        due=_time(due),
    )
    return finding.finding, append(
        store, acting, finding, (finding.finding, finding.text)
    )


def close_finding(
    store: OpenStore, acting: Acting, finding_id: str, text: str
) -> Appended:
    """Say that a finding was remedied, in the role in which it was opened.

    Raises:
        Misuse: there is no such finding, or no text.
        Refusal: it is closed, or the signer does not hold that role.
    """
    found = _finding(store, finding_id)
    if not found.is_open:
        raise Refusal(f"{found.finding.finding} is closed already")
    opened = found.finding
    person = store.state().people.get(acting.id)
    name = split_key(opened.model)[1][-1]
    if person is None or not person.holds(opened.role, name):
        raise Refusal(
            f"it was opened in the role {opened.role!r}, which you do not hold",
            hint="Somebody with that role must close it.",
        )
    closing = Finding(
        finding=opened.finding,
        model=opened.model,
        version=opened.version,
        status=FindingStatus.CLOSED,
        severity=opened.severity,
        role=opened.role,
        text=put_words(store, _filled(text, "closing a finding")),
        due=opened.due,
    )
    return append(store, acting, closing, (opened.finding, closing.text))


def attach(
    store: OpenStore,
    acting: Acting,
    reference: str,
    path: Path,
    data: bytes,
    *,
    name: str = "",
    media_type: str = "",
) -> Appended:
    """Put a file into a model's record.

    Raises:
        Misuse: the file is empty.
    """
    version = find_version(store, reference)
    if not data:
        raise Misuse(f"{path} is empty")
    guessed = media_type or mimetypes.guess_type(path.name)[0]
    content = store.objects.put(data)
    attachment = Attachment(
        model=version.model_key,
        version=version.key if "@" in reference else "",
        name=put_words(store, name or path.name),
        content=content,
        media_type=guessed or "application/octet-stream",
        size=len(data),
    )
    return append(store, acting, attachment, (version.model, content))


def comment(store: OpenStore, acting: Acting, reference: str, text: str) -> Appended:
    """Remark on a model, or on a statement about one.

    Raises:
        Misuse: nothing is said, or nothing is named.
    """
    words = _filled(text, "a comment")
    if reference.startswith("statement:") or reference.startswith("request:"):
        beginning = reference.partition(":")[2].lower()
        found = list(store.index.statements_starting(beginning))
        if len(found) != 1:
            raise Misuse(f"{reference} names {len(found)} statements, not one")
        _, said = store.entry(found[0].index)
        model = str(getattr(said.predicate, "model", ""))
        if not model:
            raise Misuse(f"{reference} is about no model")
        statement = found[0].judgement.statement_id
    else:
        model, statement = find_version(store, reference).model_key, ""
    remark = Comment(model, statement, put_words(store, words))
    return append(store, acting, remark, (split_key(model)[1][-1], remark.text))


def model_file_view(store: OpenStore, reference: str) -> ModelFileView:
    """Everything that accompanies a model.

    Raises:
        UnknownReference: there is no such model.
    """
    version = find_version(store, reference)
    file = _file(store, version.model_key)
    record, entry = file.record, file.record_entry
    return ModelFileView(
        model=f"{version.source}/{version.model}",
        owner=_name(store, record.owner) if record else "",
        tier=record.tier if record else "",
        purpose=read_words(store, record.purpose) if record else "",
        limits=read_words(store, record.limits) if record else "",
        vendor_parts=record.vendor_parts if record else (),
        review_by=record.review_by if record else "",
        set_by=_name(store, entry.statement.by) if entry else "",
        set_at=entry.statement.at if entry else "",
        findings=tuple(_line(store, found) for found in file.findings.values()),
        attachments=tuple(
            _named(store, e, f"{read_words(store, a.name)} ({a.size} bytes)", a.content)
            for e, a in file.attachments
        ),
        comments=tuple(
            _named(store, e, read_words(store, c.text)) for e, c in file.comments
        ),
    )


def findings(store: OpenStore) -> list[FindingLine]:
    """Every finding about every model, open ones first."""
    found = [
        _line(store, one)
        for topic in store.index.topics_starting("decision:")
        for one in _file(store, topic.removeprefix("decision:")).findings.values()
    ]
    order = {name: number for number, name in enumerate(SEVERITIES)}
    return sorted(found, key=lambda f: (f.status != "open", order.get(f.severity, 9)))


def _file(store: OpenStore, model_key: str) -> ModelFile:
    return model_file_before(store, model_key, store.state(), store.index.size)


def _finding(store: OpenStore, finding_id: str) -> FindingRecord:
    for topic in store.index.topics_starting("decision:"):
        found = _file(store, topic.removeprefix("decision:")).findings.get(finding_id)
        if found is not None:
            return found
    raise Misuse(
        f"there is no finding {finding_id!r}", hint="See: countersign finding list"
    )


def _line(store: OpenStore, found: FindingRecord) -> FindingLine:
    finding = found.finding
    return FindingLine(
        id=finding.finding,
        model="/".join(split_key(finding.model)[1]),
        version=split_key(finding.version)[1][-1] if finding.version else "",
        severity=finding.severity,
        role=finding.role,
        status="open" if found.is_open else "closed",
        due=finding.due,
        text=read_words(store, finding.text),
        opened_by=_name(store, found.opened.statement.by),
        entry=found.opened.index,
    )


def _named(store: OpenStore, entry: Entry, text: str, digest: str = "") -> NamedEntry:
    by = _name(store, entry.statement.by)
    return NamedEntry(entry.index, entry.statement.at, by, text, digest)


def _name(store: OpenStore, person_id: str) -> str:
    person = store.state().people.get(person_id)
    return printed_name(store, person.profile, person.id) if person else person_id


def _owner(
    store: OpenStore, given: str | None, before: ModelRecordChange | None
) -> str:
    if given:
        return find_person(store, store.state().people, given).id
    return before.owner if before else ""


def _words(store: OpenStore, given: str | None, before: str) -> str:
    return put_words(store, given) if given else before


def _role(store: OpenStore, acting: Acting, version: ModelVersion, role: str) -> str:
    person = store.state().people.get(acting.id)
    held = _held(person, version.model)
    if role and role not in held:
        raise Refusal(f"you do not hold the role {role!r} for {version.model}")
    if not held:
        raise Refusal(
            f"you hold no role for {version.model}", hint="Ask an enroller for one."
        )
    if not role and len(held) > 1:
        raise Misuse(
            f"you hold several roles: {', '.join(held)}", hint="Say which: --role ROLE"
        )
    return role or held[0]


def _held(person: Person | None, model: str) -> tuple[str, ...]:
    if person is None:
        return ()
    return tuple(
        sorted({str(g.role) for g in person.grants if person.holds(g.role, model)})
    )


def _filled(text: str, what: str) -> str:
    if not text.strip():
        raise Misuse(f"{what} says something")
    return text


def _time(text: str | None) -> str:
    if not text:
        return ""
    try:
        return rfc3339(parse_time(text))
    except ValueError as cause:
        raise Misuse(
            f"{text!r} is no time", hint="Write 2027-01-31 or 2027-01-31T12:00:00Z."
        ) from cause
