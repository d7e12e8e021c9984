"""How strong an account of a required thing must be, and the branch of its commit."""

from __future__ import annotations

from collections.abc import Mapping

from policies.document import FieldValue, Rule
from policies.evidence import Evidence
from policies.evidence_origins import STRENGTHS, Known, is_at_least
from policies.patterns import matches
from policies.verdict import Verdict

SAID_BY_THE_RUN = ("clean_tree", "metrics")
"""Requirements that nobody but the run can tell, so that they stay declared."""
_FOUND = tuple[Verdict, str]


def judge_strength(rule: Rule, requirement: str, evidence: Evidence) -> _FOUND:
    """Whether every account of a required thing is as strong as the rule asks."""
    wanted = rule.text("strength")
    if not wanted or wanted == Known.DECLARED:
        return Verdict.YES, ""
    accounts = [
        account
        for account in evidence.origins.accounts
        if account.requirement == requirement
    ]
    if not accounts:
        return Verdict.UNKNOWN, "nothing tells how it is known"
    weaker = sorted(
        f"{account.name[:40]}: {account.known.value}"
        for account in accounts
        if not is_at_least(account.known, Known(wanted))
    )
    return (Verdict.NO, ", ".join(weaker)) if weaker else (Verdict.YES, wanted)


def judge_branches(rule: Rule, evidence: Evidence) -> _FOUND:
    """Whether every commit is on a branch that the rule names."""
    patterns = rule.names("branches")
    if not patterns:
        return Verdict.YES, ""
    by_sha = {found.sha: found for found in evidence.origins.branches}
    doubtful, outside, on = [], [], []
    for commit in sorted(evidence.lineage.commits, key=lambda commit: commit.sha):
        found = by_sha.get(commit.sha)
        fitting = [n for n in found.on if _fits(n, patterns)] if found else []
        if fitting:
            on.append(f"{commit.sha[:10]} on {', '.join(fitting)}")
        elif found and any(_fits(name, patterns) for name in found.recorded):
            outside.append(commit.sha[:10])
        else:
            doubtful.append(commit.sha[:10])
    asked = " or ".join(patterns)
    if outside:
        return Verdict.NO, f"{', '.join(outside)}: not on {asked}"
    if doubtful or not on:
        names = ", ".join(doubtful) or "no commit"
        return Verdict.UNKNOWN, f"{names}: no import recorded the branch {asked}"
    return Verdict.YES, ", ".join(on)


def complaint(fields: Mapping[str, FieldValue]) -> str:
    """What is wrong with the fields of a rule of kind `provenance`, or empty."""
    required = fields.get("require", ())
    names = required if isinstance(required, tuple) else ()
    strength = str(fields.get("strength", Known.DECLARED.value))
    if "branches" in fields and "commit_known" not in names:
        return "branches needs commit_known in require"
    if strength != Known.DECLARED:
        for name in SAID_BY_THE_RUN:
            if name in names:
                return f"{name} is only ever declared: ask for it in another rule"
    return ""


def asked(rule: Rule) -> str:
    """What the rule adds to its requirements, in words."""
    parts = []
    if rule.names("branches"):
        parts.append(f"the commit on the branch {' or '.join(rule.names('branches'))}")
    if rule.text("strength"):
        parts.append(f"each {_WORDS[Known(rule.text('strength'))]}")
    return "".join(f"; {part}" for part in parts)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


_WORDS = {
    Known.DECLARED: "at least declared by the run",
    Known.OBSERVED: "at least observed by a system that watched the run",
    Known.REREAD: "read again by an import",
    Known.BY_SERVICE: "read again by an import that a service made",
}
CHOICES = tuple(known.value for known in STRENGTHS)
"""The strengths that a policy can name."""
