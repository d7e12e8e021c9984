"""Good facts that only the policy can name: who signs its models, who reads for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from policies.commit_signers import CommitSigner, Signed
from policies.document import Policy
from policies.evidence import KINDS, Evidence
from policies.evidence_signature import EnrolledSigner, ModelSignatureItem
from policies.rules.context import Context, CosignedHead, Held
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


def logged_for(context: Context, policy: Policy) -> Context:
    """The same, with a log that has what the policy asks of it: witnesses have just
    looked, and the version has long been where it must have been."""
    named = [rule for rule in policy.rules if rule.kind == "cosigned_head"]
    stages = [rule for rule in policy.rules if rule.kind == "time_in_stage"]
    return replace(
        context,
        request_entry=1,
        cosigned=tuple(
            CosignedHead(witness, 10, context.now)
            for rule in named
            for witness in rule.names("witnesses")
        ),
        held=tuple(
            Held(
                rule.text("environment") or "default",
                rule.text("stage"),
                context.now - timedelta(days=rule.count("days")),
                None,
            )
            for rule in stages
        ),
    )


def committed_for(
    context: Context, evidence: Evidence, policy: Policy, signed: str, by: str
) -> Context:
    """The same, with every commit signed as a case says.

    By default by a person whom every rule of the policy names, else by the author.
    """
    named = [
        set(rule.names("people"))
        for rule in policy.rules
        if rule.kind == "signed_commit" and rule.names("people")
    ]
    common = sorted(set.intersection(*named)) if named else []
    person = by or next(iter(common), "author")
    how = Signed(signed or Signed.BY_PERSON)
    said = "signed with its key" if how is Signed.BY_PERSON else f"signed: {how.value}"
    signers = tuple(
        CommitSigner(commit.sha, how, person, "", said)
        for commit in evidence.lineage.commits
    )
    addressed = context.authors if by else context.authors | {person}
    return replace(context, signers=signers, addressed=addressed)
