"""The rule that training and evaluation share no data, as far as the record goes back.

Two versions made from the same source by one run are a split, and what lies behind the
split is shared by nature. Data that reaches one side by any other way is shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policies.document import FieldValue, Rule
from policies.evidence import Evidence
from policies.evidence_origins import Derivation
from policies.patterns import matches
from policies.rules.forms import RuleKind, text, words
from policies.verdict import Node, Verdict

_USED = "no dataset version is used for training and for evaluation"
_MOST_NAMED = 5
_UNVERSIONED = "@none:unversioned"
"""How a version ends whose source named only the dataset."""


def judge_independence(rule: Rule, evidence: Evidence) -> Node:
    """No dataset version was both trained on and measured on."""
    training, evaluation = _used(evidence, "training"), _used(evidence, "evaluation")
    if not training or not evaluation:
        missing = "training" if not training else "evaluation"
        return _node(
            rule,
            Verdict.UNKNOWN,
            f"no {missing} dataset with a SHA-256 is recorded",
        )
    shared = training & evaluation
    weak = _without_bytes(evidence)
    if weak and not shared:
        return _node(rule, Verdict.UNKNOWN, f"{', '.join(weak)}: no SHA-256")
    if shared or not rule.text("upstream"):
        return _node(rule, Verdict.NO if shared else Verdict.YES, _said(shared))
    return _judge_upstream(rule, evidence, training, evaluation)


def _judge_upstream(
    rule: Rule, evidence: Evidence, training: set[str], evaluation: set[str]
) -> Node:
    origins = evidence.origins
    shared = shared_upstream(training, evaluation, origins.derivations)
    names: dict[str, set[str]] = {}
    for called in origins.names:
        names.setdefault(called.version, set()).add(called.name)
    allowed = rule.names("allow_shared")
    refused = {
        version
        for version in shared
        if not _all_fit(names.get(version, set()), allowed)
    }
    certain = {version for version in refused if not version.endswith(_UNVERSIONED)}
    if certain:
        return _node(rule, Verdict.NO, _said(certain, names))
    if refused:
        listed = ", ".join(_called(refused, names))
        return _node(rule, Verdict.UNKNOWN, f"both sides read some version of {listed}")
    if origins.is_cut:
        return _node(rule, Verdict.UNKNOWN, "more is recorded upstream than is kept")
    written = {version for made in origins.derivations for version in made.wrote}
    underived = {
        version
        for version in (training | evaluation) - written
        if not _all_fit(names.get(version, set()), allowed)
    }
    if rule.text("upstream") == "required" and underived:
        listed = ", ".join(_called(underived, names))
        return _node(rule, Verdict.UNKNOWN, f"not recorded what made {listed}")
    return _node(rule, Verdict.YES, "nothing shared")


def shared_upstream(
    training: set[str], evaluation: set[str], derivations: Iterable[Derivation]
) -> set[str]:
    """What both sides came from, other than behind a run that split it in two."""
    made = tuple(derivations)
    behind_training = _closure(training, made)
    behind_evaluation = _closure(evaluation, made)
    common = behind_training & behind_evaluation
    uncut = tuple(
        run
        for run in made
        if not (
            set(run.wrote) & (behind_training - common)
            and set(run.wrote) & (behind_evaluation - common)
        )
    )
    return common & (_closure(training, uncut) | _closure(evaluation, uncut))


def _closure(used: set[str], derivations: tuple[Derivation, ...]) -> set[str]:
    """Everything that a set of versions was made from, itself included."""
    reads: dict[str, set[str]] = {}
    for run in derivations:
        for version in run.wrote:
            reads.setdefault(version, set()).update(run.read)
    reached, pending = set(used), list(used)
    while pending:
        fresh = reads.get(pending.pop(), set()) - reached
        reached |= fresh
        pending += fresh
    return reached


def _used(evidence: Evidence, context: str) -> set[str]:
    return {
        use.digest
        for use in evidence.lineage.datasets
        if use.context == context and use.is_evidence
    }


def _without_bytes(evidence: Evidence) -> list[str]:
    """Datasets of either side that could hold anything."""
    return sorted(
        use.name
        for use in evidence.lineage.datasets
        if use.context in ("training", "evaluation") and not use.is_evidence
    )


def _all_fit(names: set[str], patterns: tuple[str, ...]) -> bool:
    """Whether a version is called something, and by allowed names only."""
    return bool(names) and all(
        any(matches(pattern, name) for pattern in patterns) for name in names
    )


def _called(versions: set[str], names: Mapping[str, set[str]]) -> list[str]:
    called = [_label(version, names) for version in sorted(versions)]
    more = len(called) - _MOST_NAMED
    return called[:_MOST_NAMED] + ([f"{more} more"] if more > 0 else [])


def _label(version: str, names: Mapping[str, set[str]]) -> str:
    if not version.startswith("sha256:"):
        return version.removesuffix(_UNVERSIONED)
    called = " or ".join(sorted(names.get(version, set())))
    return f"{called} {version[:19]}".strip()


def _said(shared: set[str], names: Mapping[str, set[str]] | None = None) -> str:
    if not shared:
        return "nothing shared"
    listed = _called(shared, names) if names is not None else sorted(shared)
    return f"shared: {', '.join(listed)}"


def _node(rule: Rule, verdict: Verdict, observed: str) -> Node:
    return Node(rule.id, verdict, observed, _asked(rule), rule.why)


def _asked(rule: Rule) -> str:
    if not rule.text("upstream"):
        return _USED
    wanted = f"{_USED}, nor anything they were made from but the source of one split"
    if rule.names("allow_shared"):
        wanted += f" (allowed: {', '.join(rule.names('allow_shared'))})"
    if rule.text("upstream") == "required":
        wanted += ", and what made each is recorded"
    return wanted


def _complaint(fields: Mapping[str, FieldValue]) -> str:
    if "allow_shared" in fields and "upstream" not in fields:
        return "allow_shared needs upstream"
    return ""


KINDS = (
    RuleKind(
        "independence",
        {"upstream": text("recorded", "required"), "allow_shared": words()},
        _asked,
        on_evidence=judge_independence,
        complaint=_complaint,
    ),
)
"""The kind of rule that this module judges."""
