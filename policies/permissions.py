"""What an entry must satisfy besides its signature: prefix, role, what it answers."""

from __future__ import annotations

from typing import Protocol

from policies.dsse import Envelope, read_envelope
from policies.errors import Refused
from policies.predicates import (
    PredicateType,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Transition,
    Withdrawal,
)
from policies.statements import Statement, UnknownStatement, read_statement
from policies.topics import slot_topic
from policies.trust_root import Person, TrustRoot
from store.identifiers import entity_key, launched_pipeline_key, split_key
from store.judgement import History


def check_prefix(
    statement: Statement, history: History, root: TrustRoot | None
) -> None:
    """Whether the history that a signer had verified is the one before the entry.

    Raises:
        Refused: it is of another log, or another history.
    """
    prefix = statement.prefix
    if root is not None and prefix.origin != root.origin:
        raise Refused(f"it was signed for another log, {prefix.origin!r}")
    if prefix.size > history.size:
        raise Refused(f"its signer saw {prefix.size} entries, more than precede it")
    if history.root_at(prefix.size).hex() != prefix.root:
        raise Refused(f"its signer saw another history of {prefix.size} entries")


def check_subject(statement: Statement) -> None:
    """Whether what other tools match on is what we judge: the model's bytes.

    Verifiers that know in-toto and not us look at the subject's digest alone.

    Raises:
        Refused: the subject names other bytes than the predicate.
    """
    manifest = getattr(statement.predicate, "manifest", None)
    if manifest is not None and manifest != statement.subject[1]:
        raise Refused("its subject is not the manifest it speaks of")


def refuse_repetition(envelope: Envelope, history: History) -> None:
    """Refuse a statement that was accepted before.

    Raises:
        Refused: it was.
    """
    earlier = history.find_statement(envelope.statement_id)
    if earlier is not None:
        raise Refused(f"it repeats entry {earlier.index}")


def model_name(model_key: str) -> str:
    """The name that grants and policies speak of.

    Raises:
        Refused: it is no key of a model.
    """
    kind, parts = split_key(model_key)
    if kind != "model" or len(parts) != 2 or entity_key(kind, *parts) != model_key:
        raise Refused(f"{model_key!r} is not the key of a model")
    return parts[1]


def check_version_key(model_key: str, version_key: str) -> None:
    """Whether a key is that of a version of a model.

    Raises:
        Refused: it is another's, or none.
    """
    model_name(model_key)
    kind, parts = split_key(version_key)
    if (
        kind != "model-version"
        or len(parts) != 3
        or entity_key(kind, *parts) != version_key
        or entity_key("model", *parts[:2]) != model_key
    ):
        raise Refused(f"{version_key!r} is not the key of a version of {model_key}")


def _check_copy(outcome: PromotionOutcome) -> None:
    """Whether what is called a copy could be one: the same name, somewhere else."""
    if bool(outcome.placed) != bool(outcome.placed_at):
        raise Refused("a copy has a key and a place, or neither")
    if not outcome.placed:
        return
    source, name, _ = split_key(outcome.version)[1]
    parts = split_key(outcome.placed)[1]
    if len(parts) != 3 or parts[0] == source or parts[1] != name:
        raise Refused(f"{outcome.placed!r} is no copy of {outcome.version!r}")
    check_version_key(entity_key("model", parts[0], name), outcome.placed)


def require_role(
    signer: Person, role: str, model_key: str, transition: Transition
) -> None:
    """Whether a person holds a role for a model where a transition leads.

    Raises:
        Refused: not so.
    """
    name, environment = model_name(model_key), transition.environment
    if not signer.holds(role, name, environment):
        raise Refused(
            f"{signer.id!r} does not hold the role {str(role)!r} for {name} in "
            f"{environment}"
        )


def find_statement(statement_id: str, history: History, what: str) -> Statement:
    """An accepted statement that another one names.

    Raises:
        Refused: there is none.
    """
    entry = history.find_statement(statement_id)
    if entry is None:
        raise Refused(f"it answers {what} {statement_id[:16]}, which is not in the log")
    statement = read_statement(read_envelope(history.entry_bytes(entry.index)).payload)
    if isinstance(statement, UnknownStatement):
        raise Refused(f"it answers a statement that is no {what}")
    return statement


class Answer(Protocol):
    """A statement that answers a request."""

    @property
    def request(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def manifest(self) -> str: ...
    @property
    def transition(self) -> Transition: ...


def check_answer(answer: Answer, history: History) -> None:
    """Whether a statement is about exactly what its request asked for.

    Raises:
        Refused: it is not, or there is no such request.
    """
    request = find_statement(answer.request, history, "request").predicate
    if not isinstance(request, Request):
        raise Refused("it answers a statement that is no request")
    bound = (request.model, request.version, request.manifest, request.transition)
    if bound != (answer.model, answer.version, answer.manifest, answer.transition):
        raise Refused("it names another model, version or transition than its request")


WITHDRAWABLE = frozenset(
    {
        PredicateType.REQUEST,
        PredicateType.APPROVAL,
        PredicateType.WAIVER,
        PredicateType.LAUNCH_RELEASE,
    }
)
"""Types of statement that their signer may take back."""


def check_own(withdrawal: Withdrawal, signer: Person, history: History) -> None:
    """Whether somebody takes back a statement of their own.

    Raises:
        Refused: it is another's, or of a kind that stands.
    """
    statement = find_statement(withdrawal.statement, history, "statement")
    if statement.type not in WITHDRAWABLE:
        raise Refused("only requests, approvals, waivers and releases can be withdrawn")
    if statement.by != signer.id or withdrawn_under(statement) != withdrawal.model:
        raise Refused("only who signed a statement may withdraw it")
    if statement.type is PredicateType.LAUNCH_RELEASE:
        from policies.launch_permissions import check_release_unused

        check_release_unused(statement, history)


def withdrawn_under(statement: Statement) -> str:
    """The key that a withdrawal of a statement names: of its model, or pipeline."""
    if statement.type is PredicateType.LAUNCH_RELEASE:
        return launched_pipeline_key(str(getattr(statement.predicate, "pipeline", "")))
    return str(getattr(statement.predicate, "model", ""))


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
    """Whether no other promotion into the same stage is under way.

    Raises:
        Refused: one is.
    """
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
    """Whether somebody ends a promotion of their own, as it was declared.

    Raises:
        Refused: not so.
    """
    statement = find_statement(outcome.intent, history, "promotion")
    intent = statement.predicate
    if not isinstance(intent, PromotionIntent):
        raise Refused("it answers a statement that is no promotion intent")
    bound = (intent.model, intent.version, intent.transition)
    if bound != (outcome.model, outcome.version, outcome.transition):
        raise Refused("it names another model, version or stage than its intent")
    if statement.by != signer.id:
        raise Refused("only who declared a promotion may say how it ended")
    _check_copy(outcome)
