"""Rules about where a model came from and whether its bytes are the registered ones."""

from __future__ import annotations

from policies.document import Rule
from policies.evidence import Evidence
from policies.rules import strength
from policies.rules.forms import RuleKind, text, words
from policies.verdict import Node, Verdict

_ORDER = (Verdict.NO, Verdict.UNKNOWN, Verdict.YES)
_FOUND = tuple[Verdict, str]


def judge_provenance(rule: Rule, evidence: Evidence) -> Node:
    """Everything required is recorded, with evidence strong enough to count."""
    children = tuple(
        Node(f"{rule.id}: {name}", verdict, observed, _WANTED[name])
        for name in rule.names("require")
        for verdict, observed in [_required(rule, name, evidence)]
    )
    verdict = min((c.verdict for c in children), key=_ORDER.index, default=Verdict.NO)
    return Node(rule.id, verdict, "", "", rule.why, children=children)


def _required(rule: Rule, name: str, evidence: Evidence) -> _FOUND:
    """What is recorded; if that will do, how strong it is and on which branch."""
    verdict, observed = _CHECKS[name](evidence)
    demands = [strength.judge_strength(rule, name, evidence)]
    if name == "commit_known":
        demands.append(strength.judge_branches(rule, evidence))
    for judged, said in demands:
        if _ORDER.index(judged) < _ORDER.index(verdict):
            verdict, observed = judged, said
        elif verdict is Verdict.YES and said:
            observed += f" ({said})"
    return verdict, observed


def judge_artifact_unchanged(rule: Rule, evidence: Evidence) -> Node:
    """Every file has the SHA-256 it was registered with, and there are no others."""
    artifact = evidence.artifact
    wanted = f"manifest {evidence.model.manifest[:16]} as registered"
    if artifact.changes:
        observed = "; ".join(
            f"{change.path}: {_change(change.registered, change.found)}"
            for change in artifact.changes
        )
        return Node(rule.id, Verdict.NO, observed, wanted, rule.why)
    if not artifact.is_readable:
        return Node(
            rule.id,
            Verdict.UNKNOWN,
            "the artifact could not be read",
            wanted,
            rule.why,
            can_settle=True,
        )
    is_same = artifact.found == evidence.model.manifest
    return Node(
        rule.id,
        Verdict.YES if is_same else Verdict.NO,
        f"manifest {artifact.found[:16]}",
        wanted,
        rule.why,
    )


def judge_run_finished(rule: Rule, evidence: Evidence) -> Node:
    """The run that produced the version ended well."""
    status = evidence.lineage.run_status
    verdict = (
        Verdict.UNKNOWN
        if not status
        else Verdict.YES
        if status in ("FINISHED", "COMPLETE")
        else Verdict.NO
    )
    return Node(rule.id, verdict, status or "no run recorded", "FINISHED", rule.why)


def _change(registered: str, found: str) -> str:
    if not found:
        return "is gone"
    if not registered:
        return "was added"
    return f"was {registered[:12]}, is {found[:12]}"


def _dataset_version(evidence: Evidence) -> _FOUND:
    uses = [u for u in evidence.lineage.datasets if u.context != "evaluation"]
    strong = [u for u in uses if u.is_evidence]
    if strong and len(strong) == len(uses):
        return Verdict.YES, ", ".join(f"{u.name}@{u.digest[:19]}" for u in strong)
    if uses:
        weak = ", ".join(f"{u.name}@{u.digest}" for u in uses if not u.is_evidence)
        return Verdict.NO, f"{weak}: no digest of the bytes"
    return Verdict.UNKNOWN, "no dataset version recorded"


def _evaluation_dataset(evidence: Evidence) -> _FOUND:
    name = evidence.lineage.evaluation_dataset
    if not name:
        return Verdict.UNKNOWN, "not recorded which dataset was measured on"
    uses = [u for u in evidence.lineage.datasets if u.name == name and u.is_evidence]
    if not uses:
        return Verdict.NO, f"{name}, without a digest of its bytes"
    return Verdict.YES, f"{name}@{uses[0].digest[:19]}"


def _commit_known(evidence: Evidence) -> _FOUND:
    commits = evidence.lineage.commits
    if not commits:
        return Verdict.UNKNOWN, "no commit recorded"
    unknown = [c.sha[:10] for c in commits if not c.is_known]
    if unknown:
        return Verdict.NO, f"{', '.join(unknown)}: in no repository that was imported"
    return Verdict.YES, ", ".join(c.sha[:10] for c in commits)


def _clean_tree(evidence: Evidence) -> _FOUND:
    dirty = evidence.lineage.is_dirty
    if dirty is None:
        return Verdict.UNKNOWN, "not recorded whether the working tree was clean"
    return (Verdict.NO, "dirty") if dirty else (Verdict.YES, "clean")


def _signature(evidence: Evidence) -> _FOUND:
    found = evidence.model.has_signature
    if found is None:
        return Verdict.UNKNOWN, "the MLmodel file could not be read"
    return (Verdict.YES, "recorded") if found else (Verdict.NO, "none")


def _digest(value: str, what: str) -> _FOUND:
    if not value:
        return Verdict.UNKNOWN, f"no {what} recorded"
    return Verdict.YES, value[:19]


def _feature_set(evidence: Evidence) -> _FOUND:
    return _digest(evidence.lineage.features_digest, "feature set version")


def _lock(evidence: Evidence) -> _FOUND:
    return _digest(evidence.lineage.lock_digest, "lock file digest")


def _metrics(evidence: Evidence) -> _FOUND:
    metrics = evidence.measured.metrics
    if not metrics:
        return Verdict.UNKNOWN, "no metric recorded"
    counted = sorted({m.name for m in metrics if m.samples})
    if not counted:
        return Verdict.UNKNOWN, "no metric with the number of rows it was measured on"
    return Verdict.YES, ", ".join(counted)


_CHECKS = {
    "dataset_version": _dataset_version,
    "evaluation_dataset": _evaluation_dataset,
    "commit_known": _commit_known,
    "clean_tree": _clean_tree,
    "signature": _signature,
    "feature_set": _feature_set,
    "lock": _lock,
    "metrics": _metrics,
}
_WANTED = {
    "dataset_version": "each training dataset by the SHA-256 of its bytes",
    "evaluation_dataset": "the evaluation dataset by the SHA-256 of its bytes",
    "commit_known": "a commit that a known repository has",
    "clean_tree": "a clean working tree",
    "signature": "a model signature (inputs and outputs)",
    "feature_set": "a feature set version",
    "lock": "the digest of the environment's lock file",
    "metrics": "a metric with the number of rows it was measured on",
}
PROVENANCE = tuple(_CHECKS)
"""What a rule of kind `provenance` can require."""

KINDS = (
    RuleKind(
        "provenance",
        {
            "require": words(*PROVENANCE, needed=True),
            "strength": text(*strength.CHOICES),
            "branches": words(),
        },
        lambda rule: (
            ", ".join(_WANTED[name] for name in rule.names("require"))
            + strength.asked(rule)
        ),
        on_evidence=judge_provenance,
        complaint=strength.complaint,
    ),
    RuleKind(
        "artifact_unchanged",
        {},
        lambda _: "every file has the SHA-256 it was registered with, and no others",
        on_evidence=judge_artifact_unchanged,
        can_be_waived=False,
    ),
    RuleKind(
        "run_finished",
        {},
        lambda _: "the run that produced the version ended well",
        on_evidence=judge_run_finished,
    ),
)
"""The kinds of rule that this module judges."""
