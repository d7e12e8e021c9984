"""The judge of a log: which entries count, and what they change about trust.

An entry's worth depends on its bytes, the entries before it and the objects it names
by digest; on no clock, no network and no database. Void entries change nothing.
"""

from __future__ import annotations

from policies.adopting import endorse, recover
from policies.compromise import EnrolmentRecord, RevocationRecord
from policies.dsse import Envelope, read_envelope
from policies.errors import PolicyError, Refused
from policies.keys import PublicKey, public_key_from_json
from policies.permissions import (
    check_answer,
    check_outcome,
    check_own,
    check_prefix,
    check_slot,
    check_subject,
    check_version_key,
    refuse_repetition,
    require_role,
)
from policies.predicates import (
    Approval,
    Endorsement,
    Enrolment,
    LineageBatch,
    PredicateType,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Revocation,
    RevokedKind,
    Withdrawal,
)
from policies.statements import Statement, UnknownStatement, read_statement
from policies.topics import POLICY, TRUST, topics_of
from policies.trust_permissions import (
    PolicyReader,
    UndecidedError,
    check_endorsement,
    check_enrolment,
    check_revocation,
    founder,
    may_sign,
)
from policies.trust_root import BuiltInRole, Person, Service
from policies.trust_state import Abandoned, Signer, TrustState
from store.judgement import History, Judgement, Standing


class Ledger:
    """Judges entries in order and keeps the trust state they leave."""

    def __init__(self, read_policy: PolicyReader) -> None:
        self.state = TrustState()
        self._read_policy = read_policy

    @property
    def state_topics(self) -> tuple[str, ...]:
        """See store.judgement.Judge."""
        return (TRUST, POLICY)

    @property
    def abandoned(self) -> tuple[Abandoned, ...]:
        """See store.judgement.Judge."""
        return self.state.abandoned

    def restore(self, entries: list[tuple[int, bytes]], history: History) -> None:
        """Take up earlier accepted entries, verifying each signature again."""
        for index, data in entries:
            envelope = read_envelope(data)
            statement = read_statement(envelope.payload)
            if isinstance(statement, Statement):
                signer, key = self._verified_signer(envelope, statement, history)
                self._take_effect(index, statement, signer, key, history)

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
            signer, key = self._verified_signer(envelope, statement, history)
            check_prefix(statement, history, self.state.root)
            check_subject(statement)
            refuse_repetition(envelope, history)
            self._check_permission(statement, signer, history)
            self._take_effect(index, statement, signer, key, history)
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
    ) -> tuple[Signer, PublicKey]:
        signer = self.state.signer(statement.by)
        if self.state.root is None:
            signer = founder(statement, history)
        if signer is None:
            raise Refused(f"its signer {statement.by!r} is not enrolled")
        for key in signer.keys:
            if key.verifies(envelope.signature, envelope.signed_bytes):
                return signer, key
        if any(
            key.verifies(envelope.signature, envelope.signed_bytes)
            for key in self._former_keys(statement.by)
        ):
            raise Refused(f"its key of {statement.by!r} counts no longer")
        raise Refused(f"no key of {statement.by!r} made its signature")

    def _former_keys(self, signer_id: str) -> list[PublicKey]:
        return [
            period.key
            for period in self.state.periods
            if period.owner == signer_id and period.until is not None
        ]

    def _check_permission(
        self, statement: Statement, signer: Signer, history: History
    ) -> None:
        if isinstance(signer, Service):
            may_sign(signer, statement)
            if statement.type is PredicateType.OBSERVATION:
                from policies.record_permissions import check_service_statement

                check_service_statement(statement)
            return
        match statement.predicate:
            case Endorsement() as endorsement:
                check_endorsement(
                    endorsement, signer, self.state, history, self._read_policy
                )
            case Enrolment() as enrolment:
                check_enrolment(enrolment, signer, self.state)
            case Revocation() as revocation:
                check_revocation(revocation, signer, self.state)
            case LineageBatch():
                if not signer.grants:
                    raise Refused(f"{signer.id!r} holds no role")
            case Request() as request:
                check_version_key(request.model, request.version)
                require_role(
                    signer, BuiltInRole.REQUESTER, request.model, request.transition
                )
            case Approval() as approval:
                check_answer(approval, history)
                require_role(signer, approval.role, approval.model, approval.transition)
            case Withdrawal() as withdrawal:
                check_own(withdrawal, signer, history)
            case PromotionIntent() as intent:
                check_answer(intent, history)
                require_role(
                    signer, BuiltInRole.PROMOTER, intent.model, intent.transition
                )
                check_slot(intent, history)
            case PromotionOutcome() as outcome:
                check_outcome(outcome, signer, history)
            case _:
                from policies.record_permissions import check_record

                check_record(statement, signer, history)

    def _take_effect(
        self,
        index: int,
        statement: Statement,
        signer: Signer,
        key: PublicKey,
        history: History,
    ) -> None:
        match statement.predicate:
            case Endorsement() as endorsement:
                endorse(self.state, index, endorsement, (signer.id, key.id), history)
            case Enrolment() as enrolment:
                self.state.take_enrolment(
                    EnrolmentRecord(
                        index,
                        key.id,
                        enrolment,
                        public_key_from_json(
                            enrolment.key.algorithm, enrolment.key.spki
                        ),
                    )
                )
            case Revocation() as revocation:
                self.state.take_revocation(
                    RevocationRecord(index, key.id, revocation, self._keys(revocation))
                )
            case _ if statement.type is PredicateType.RECOVERY:
                recover(self.state, index, statement, signer)

    def _keys(self, revocation: Revocation) -> tuple[str, ...]:
        """Ids of the keys a revocation takes."""
        if revocation.target is RevokedKind.KEY:
            return (revocation.id,)
        person = self.state.people.get(revocation.id)
        return (
            tuple(key.id for key in person.keys) if isinstance(person, Person) else ()
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
        else topics_of(envelope.statement_id, statement),
        batch=predicate.batch
        if isinstance(predicate, LineageBatch) and standing is Standing.ACCEPTED
        else "",
    )
