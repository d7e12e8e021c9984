"""The judge of a log: which entries count, and what they change about trust.

An entry's worth depends on its bytes, the entries before it and the objects it names
by digest; on no clock, no network and no database. Void entries change nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from policies.dsse import Envelope, read_envelope
from policies.errors import PolicyError, Refused
from policies.keys import public_key_from_json
from policies.permissions import (
    check_answer,
    check_outcome,
    check_own,
    check_prefix,
    check_slot,
    decoded_proof,
    refuse_repetition,
    require_role,
)
from policies.predicates import (
    Approval,
    DocumentKind,
    Endorsement,
    Enrolment,
    LineageBatch,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Withdrawal,
)
from policies.statements import Statement, UnknownStatement, read_statement
from policies.topics import (
    LINEAGE,
    POLICY,
    TRUST,
    model_topic,
    request_topic,
    slot_topic,
)
from policies.trust_root import (
    BuiltInRole,
    Person,
    Service,
    TrustRoot,
    possession_bytes,
    read_trust_root,
)
from policies.trust_state import (
    ActivePolicy,
    Signer,
    TrustState,
    count_holders,
    refuse_wider_grants,
)
from store.judgement import History, Judgement, Standing

PolicyReader = Callable[[bytes], tuple[str, int]]
"""Reads a policy document: its id and version; raises PolicyError on a bad one."""


class UndecidedError(PolicyError):
    """The entry is permitted but something it names is not there: decisions stop."""


class Ledger:
    """Judges entries in order and keeps the trust state they leave."""

    def __init__(self, read_policy: PolicyReader) -> None:
        self.state = TrustState()
        self._read_policy = read_policy

    @property
    def state_topics(self) -> tuple[str, ...]:
        """See store.judgement.Judge."""
        return (TRUST, POLICY)

    def restore(self, entries: list[tuple[int, bytes]], history: History) -> None:
        """Take up earlier accepted entries, verifying each signature again."""
        for index, data in entries:
            envelope = read_envelope(data)
            statement = read_statement(envelope.payload)
            if isinstance(statement, Statement):
                signer = self._verified_signer(envelope, statement, history)
                self._take_effect(index, statement, signer, history)

    def judge(self, index: int, data: bytes, history: History) -> Judgement:
        """Judge one entry; take its effect if it is accepted."""
        envelope: Envelope | None = None
        statement: Statement | None = None
        try:
            envelope = read_envelope(data)
            read = read_statement(envelope.payload)
            if isinstance(read, UnknownStatement):
                return self._unknown_type(envelope, read)
            statement = read
            signer = self._verified_signer(envelope, statement, history)
            check_prefix(statement, history, self.state.root)
            refuse_repetition(envelope, history)
            self._check_permission(statement, signer, history)
            self._take_effect(index, statement, signer, history)
        except UndecidedError as cause:
            return _judgement(Standing.UNKNOWN, envelope, statement, str(cause))
        except PolicyError as cause:
            return _judgement(Standing.VOID, envelope, statement, str(cause))
        return _judgement(Standing.ACCEPTED, envelope, statement, "")

    def _unknown_type(self, envelope: Envelope, read: UnknownStatement) -> Judgement:
        for key in self.state.keys_of_all():
            if key.verifies(envelope.signature, envelope.signed_bytes):
                owner = self.state.owner_of(key.id)
                return Judgement(
                    standing=Standing.UNKNOWN,
                    reason="its type is unknown to this version; upgrade",
                    statement_id=envelope.statement_id,
                    predicate_type=read.predicate_type,
                    signer="" if owner is None else owner.id,
                )
        raise Refused("no key in force made its signature")

    def _verified_signer(
        self, envelope: Envelope, statement: Statement, history: History
    ) -> Signer:
        signer = self.state.signer(statement.by)
        if self.state.root is None:
            signer = _founder(statement, history)
        if signer is None:
            raise Refused(f"its signer {statement.by!r} is not enrolled")
        for key in signer.keys:
            if key.verifies(envelope.signature, envelope.signed_bytes):
                return signer
        raise Refused(f"no key of {statement.by!r} made its signature")

    def _check_permission(
        self, statement: Statement, signer: Signer, history: History
    ) -> None:
        if isinstance(signer, Service):
            if not signer.may_sign(statement.type):
                raise Refused(
                    f"the service {signer.id!r} may not sign {statement.type.short}"
                )
            return
        match statement.predicate:
            case Endorsement() as endorsement:
                self._check_endorsement(endorsement, signer, history)
            case Enrolment() as enrolment:
                self._check_enrolment(enrolment, signer)
            case LineageBatch():
                if not signer.grants:
                    raise Refused(f"{signer.id!r} holds no role")
            case Request() as request:
                require_role(signer, BuiltInRole.REQUESTER, request)
            case Approval() as approval:
                check_answer(approval, history)
                require_role(signer, approval.role, approval)
            case Withdrawal() as withdrawal:
                check_own(withdrawal, signer, history)
            case PromotionIntent() as intent:
                check_answer(intent, history)
                require_role(signer, BuiltInRole.PROMOTER, intent)
                check_slot(intent, history)
            case PromotionOutcome() as outcome:
                check_outcome(outcome, signer, history)

    def _check_endorsement(
        self, endorsement: Endorsement, signer: Person, history: History
    ) -> None:
        if endorsement.document is DocumentKind.POLICY:
            if not signer.holds(BuiltInRole.POLICY):
                raise Refused(f"{signer.id!r} may not endorse policies")
            self._check_policy(endorsement, history)
            return
        root = _read_root(endorsement, history)
        current = self.state.root
        if current is None:
            if root.version != 1:
                raise Refused("the first trust root must have version 1")
            return
        if root.version != current.version + 1 or root.origin != current.origin:
            raise Refused(
                f"trust root {current.version} is followed only by version "
                f"{current.version + 1} of the same origin"
            )
        successors = {person.id: person for person in root.people}
        successor = successors.get(signer.id)
        if not signer.holds(BuiltInRole.ROOT) and not (
            successor and successor.holds(BuiltInRole.ROOT)
        ):
            raise Refused(f"{signer.id!r} may not endorse trust roots")

    def _check_policy(self, endorsement: Endorsement, history: History) -> None:
        data = history.object(endorsement.digest)
        if data is None:
            raise UndecidedError(f"the policy {endorsement.digest} is missing")
        name, version = self._read_policy(data)
        if (name, version) != (endorsement.name, endorsement.version):
            raise Refused("it names another policy id or version than the document")
        current = self.state.policies.get(name)
        expected = 1 if current is None else current.version + 1
        if version != expected:
            raise Refused(f"policy {name!r} continues with version {expected}")

    def _check_enrolment(self, enrolment: Enrolment, signer: Person) -> None:
        root = self.state.root
        if root is None or not signer.holds(BuiltInRole.ENROLLER):
            raise Refused(f"{signer.id!r} may not enrol people")
        refuse_wider_grants(signer, enrolment.grants)
        key = public_key_from_json(enrolment.algorithm, enrolment.spki)
        if self.state.owner_of(key.id) is not None:
            raise Refused("the key is enrolled already")
        for person_id in self.state.people:
            if (
                person_id.casefold() == enrolment.person.casefold()
                and person_id != enrolment.person
            ):
                raise Refused(f"the id differs from {person_id!r} only in case")
        for identity in enrolment.identities:
            owner = self.state.person_of_identity(identity)
            if owner is not None and owner.id != enrolment.person:
                raise Refused(f"{identity!r} is the identity of another person")
        known = self.state.people.get(enrolment.person)
        profile = enrolment.profile if known is None else known.profile
        proof = possession_bytes(root.origin, enrolment.person, profile, key)
        if not key.verifies(decoded_proof(enrolment.proof), proof):
            raise Refused("the key's holder did not prove possession of it here")

    def _take_effect(
        self, index: int, statement: Statement, signer: Signer, history: History
    ) -> None:
        match statement.predicate:
            case Endorsement() as endorsement:
                self._endorse(index, endorsement, signer.id, history)
            case Enrolment() as enrolment:
                key = public_key_from_json(enrolment.algorithm, enrolment.spki)
                self.state.take_enrolment(enrolment, key, index)

    def _endorse(
        self, index: int, endorsement: Endorsement, person: str, history: History
    ) -> None:
        signers = self.state.take_endorsement(endorsement, person)
        if endorsement.document is DocumentKind.TRUST_ROOT:
            root = _read_root(endorsement, history)
            if self._is_endorsed(root, signers):
                self.state.take_root(root, index)
                self.state.pending.clear()
            return
        current = self.state.root
        threshold = 1 if current is None else current.policy_threshold
        holders = count_holders(
            signers, self.state, lambda person: person.holds(BuiltInRole.POLICY)
        )
        if holders >= threshold:
            self.state.policies[endorsement.name] = ActivePolicy(
                endorsement.name, endorsement.version, endorsement.digest, index
            )

    def _is_endorsed(self, root: TrustRoot, signers: set[str]) -> bool:
        """Thresholds of the root in force and of the new one, each by people."""

        def reached(judged_by: TrustRoot, people: dict[str, Person]) -> bool:
            holders = [
                name
                for name in signers
                if name in people and people[name].holds(BuiltInRole.ROOT)
            ]
            return len(holders) >= judged_by.root_threshold

        current = self.state.root
        return reached(root, {p.id: p for p in root.people}) and (
            current is None or reached(current, self.state.people)
        )


def _judgement(
    standing: Standing,
    envelope: Envelope | None,
    statement: Statement | None,
    reason: str,
) -> Judgement:
    predicate = None if statement is None else statement.predicate
    return Judgement(
        standing=standing,
        reason=reason,
        statement_id="" if envelope is None else envelope.statement_id,
        predicate_type="" if statement is None else statement.type.value,
        signer="" if statement is None else statement.by,
        topics=()
        if envelope is None or statement is None or standing is not Standing.ACCEPTED
        else _topics(envelope.statement_id, statement),
        batch=predicate.batch
        if isinstance(predicate, LineageBatch) and standing is Standing.ACCEPTED
        else "",
    )


def _topics(statement_id: str, statement: Statement) -> tuple[str, ...]:
    match statement.predicate:
        case Endorsement(document=DocumentKind.TRUST_ROOT) | Enrolment():
            return (TRUST,)
        case Endorsement():
            return (POLICY,)
        case LineageBatch():
            return (LINEAGE,)
        case Request(model=model):
            return (model_topic(model), request_topic(statement_id))
        case Approval(model=model, request=request):
            return (model_topic(model), request_topic(request))
        case Withdrawal(model=model):
            return (model_topic(model),)
        case PromotionIntent(model=model, request=request, transition=transition):
            return (
                model_topic(model),
                request_topic(request),
                slot_topic(model, transition),
            )
        case PromotionOutcome(model=model, transition=transition):
            return (model_topic(model), slot_topic(model, transition))


def _founder(statement: Statement, history: History) -> Person | None:
    """Before there is a root, only people of the root being endorsed may sign."""
    if not (
        isinstance(statement.predicate, Endorsement)
        and statement.predicate.document is DocumentKind.TRUST_ROOT
    ):
        raise Refused("there is no trust root before it")
    root = _read_root(statement.predicate, history)
    if root.origin != statement.prefix.origin:
        raise Refused("it was signed for another log")
    for person in root.people:
        if person.id == statement.by and person.holds(BuiltInRole.ROOT):
            return person
    return None


def _read_root(endorsement: Endorsement, history: History) -> TrustRoot:
    data = history.object(endorsement.digest)
    if data is None:
        raise UndecidedError(f"the trust root {endorsement.digest} is missing")
    root = read_trust_root(data)
    if root.version != endorsement.version:
        raise Refused("it names another version than the trust root has")
    return root
