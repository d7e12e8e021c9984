"""In-toto statements: who says what, over which history, and how they are read.

Source of the outer form: in-toto Attestation Statement v1. Every predicate begins with
the same head: who signs, when they say it is, and the prefix of the log they verified.
Unknown fields are refused; released types never change.
"""

from dataclasses import dataclass

from policies.errors import MalformedStatement
from policies.predicates.forms import read_declared, read_fields, to_json
from policies.predicates.sign_off import Prefix
from policies.predicates.types import PredicateType, class_of, type_of
from policies.strict_json import Fields, encode, parse

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_KNOWN_TYPES = {kind.value: kind for kind in PredicateType}


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
    predicate: object
    """One of the classes of policies.predicates."""

    @property
    def type(self) -> PredicateType:
        """The type that goes with the predicate."""
        return type_of(self.predicate)

    def to_payload(self) -> bytes:
        """The bytes to sign."""
        name, digest = self.subject
        head: dict[str, object] = {
            "by": self.by,
            "at": self.at,
            "log": to_json(self.prefix),
        }
        return encode(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"name": name, "digest": {"sha256": digest}}],
                "predicateType": self.type.value,
                "predicate": head | to_json(self.predicate),
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
    kind = _KNOWN_TYPES.get(predicate_type)
    if kind is None:
        return UnknownStatement(predicate_type)
    if len(subjects) != 1:
        raise MalformedStatement("statement: it has not exactly one subject")
    name, digests = subjects[0].text("name", 2048), subjects[0].object("digest")
    digest = digests.digest("sha256")
    digests.end()
    subjects[0].end()
    by, at = body.identifier("by"), body.time("at")
    prefix = read_declared(Prefix, body.object("log"))
    predicate: object = read_fields(class_of(kind), body)
    body.end()
    return Statement(by, at, prefix, (name, digest), predicate)
