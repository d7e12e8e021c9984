"""What an entry must satisfy besides its signature: prefix, role, what it answers."""

from __future__ import annotations

import base64
import binascii

from policies.dsse import Envelope, read_envelope
from policies.errors import MalformedStatement, Refused
from policies.predicates import (
    Approval,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Withdrawal,
)
from policies.statements import Statement, UnknownStatement, read_statement
from policies.topics import (
    slot_topic,
)
from policies.trust_root import (
    Person,
    TrustRoot,
)
from store.identifiers import split_key
from store.judgement import History


def check_prefix(
    statement: Statement, history: History, root: TrustRoot | None
) -> None:
    prefix = statement.prefix
    if root is not None and prefix.origin != root.origin:
        raise Refused(f"it was signed for another log, {prefix.origin!r}")
    if prefix.size > history.size:
        raise Refused(f"its signer saw {prefix.size} entries, more than precede it")
    if history.root_at(prefix.size).hex() != prefix.root:
        raise Refused(f"its signer saw another history of {prefix.size} entries")


def refuse_repetition(envelope: Envelope, history: History) -> None:
    earlier = history.find_statement(envelope.statement_id)
    if earlier is not None:
        raise Refused(f"it repeats entry {earlier.index}")


def _model_name(model_key: str) -> str:
    return split_key(model_key)[1][-1]


def require_role(
    signer: Person, role: str, predicate: Request | Approval | PromotionIntent
) -> None:
    name, environment = (
        _model_name(predicate.model),
        predicate.transition.environment,
    )
    if not signer.holds(role, name, environment):
        raise Refused(
            f"{signer.id!r} does not hold the role {str(role)!r} for {name} in "
            f"{environment}"
        )


def _find(statement_id: str, history: History, what: str) -> Statement:
    entry = history.find_statement(statement_id)
    if entry is None:
        raise Refused(f"it answers {what} {statement_id[:16]}, which is not in the log")
    statement = read_statement(read_envelope(history.entry_bytes(entry.index)).payload)
    if isinstance(statement, UnknownStatement):
        raise Refused(f"it answers a statement that is no {what}")
    return statement


def check_answer(answer: Approval | PromotionIntent, history: History) -> None:
    request = _find(answer.request, history, "request").predicate
    if not isinstance(request, Request):
        raise Refused("it answers a statement that is no request")
    bound = (request.model, request.version, request.manifest, request.transition)
    if bound != (answer.model, answer.version, answer.manifest, answer.transition):
        raise Refused("it names another model, version or transition than its request")


def check_own(withdrawal: Withdrawal, signer: Person, history: History) -> None:
    statement = _find(withdrawal.statement, history, "statement")
    if not isinstance(statement.predicate, (Request, Approval)):
        raise Refused("only requests and approvals can be withdrawn")
    if statement.by != signer.id or statement.predicate.model != withdrawal.model:
        raise Refused("only who signed a statement may withdraw it")


def open_intents(
    model: str, statements: list[tuple[str, Statement]]
) -> dict[str, PromotionIntent]:
    """Intents of a slot, by statement id, that no outcome and no takeover closed."""
    intents: dict[str, PromotionIntent] = {}
    for statement_id, statement in statements:
        match statement.predicate:
            case PromotionIntent() as intent if intent.model == model:
                intents.pop(intent.takes_over, None)
                intents[statement_id] = intent
            case PromotionOutcome(intent=closed):
                intents.pop(closed, None)
    return intents


def check_slot(intent: PromotionIntent, history: History) -> None:
    statements: list[tuple[str, Statement]] = []
    for entry in history.on_topic(slot_topic(intent.model, intent.transition)):
        envelope = read_envelope(history.entry_bytes(entry.index))
        statement = read_statement(envelope.payload)
        if isinstance(statement, Statement):
            statements.append((envelope.statement_id, statement))
    standing = open_intents(intent.model, statements)
    standing.pop(intent.takes_over, None)
    if standing:
        raise Refused(
            f"promotion {next(iter(standing))[:16]} into the same stage is under way"
        )


def check_outcome(outcome: PromotionOutcome, signer: Person, history: History) -> None:
    statement = _find(outcome.intent, history, "promotion")
    intent = statement.predicate
    if not isinstance(intent, PromotionIntent):
        raise Refused("it answers a statement that is no promotion intent")
    bound = (intent.model, intent.version, intent.transition)
    if bound != (outcome.model, outcome.version, outcome.transition):
        raise Refused("it names another model, version or stage than its intent")
    if statement.by != signer.id:
        raise Refused("only who declared a promotion may say how it ended")


def decoded_proof(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise MalformedStatement("the proof of possession is not base64") from cause
