"""Whether a request could ever be granted, before anybody is asked to read it."""

from __future__ import annotations

from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.signers_known import barred_people, holders_of
from policies.document import Policy
from policies.evidence import Evidence
from policies.rules.waiving import unwaived
from policies.seating import seats_filled
from policies.trust_state import TrustState
from policies.verdict import Node, Verdict


class Hopeless(Refusal):
    """A request that could never be granted as things are."""

    def __init__(self, message: str, *, hint: str, facts: Node) -> None:
        super().__init__(message, hint=hint)
        self.facts = facts
        """The verdict on every rule about evidence."""


def require_hope(policy: Policy, facts: Node, *, allows_failing: bool) -> None:
    """Refuse evidence that will never meet a policy.

    What a source that answers could still settle is no reason; what the evidence says
    or lacks is, since it is frozen with the request.

    Raises:
        Hopeless: a rule is not met, and is not, or may not be, left to a waiver.
    """
    failing = [node for node in facts.children if _is_settled(node)]
    if not failing:
        return
    names = ", ".join(node.rule for node in failing)
    beyond = unwaived(policy, failing)
    if beyond:
        may_be = "" if policy.waivers is None else ", and nobody may waive "
        may_be += ", ".join(node.rule for node in beyond) if may_be else ""
        raise Hopeless(
            f"this can never be granted: not met: {names}{may_be}",
            hint="Remedy it in a new version, import again, and ask for that one.",
            facts=facts,
        )
    if not allows_failing:
        raise Hopeless(
            f"not met: {names}",
            hint="The policy lets people waive it. To ask them: --allow-failing",
            facts=facts,
        )


def require_signers(
    store: OpenStore,
    state: TrustState,
    policy: Policy,
    evidence: Evidence,
    where: tuple[str, str],
    requester: str,
) -> None:
    """Refuse what too few people could approve. `where` is a model and an environment.

    Raises:
        Refusal: a quorum wants more people than could count in it, or all together
            want more different people than there are.
    """
    seats: list[set[str]] = []
    for quorum in policy.quorums:
        barred = barred_people(store, state, quorum, evidence) | {requester}
        able = [p for p in holders_of(state, quorum.role, *where) if p.id not in barred]
        if len(able) < quorum.count:
            whom = "".join(f" and the {name}" for name in quorum.exclude)
            raise Refusal(
                f"the policy wants {quorum.count} of the role {quorum.role}; "
                f"{len(able) or 'nobody'} could sign, the requester{whom} aside",
                hint="Give somebody the role first: countersign key enrol OFFER "
                f"--role {quorum.role}",
            )
        seats += [{person.id for person in able}] * quorum.count
    could = seats_filled(seats)
    if policy.wants_different_people and could < len(seats):
        raise Refusal(
            f"the policy wants {len(seats)} different people to approve; at most "
            f"{could} could, whoever signs in which role",
            hint="Give one of the roles to somebody else: countersign key enrol OFFER",
        )


def _is_settled(node: Node) -> bool:
    """Whether a rule is not met and nothing but other evidence could meet it."""
    if node.verdict is Verdict.YES:
        return False
    open_leaves = [leaf for leaf in node.leaves() if leaf.verdict is not Verdict.YES]
    return not all(
        leaf.verdict is Verdict.UNKNOWN and leaf.can_settle for leaf in open_leaves
    )
