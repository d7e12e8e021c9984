"""Who holds a role for a model and environment, and who could still sign in it."""

from __future__ import annotations

from collections.abc import Iterable

from console.services.founding import printed_name
from console.services.makers import commit_signers
from console.services.opened import OpenStore
from policies.document import OWNER, Quorum
from policies.evidence import Evidence
from policies.predicates import Decision
from policies.trust_root import Person
from policies.trust_state import TrustState
from policies.workflow import RequestRecord
from store.identifiers import entity_key


def holders_of(
    state: TrustState, role: str, model: str = "", environment: str = ""
) -> list[Person]:
    """People who hold a role and a key that counts."""
    return [
        person
        for person in state.people.values()
        if person.keys and person.holds(role, model, environment)
    ]


def with_role(
    store: OpenStore, state: TrustState, role: str, model: str, environment: str
) -> tuple[str, ...]:
    """The printed names of people who hold a role."""
    return _names(store, holders_of(state, role, model, environment))


def who_could_sign(
    store: OpenStore,
    state: TrustState,
    quorum: Quorum,
    where: tuple[str, str],
    evidence: Evidence,
    request: RequestRecord | None,
) -> tuple[str, ...]:
    """The printed names of people whose approval would count and who gave none.

    `where` is a model's name and an environment.
    """
    barred = barred_people(store, state, quorum, evidence)
    if request is not None:
        barred |= {request.entry.statement.by}
        barred |= {
            entry.statement.by
            for entry, approval in request.answers
            if approval.role == quorum.role
            and approval.decision is Decision.APPROVE
            and approval.evidence == request.request.evidence
        }
    found = holders_of(state, quorum.role, *where)
    return _names(store, (person for person in found if person.id not in barred))


def barred_people(
    store: OpenStore, state: TrustState, quorum: Quorum, evidence: Evidence
) -> set[str]:
    """Ids of people whose part in the model keeps them from a quorum."""
    identities: list[str] = []
    if "trainer" in quorum.exclude:
        identities += evidence.lineage.trainers
    if "author" in quorum.exclude:
        identities += (a for c in evidence.lineage.commits for a in c.authors)
    known = (state.person_of_identity(identity) for identity in identities)
    barred = {person.id for person in known if person is not None}
    if "author" in quorum.exclude:
        barred |= {s.person for s in commit_signers(evidence, state) if s.person}
    if OWNER in quorum.exclude:
        from console.services.record_facts import model_file_before

        source, model = evidence.model.source, evidence.model.model
        file = model_file_before(
            store, entity_key("model", source, model), state, store.index.size
        )
        barred |= {file.record.owner} if file.record else set()
    return barred


def _names(store: OpenStore, people: Iterable[Person]) -> tuple[str, ...]:
    return tuple(printed_name(store, p.profile, p.id) for p in people)
