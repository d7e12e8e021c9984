"""In-toto statements: the types we sign, their exact fields, and how they are read.

Source of the outer form: in-toto Attestation Statement v1. Every predicate begins with
the same head: who signs, when they say it is, and the prefix of the log they verified.
Unknown fields are refused; released types never change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.errors import MalformedStatement
from policies.predicates import (
    Approval,
    Decision,
    DocumentKind,
    Endorsement,
    Enrolment,
    EvidenceCheck,
    Grant,
    LineageBatch,
    OutcomeKind,
    Predicate,
    PredicateType,
    Prefix,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Transition,
    Withdrawal,
)
from policies.strict_json import Fields, encode, parse

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: who says what, at which point of the log."""

    by: str
    """Id of the person or service that signs."""
    at: str
    """Time the signer claims, RFC 3339 in UTC."""
    prefix: Prefix
    subject: tuple[str, str]
    """Name and SHA-256 of what the statement is about."""
    predicate: Predicate

    @property
    def type(self) -> PredicateType:
        """The type that goes with the predicate."""
        return _TYPES[type(self.predicate)]

    def to_payload(self) -> bytes:
        """The bytes to sign."""
        name, digest = self.subject
        head: dict[str, object] = {
            "by": self.by,
            "at": self.at,
            "log": {
                "origin": self.prefix.origin,
                "size": self.prefix.size,
                "root": self.prefix.root,
            },
        }
        return encode(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"name": name, "digest": {"sha256": digest}}],
                "predicateType": self.type.value,
                "predicate": head | _to_json(self.predicate),
            }
        )


@dataclass(frozen=True, slots=True)
class UnknownStatement:
    """A statement of a type or version that this program does not know."""

    predicate_type: str


def read_statement(payload: bytes) -> Statement | UnknownStatement:
    """Read a signed payload.

    Raises:
        MalformedStatement: it is no statement, or not of the form its type has.
    """
    outer = Fields(parse(payload, what="statement"), what="statement")
    if outer.text("_type", 128) != STATEMENT_TYPE:
        raise MalformedStatement("statement: it is not an in-toto Statement v1")
    predicate_type = outer.text("predicateType", 256)
    subjects = outer.objects("subject")
    body = outer.object("predicate")
    outer.end()
    if predicate_type not in _READERS:
        return UnknownStatement(predicate_type)
    if len(subjects) != 1:
        raise MalformedStatement("statement: it has not exactly one subject")
    name, digests = subjects[0].text("name", 2048), subjects[0].object("digest")
    digest = digests.digest("sha256")
    digests.end()
    subjects[0].end()
    by, at = body.identifier("by"), body.filled_text("at", 64)
    log = body.object("log")
    prefix = Prefix(
        log.filled_text("origin", 256), log.integer("size"), log.digest("root")
    )
    log.end()
    predicate = _READERS[predicate_type](body)
    body.end()
    return Statement(by, at, prefix, (name, digest), predicate)


def _transition(body: Fields) -> Transition:
    fields = body.object("transition")
    transition = Transition(
        fields.text("from", 128),
        fields.filled_text("to", 128),
        fields.filled_text("environment", 128),
    )
    fields.end()
    return transition


def _endorsement(body: Fields) -> Endorsement:
    return Endorsement(
        body.choice("document", DocumentKind),
        body.text("name", 128),
        body.integer("version", least=1),
        body.digest("digest"),
    )


def read_grants(body: Fields) -> tuple[Grant, ...]:
    """Read the `grants` of a person."""
    grants = []
    for fields in body.objects("grants"):
        grants.append(
            Grant(
                fields.identifier("role", longest=64),
                fields.texts("models", longest=256),
                fields.texts("environments", longest=128),
            )
        )
        fields.end()
    return tuple(grants)


def grants_to_json(grants: tuple[Grant, ...]) -> list[dict[str, object]]:
    """The `grants` of a person as JSON."""
    return [
        {
            "role": grant.role,
            "models": list(grant.models),
            "environments": list(grant.environments),
        }
        for grant in grants
    ]


def _enrolment(body: Fields) -> Enrolment:
    key = body.object("key")
    algorithm, spki = key.text("algorithm", 64), key.text("spki", 1024)
    key.end()
    return Enrolment(
        person=body.identifier("person"),
        profile=body.digest("profile"),
        algorithm=algorithm,
        spki=spki,
        proof=body.filled_text("proof", 1024),
        identities=body.texts("identities", longest=256),
        grants=read_grants(body),
    )


def _lineage_batch(body: Fields) -> LineageBatch:
    return LineageBatch(
        body.filled_text("source", 256),
        body.text("collector", 256),
        body.digest("batch"),
        body.integer("rows"),
        body.filled_text("observed_at", 64),
    )


def _request(body: Fields) -> Request:
    return Request(
        request_id=body.filled_text("request_id", 64),
        model=body.filled_text("model", 2048),
        version=body.filled_text("version", 2048),
        manifest=body.digest("manifest"),
        transition=_transition(body),
        policy=body.digest("policy"),
        root=body.digest("root"),
        evidence=body.digest("evidence"),
        review=body.digest("review"),
        reason=body.digest("reason"),
    )


def _approval(body: Fields) -> Approval:
    checks = []
    for fields in body.objects("checks"):
        checks.append(
            EvidenceCheck(
                fields.filled_text("kind", 64),
                fields.digest("digest"),
                fields.filled_text("result", 32),
            )
        )
        fields.end()
    return Approval(
        request=body.digest("request"),
        model=body.filled_text("model", 2048),
        version=body.filled_text("version", 2048),
        manifest=body.digest("manifest"),
        transition=_transition(body),
        policy=body.digest("policy"),
        root=body.digest("root"),
        evidence=body.digest("evidence"),
        review=body.digest("review"),
        decision=body.choice("decision", Decision),
        role=body.identifier("role", longest=64),
        meaning=body.filled_text("meaning", 256),
        reason=body.digest("reason"),
        expires=body.text("expires", 64),
        checks=tuple(checks),
    )


def _withdrawal(body: Fields) -> Withdrawal:
    return Withdrawal(
        body.digest("statement"), body.filled_text("model", 2048), body.digest("reason")
    )


def _intent(body: Fields) -> PromotionIntent:
    return PromotionIntent(
        request=body.digest("request"),
        model=body.filled_text("model", 2048),
        version=body.filled_text("version", 2048),
        manifest=body.digest("manifest"),
        transition=_transition(body),
        policy=body.digest("policy"),
        root=body.digest("root"),
        verdict=body.digest("verdict"),
        judged_at=body.filled_text("judged_at", 64),
        takes_over=body.text("takes_over", 64),
    )


def _outcome(body: Fields) -> PromotionOutcome:
    return PromotionOutcome(
        intent=body.digest("intent"),
        model=body.filled_text("model", 2048),
        version=body.filled_text("version", 2048),
        transition=_transition(body),
        outcome=body.choice("outcome", OutcomeKind),
        registry=body.text("registry", 512),
        read_back=body.text("read_back", 512),
    )


_READERS: Mapping[str, Callable[[Fields], Predicate]] = {
    PredicateType.ENDORSEMENT: _endorsement,
    PredicateType.ENROLMENT: _enrolment,
    PredicateType.LINEAGE_BATCH: _lineage_batch,
    PredicateType.REQUEST: _request,
    PredicateType.APPROVAL: _approval,
    PredicateType.WITHDRAWAL: _withdrawal,
    PredicateType.PROMOTION_INTENT: _intent,
    PredicateType.PROMOTION_OUTCOME: _outcome,
}
_TYPES: Mapping[type, PredicateType] = {
    Endorsement: PredicateType.ENDORSEMENT,
    Enrolment: PredicateType.ENROLMENT,
    LineageBatch: PredicateType.LINEAGE_BATCH,
    Request: PredicateType.REQUEST,
    Approval: PredicateType.APPROVAL,
    Withdrawal: PredicateType.WITHDRAWAL,
    PromotionIntent: PredicateType.PROMOTION_INTENT,
    PromotionOutcome: PredicateType.PROMOTION_OUTCOME,
}


def _to_json(predicate: Predicate) -> dict[str, object]:
    values: dict[str, object] = {
        name: getattr(predicate, name) for name in type(predicate).__slots__
    }
    if isinstance(predicate, Enrolment):
        values["key"] = {"algorithm": values.pop("algorithm"), "spki": predicate.spki}
        del values["spki"]
        values["grants"] = grants_to_json(predicate.grants)
    if isinstance(predicate, Approval):
        values["checks"] = [
            {"kind": check.kind, "digest": check.digest, "result": check.result}
            for check in predicate.checks
        ]
    if isinstance(values.get("transition"), Transition):
        transition = values["transition"]
        assert isinstance(transition, Transition)  # noqa: S101 - narrows for mypy
        values["transition"] = {
            "from": transition.from_stage,
            "to": transition.to_stage,
            "environment": transition.environment,
        }
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }
