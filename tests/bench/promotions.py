"""A log of many promotions, each with its own evidence, request, approvals and outcome.

The demonstration's last promotion is the pattern: every other one is the same decision
about another model, signed by the same people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from console.services.configuration import Configuration
from console.services.demonstration import Demonstrated
from console.services.judging import evidence_of, model_record
from console.services.opened import OpenStore, open_store
from console.services.places import Places
from console.services.signing import Acting, act_as_person, sign_statement
from policies.evidence import Evidence, IncumbentItem, item_bytes
from policies.evidence_reading import read_manifest
from policies.predicates import (
    Approval,
    PromotionIntent,
    PromotionOutcome,
    Request,
)
from policies.strict_json import encode
from policies.workflow import Holder, RequestRecord
from store.backend import entry_path, object_path
from store.identifiers import model_key, model_version_key
from store.objects import sha256_hex

SOURCE, STAGE, ENVIRONMENT = "mlflow", "production", "default"
PER_MODEL = 10


@dataclass(frozen=True)
class Pattern:
    """The promotion that the others are made after."""

    record: RequestRecord
    holder: Holder
    evidence: Evidence
    review: str
    verdict: bytes


class Writer:
    """Appends signed statements to a folder, as fast as files are written."""

    def __init__(self, demo: Demonstrated) -> None:
        self.folder = demo.store
        self.places = Places(demo.home / "data", demo.home / "config")
        self.store = self.opened(self.places)
        self.prefix, self.size = self.store.prefix(), self.store.index.size
        self.people: dict[str, Acting] = {}
        for name in ("ana", "vera", "rik"):
            path = str(self.places.keys / f"{name}.pem")
            who = act_as_person(self.store, self.store.state(), path, lambda _: None)
            self.people[who.id] = who

    def opened(self, places: Places) -> OpenStore:
        """The store as a machine with those folders sees it."""
        return open_store(str(self.folder), places, Configuration())

    def put(self, data: bytes) -> str:
        """Write an object."""
        digest = sha256_hex(data)
        self._write(object_path(digest), data)
        return digest

    def say(
        self, who: str, predicate: object, subject: tuple[str, str], at: str
    ) -> str:
        """Sign a statement, write it as the next entry, and return its id."""
        envelope = sign_statement(self.people[who], predicate, subject, self.prefix, at)
        self._write(entry_path(self.size), envelope.to_bytes())
        self.size += 1
        return envelope.statement_id

    def _write(self, path: str, data: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def pattern_of(store: OpenStore) -> Pattern:
    """The demonstration's last promotion."""
    key = model_key(SOURCE, "diabetes-progression")
    model = model_record(store, key, store.state())
    holder = model.holders[ENVIRONMENT, STAGE][-1]
    record = model.requests[holder.request]
    return Pattern(
        record,
        holder,
        evidence_of(store, record),
        store.objects.get(record.request.review).decode(),
        store.objects.get(holder.promoted_by.verdict),
    )


def write_promotions(demo: Demonstrated, count: int) -> Writer:
    """Append promotions of new models, ten of each, to a demonstration's store."""
    writer = Writer(demo)
    pattern = pattern_of(writer.store)
    for number in range(-(-count // PER_MODEL)):
        most = min(PER_MODEL, count - number * PER_MODEL)
        for _ in _promote_versions(writer, pattern, f"diabetes-{number:05d}", most):
            """Each is written as it comes."""
    writer.store.close()
    return writer


def _promote_versions(
    writer: Writer, pattern: Pattern, name: str, most: int
) -> Iterator[str]:
    none = IncumbentItem(
        "", "", "", pattern.evidence.incumbent.measured, (), (), "", ()
    )
    incumbent = replace(none, measured=replace(none.measured, metrics=(), params=()))
    for number in range(1, most + 1):
        version = model_version_key(SOURCE, name, str(number))
        evidence = replace(
            pattern.evidence,
            model=replace(
                pattern.evidence.model,
                version_key=version,
                model=name,
                version=str(number),
            ),
            incumbent=incumbent,
        )
        yield _promote(writer, pattern, name, evidence)
        incumbent = IncumbentItem(
            version,
            str(number),
            evidence.model.manifest,
            evidence.measured,
            evidence.lineage.datasets,
            evidence.lineage.commits,
            evidence.lineage.evaluation_dataset,
            evidence.model.files,
        )


def _promote(writer: Writer, pattern: Pattern, name: str, evidence: Evidence) -> str:
    """One promotion: request, two approvals, intent, outcome."""
    entry, model = pattern.record.entry, model_key(SOURCE, name)
    version, at = evidence.model.version_key, entry.statement.at
    subject = (f"{name}@{evidence.model.version}", evidence.model.manifest)
    request = replace(
        pattern.record.request,
        request_id=sha256_hex(version.encode())[:32],
        model=model,
        version=version,
        transition=replace(pattern.record.request.transition, from_stage=""),
        evidence=_freeze(writer, pattern, evidence),
        review=writer.put(f"{name}\n{pattern.review}".encode()),
        reason=_reason(writer, f"{version} serves better"),
    )
    asked = writer.say(entry.statement.by, request, subject, at)
    for answer, approval in pattern.record.answers:
        said = _approval(writer, approval, request, asked)
        writer.say(answer.statement.by, said, subject, at)
    intent = _intent(writer, pattern, request, asked)
    promoter = pattern.holder.intent.statement.by
    begun = writer.say(promoter, intent, subject, at)
    done = replace(
        _outcome(pattern),
        intent=begun,
        model=model,
        version=version,
        transition=request.transition,
    )
    return writer.say(promoter, done, subject, at)


def _approval(
    writer: Writer, approval: Approval, request: Request, asked: str
) -> Approval:
    return replace(
        approval,
        request=asked,
        model=request.model,
        version=request.version,
        transition=request.transition,
        evidence=request.evidence,
        review=request.review,
        reason=_reason(writer, f"{approval.role} read {request.version}"),
    )


def _intent(
    writer: Writer, pattern: Pattern, request: Request, asked: str
) -> PromotionIntent:
    verdict = pattern.verdict.replace(
        b"{", b'{"version":"' + request.version.encode() + b'",', 1
    )
    return replace(
        pattern.holder.promoted_by,
        request=asked,
        model=request.model,
        version=request.version,
        transition=request.transition,
        verdict=writer.put(verdict),
    )


def _outcome(pattern: Pattern) -> PromotionOutcome:
    outcome = pattern.holder.outcome.statement.predicate
    assert isinstance(outcome, PromotionOutcome)
    return outcome


def _freeze(writer: Writer, pattern: Pattern, evidence: Evidence) -> str:
    frozen = read_manifest(writer.store.objects.get(pattern.record.request.evidence))
    items = evidence.items()
    return writer.put(
        replace(
            frozen,
            items=tuple(
                replace(item, digest=writer.put(item_bytes(items[item.kind])))
                for item in frozen.items
            ),
        ).to_bytes()
    )


def _reason(writer: Writer, text: str) -> str:
    return writer.put(encode({"salt": sha256_hex(text.encode())[:32], "text": text}))
