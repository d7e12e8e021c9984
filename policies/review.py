"""The review text, renderer `review/v1`: exactly what an approver reads and signs.

A pure function of frozen evidence, the request and the policy: UTC, LF, no locale, no
wrapping, fixed escapes. Released renderers never change, since signatures bind their
output. Who else must sign is shown outside this text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from policies.commit_signers import signature_in_words
from policies.document import Policy, Rejection
from policies.evidence import (
    DatasetUse,
    Evidence,
    FileDigest,
    IncumbentItem,
    MetricsItem,
)
from policies.evidence_code import CodeChangesItem
from policies.predicates import Transition
from policies.rules.kinds import RULE_KINDS
from policies.rules.measured import label, number_of, shown, tidy
from policies.verdict import Node, tree_lines

RENDERER = "review/v1"
_RULE = "=" * 72


@dataclass(frozen=True, slots=True)
class ReviewSubject:
    """What is asked, by whom and why."""

    request_id: str
    requester: str
    """Person id."""
    reason: str
    transition: Transition
    root: str
    """Digest of the trust root in force."""


def render_review(
    subject: ReviewSubject,
    evidence: Evidence,
    policy: Policy,
    facts: Node,
    earlier: Policy | None = None,
) -> str:
    """The text for one request. `facts` is evaluate_facts over the same evidence;
    `earlier` is the policy that the evidence says the incumbent was promoted under."""
    model = evidence.model
    lines = [
        f"REVIEW OF {model.model} VERSION {model.version}",
        f"{subject.transition}",
        _RULE,
        f"Renderer:     {RENDERER}",
        f"Request:      {subject.request_id}",
        f"Asked by:     {subject.requester}",
        f"Reason:       {subject.reason}",
        f"Registered:   {model.source}, at {model.location}",
        f"Manifest:     {model.manifest}",
        f"Policy:       {policy.id} version {policy.version}",
        f"              {policy.digest}",
        f"Trust root:   {subject.root}",
        "",
        *_section("What changes", _changes(evidence, policy, earlier)),
        *_section("Metrics", _metrics(evidence.measured, evidence.incumbent)),
        *_section("Where it comes from", _origin(evidence)),
        *_section("What the record lacks", _gaps(evidence)),
        *_section("Rules", tree_lines(facts)),
        *_judged_later(policy),
        *_section("Who must agree", _quorums(policy)),
        *_section("Files", _files(model.files)),
    ]
    return "\n".join(escape(line).rstrip() for line in lines) + "\n"


def escape(text: str) -> str:
    """Show every control, format, separator and unassigned character by its number."""
    return "".join(
        character
        if character == " " or unicodedata.category(character)[0] not in "CZ"
        else f"<U+{ord(character):04X}>"
        for character in text
    )


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [title, "-" * len(title), *lines, ""]


def _judged_later(policy: Policy) -> list[str]:
    """Rules about the time and the log: what they ask, never how they stand now."""
    later = [
        f"{rule.id}: {kind.asks(rule)}"
        for rule in policy.rules
        if (kind := RULE_KINDS[rule.kind]).at_position is not None
    ]
    return _section("Rules judged when it is promoted", later) if later else []


def _quorums(policy: Policy) -> list[str]:
    lines = []
    for quorum in policy.quorums:
        barred = "".join(f", not the {name}" for name in quorum.exclude)
        after = f", after {' and '.join(quorum.after)}" if quorum.after else ""
        who = f"{quorum.count} of the role {quorum.role}"
        lines.append(f"{who}, not the requester{barred}{after}")
        if quorum.condition:
            lines.append(f"    by signing they confirm: {quorum.condition}")
    if policy.rejection is Rejection.OUTVOTED:
        lines.append("A rejection is outvoted by them.")
    if not policy.wants_different_people:
        lines.append("One person may count in several of them.")
    return lines


def _changes(evidence: Evidence, policy: Policy, earlier: Policy | None) -> list[str]:
    incumbent, model = evidence.incumbent, evidence.model
    if not incumbent.exists:
        return ["The stage is empty. This would be the first version in it."]
    lines = [f"Replaces version {incumbent.version}, manifest {incumbent.manifest}"]
    lines += _difference(
        "data", _uses(incumbent.datasets), _uses(evidence.lineage.datasets)
    )
    lines += _difference(
        "code",
        {c.sha: "" for c in incumbent.commits},
        {c.sha: "" for c in evidence.lineage.commits},
    )
    lines += _code_changes(evidence.code_changes)
    lines += _difference("features", *_recorded("features_digest", evidence))
    lines += _difference("locked packages", *_recorded("lock_digest", evidence))
    lines += _difference(
        "parameter", dict(incumbent.measured.params), dict(evidence.measured.params)
    )
    lines += _difference(
        "file",
        {f.path: f.sha256[:16] for f in incumbent.files},
        {f.path: f.sha256[:16] for f in model.files},
    )
    return lines + _policy_changes(incumbent.version, policy, earlier)


def _code_changes(changes: CodeChangesItem) -> list[str]:
    """Files of the code that differ, by git's ids of their contents."""
    if not changes.is_readable:
        return ["files of the code: the repository could not be compared"]
    if changes.before == changes.after:
        return []
    lines = [
        f"files of the code: {changes.all_files} differ; {changes.commits} commits are "
        f"new, {changes.missing} are left out"
    ]
    for file in changes.files:
        if not file.before:
            lines.append(f"    added:    {file.path} {file.after[:12]}")
        elif not file.after:
            lines.append(f"    removed:  {file.path} {file.before[:12]}")
        else:
            told = f"{file.before[:12]} -> {file.after[:12]}"
            lines.append(f"    changed:  {file.path}: {told}")
    if len(changes.files) < changes.all_files:
        lines.append(f"    and {changes.all_files - len(changes.files)} more")
    return lines


def _recorded(name: str, evidence: Evidence) -> tuple[dict[str, str], dict[str, str]]:
    """A digest that each of the two runs may have recorded."""
    then = str(getattr(evidence.incumbent, name))
    now = str(getattr(evidence.lineage, name))
    return (
        {"digest": then} if then else {},
        {"digest": now} if now else {},
    )


def _policy_changes(version: str, policy: Policy, earlier: Policy | None) -> list[str]:
    if earlier is None:
        return [f"policy: that of version {version} is not known"]
    if earlier.digest == policy.digest:
        return ["policy: no difference"]
    from policies.authoring.changes import policy_changes

    told = [str(change) for change in policy_changes(earlier, policy)]
    was = f"version {version} was promoted under {earlier.id} version {earlier.version}"
    return [f"policy changed:  {was}", *(f"    {line}" for line in told)]


def _uses(datasets: tuple[DatasetUse, ...]) -> dict[str, str]:
    return {f"{u.name} ({u.context or 'use unknown'})": u.digest for u in datasets}


def _difference(what: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None:
            lines.append(f"{what} added:    {name} {new}".rstrip())
        elif new is None:
            lines.append(f"{what} removed:  {name} {old}".rstrip())
        else:
            lines.append(f"{what} changed:  {name}: {old} -> {new}")
    return lines or [f"{what}: no difference"]


def _metrics(measured: MetricsItem, incumbent: IncumbentItem) -> list[str]:
    rows = [("metric", "this version", "now in stage", "difference", "rows")]
    for metric in sorted(measured.metrics, key=lambda m: (m.name, m.slice)):
        other = incumbent.measured.find(metric.name, metric.slice)
        mine, theirs = number_of(metric), number_of(other)
        rows.append(
            (
                label(metric.name, metric.slice),
                shown(metric),
                "-" if other is None else shown(other),
                "-" if mine is None or theirs is None else f"{_signed(mine, theirs)}",
                "-" if metric.samples is None else str(metric.samples),
            )
        )
    if len(rows) == 1:
        return ["No metric is recorded."]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def _signed(mine: object, theirs: object) -> str:
    from decimal import Decimal

    difference = Decimal(str(mine)) - Decimal(str(theirs))
    text = tidy(difference)
    return text if text.startswith("-") or text == "0" else f"+{text}"


def _origin(evidence: Evidence) -> list[str]:
    lineage = evidence.lineage
    tree = {True: "dirty", False: "clean", None: "not recorded"}[lineage.is_dirty]
    lines = [
        f"run:          {lineage.run_key or 'none recorded'} {lineage.run_status}",
        f"working tree: {tree}",
        f"measured on:  {lineage.evaluation_dataset or 'not recorded'}",
        f"trained by:   {', '.join(lineage.trainers) or 'not recorded'} (claimed)",
    ]
    for use in lineage.datasets:
        lines.append(
            f"dataset:      {use.name} for {use.context or 'unknown use'}: "
            f"{use.digest} ({use.strength})"
        )
    signatures = {use.sha: use for use in evidence.code.signatures}
    for commit in lineage.commits:
        known = "known" if commit.is_known else "in no repository that was imported"
        authors = ", ".join(commit.authors) or "author unknown"
        lines.append(f"commit:       {commit.sha} ({known}; {authors})")
        said = signature_in_words(commit.sha, signatures.get(commit.sha))
        lines.append(f"signature:    {said}")
    return lines


def _gaps(evidence: Evidence) -> list[str]:
    lines = []
    for gap in evidence.lineage.gaps:
        lines += [f"{gap.text}", f"    to close it: {gap.remedy}"]
    return lines or ["Nothing of what is looked for."]


def _files(files: tuple[FileDigest, ...]) -> list[str]:
    return [f"{f.sha256}  {f.path} ({f.size} bytes)" for f in files] or ["None."]
