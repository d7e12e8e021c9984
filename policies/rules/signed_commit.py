"""The rule that the code of a version is signed by people of the trust root.

Signatures are verified over the frozen commits; whose key it is, and whether it counts,
depends on the position that is judged.
"""

from __future__ import annotations

from policies.commit_signers import CommitSigner, Signed
from policies.document import Rule
from policies.evidence import Evidence
from policies.rules.context import Context
from policies.rules.forms import RuleKind, text, words
from policies.verdict import Node, Verdict

ANYBODY, AUTHOR = "anybody", "author"


def judge_signed_commit(rule: Rule, evidence: Evidence, context: Context) -> Node:
    """Every commit is signed by a person whose key counts, and who the rule names."""
    verdict, observed = _judged(rule, evidence, context)
    why = rule.why or "Sign the commit with an enrolled key, and train again from it."
    return Node(rule.id, verdict, observed, _asks(rule), why)


def _judged(rule: Rule, evidence: Evidence, context: Context) -> tuple[Verdict, str]:
    commits = sorted(commit.sha for commit in evidence.lineage.commits)
    if not commits:
        return Verdict.UNKNOWN, "no commit recorded"
    signers = {signer.sha: signer for signer in context.signers}
    good, refused = [], []
    for sha in commits:
        signer = signers.get(sha)
        complaint = _complaint(rule, signer, context)
        if complaint:
            refused.append(f"{sha[:10]}: {complaint}")
        elif signer is not None:
            good.append(f"{sha[:10]} by {signer.person}, {signer.said}")
    if refused:
        return Verdict.NO, "; ".join(refused)
    return Verdict.YES, "; ".join(good)


def _complaint(rule: Rule, signer: CommitSigner | None, context: Context) -> str:
    """Why a commit's signature will not do, or empty."""
    if signer is None:
        return "not signed"
    if signer.signed is not Signed.BY_PERSON:
        return signer.said
    named = rule.names("people")
    if named and signer.person not in named:
        return f"signed by {signer.person}, whom the rule does not name"
    if rule.text("by") == AUTHOR and signer.person not in context.addressed:
        return f"signed by {signer.person}, who is neither author nor committer"
    return ""


def _asks(rule: Rule) -> str:
    who = " or ".join(rule.names("people")) or "a person in the trust root"
    own = " who is its author or committer" if rule.text("by") == AUTHOR else ""
    return f"every commit signed with a key of {who}{own}"


KINDS = (
    RuleKind(
        "signed_commit",
        {"by": text(ANYBODY, AUTHOR), "people": words()},
        _asks,
        at_position=judge_signed_commit,
    ),
)
"""The kind of rule that this module judges."""
