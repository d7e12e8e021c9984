"""Good facts that only the policy can name: who signs its models, who reads for it."""

from __future__ import annotations

from dataclasses import replace

from policies.document import Policy
from policies.evidence import KINDS, Evidence
from policies.evidence_signature import EnrolledSigner, ModelSignatureItem
from policies.rules.context import Context
from policies.rules.readings import Reading

_ANYBODY = EnrolledSigner("9" * 64, "signer")


def signed_for(evidence: Evidence, policy: Policy) -> Evidence:
    """The same, with the model signed by every enrolled signer that the policy names.

    A key that the policy itself holds signs nothing here: that takes its owner.
    """
    rules = [rule for rule in policy.rules if rule.kind == "model_signed"]
    keys = {
        EnrolledSigner(key, _ANYBODY.owner) for r in rules for key in r.names("keys")
    }
    people = {
        EnrolledSigner(_ANYBODY.key, person)
        for rule in rules
        for person in rule.names("people")
    }
    signers = sorted(keys | people, key=lambda signer: (signer.key, signer.owner))
    return replace(
        evidence,
        model_signature=ModelSignatureItem(
            is_there=True,
            signed_sha256="5" * 64,
            enrolled=tuple(signers) or (_ANYBODY,),
        ),
    )


def read_for(context: Context, policy: Policy) -> Context:
    """The same, with each item read just now by somebody with every role asked for."""
    roles = frozenset(
        rule.text("role") for rule in policy.rules if rule.kind == "evidence_by"
    )
    readings = tuple(
        Reading(kind, "reader", roles, is_requester=False, read_at=context.now)
        for kind in KINDS
    )
    return replace(context, readings=readings)
