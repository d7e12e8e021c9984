"""A second evaluator, written from docs/policies.md: slow, plain, without classes.

It reads policies as plain TOML and facts as plain JSON, and counts with fractions. It
knows the kinds in KINDS; others are left to their own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

Answer = str
"""`yes`, `no` or `unknown`."""
Facts = Mapping[str, Any]
"""Kind of item -> its fields."""


def number(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None


def all_of(answers: list[Answer]) -> Answer:
    if "no" in answers or not answers:
        return "no"
    return "unknown" if "unknown" in answers else "yes"


def found(item: Any, name: str, slice_name: str) -> Any:
    for metric in item["metrics"]:
        if metric["name"] == name and metric["slice"] == slice_name:
            return metric
    return None


def enough(metric: Any, rule: Any) -> Answer:
    if "minimum_samples" not in rule:
        return "yes"
    if metric["samples"] is None:
        return "unknown"
    return "yes" if metric["samples"] >= rule["minimum_samples"] else "no"


def metric(rule: Any, facts: Facts) -> Answer:
    measured_on = facts["lineage"]["evaluation_dataset"]
    if "dataset" in rule and rule["dataset"] != measured_on:
        return "no" if measured_on else "unknown"
    it = found(facts["metrics"], rule["metric"], rule.get("slice", ""))
    value = number(it["value"]) if it else None
    if value is None:
        return "unknown"
    if enough(it, rule) != "yes":
        return enough(it, rule)
    if "at_least" in rule and value < Fraction(rule["at_least"]):
        return "no"
    if "at_most" in rule and value > Fraction(rule["at_most"]):
        return "no"
    return "yes"


def same_ground(facts: Facts) -> Answer:
    """Whether both versions were measured on the same dataset version."""
    grounds = []
    for item in (facts["lineage"], facts["incumbent"]):
        name = item["evaluation_dataset"]
        digests = {d["digest"] for d in item["datasets"] if d["name"] == name}
        grounds.append((name, digests))
    if any(not name or len(digests) != 1 for name, digests in grounds):
        return "unknown"
    return "yes" if grounds[0] == grounds[1] else "no"


def not_worse(rule: Any, facts: Facts, slice_name: str) -> Answer:
    if not facts["incumbent"]["version_key"]:
        return "yes" if rule.get("first_promotion") == "allow" else "no"
    if same_ground(facts) != "yes":
        return same_ground(facts)
    mine = found(facts["metrics"], rule["metric"], slice_name)
    theirs = found(facts["incumbent"]["measured"], rule["metric"], slice_name)
    one = number(mine["value"]) if mine else None
    two = number(theirs["value"]) if theirs else None
    if one is None or two is None:
        return "unknown"
    loss = one - two if rule["better"] == "lower" else two - one
    return "yes" if loss <= Fraction(rule.get("tolerance", "0")) else "no"


def comparison(rule: Any, facts: Facts) -> Answer:
    return not_worse(rule, facts, "")


def slices(item: Any, rule: Any) -> list[Any]:
    return sorted(
        (
            m
            for m in item["metrics"]
            if m["name"] == rule["metric"]
            and m["slice"].startswith(rule["column"] + ":")
        ),
        key=lambda m: str(m["slice"]),
    )


def slice_gap(rule: Any, facts: Facts) -> Answer:
    several = slices(facts["metrics"], rule)
    values = [number(m["value"]) for m in several]
    known = [value for value in values if value is not None]
    if len(values) < 2 or len(known) < len(values):
        return "unknown"
    for one in several:
        if enough(one, rule) != "yes":
            return enough(one, rule)
    apart = max(known) - min(known)
    return "yes" if apart <= Fraction(rule["largest_gap"]) else "no"


def slice_comparison(rule: Any, facts: Facts) -> Answer:
    if not facts["incumbent"]["version_key"]:
        return not_worse(rule, facts, "")
    both = [facts["metrics"], facts["incumbent"]["measured"]]
    names = {m["slice"] for item in both for m in slices(item, rule)}
    if not names:
        return "unknown"
    return all_of([not_worse(rule, facts, name) for name in names])


def is_strong(use: Any) -> bool:
    return bool(use["digest"].startswith("sha256:") and use["strength"] != "inferred")


def required(name: str, facts: Facts) -> Answer:
    lineage = facts["lineage"]
    evaluated = lineage["evaluation_dataset"]
    match name:
        case "dataset_version":
            uses = [d for d in lineage["datasets"] if d["context"] != "evaluation"]
            if not uses:
                return "unknown"
            return "yes" if all(is_strong(d) for d in uses) else "no"
        case "evaluation_dataset":
            if not evaluated:
                return "unknown"
            uses = [d for d in lineage["datasets"] if d["name"] == evaluated]
            return "yes" if any(is_strong(d) for d in uses) else "no"
        case "commit_known":
            if not lineage["commits"]:
                return "unknown"
            return "yes" if all(c["is_known"] for c in lineage["commits"]) else "no"
        case "clean_tree":
            return {None: "unknown", True: "no", False: "yes"}[lineage["is_dirty"]]
        case "signature":
            has = facts["model"]["has_signature"]
            return {None: "unknown", True: "yes", False: "no"}[has]
        case "feature_set":
            return "yes" if lineage["features_digest"] else "unknown"
        case _:
            return "yes" if lineage["lock_digest"] else "unknown"


def provenance(rule: Any, facts: Facts) -> Answer:
    return all_of([required(name, facts) for name in rule["require"]])


def independence(_: Any, facts: Facts) -> Answer:
    sides: dict[str, set[str]] = {"training": set(), "evaluation": set()}
    for use in facts["lineage"]["datasets"]:
        if is_strong(use) and use["context"] in sides:
            sides[use["context"]].add(use["digest"])
    if not all(sides.values()):
        return "unknown"
    if sides["training"] & sides["evaluation"]:
        return "no"
    uses = [d for d in facts["lineage"]["datasets"] if d["context"] in sides]
    return "yes" if all(is_strong(d) for d in uses) else "unknown"


def artifact_unchanged(_: Any, facts: Facts) -> Answer:
    artifact = facts["artifact"]
    if artifact["changes"]:
        return "no"
    if not artifact["is_readable"]:
        return "unknown"
    return "yes" if artifact["found"] == facts["model"]["manifest"] else "no"


def run_finished(_: Any, facts: Facts) -> Answer:
    status = facts["lineage"]["run_status"]
    if not status:
        return "unknown"
    return "yes" if status in ("FINISHED", "COMPLETE") else "no"


KINDS: dict[str, Callable[[Any, Facts], Answer]] = {
    "metric": metric,
    "comparison": comparison,
    "slice_gap": slice_gap,
    "slice_comparison": slice_comparison,
    "provenance": provenance,
    "independence": independence,
    "artifact_unchanged": artifact_unchanged,
    "run_finished": run_finished,
}

_COMPARISON = {"metric", "better", "tolerance", "first_promotion"}
FIELDS: dict[str, set[str]] = {
    "metric": {
        *("metric", "slice", "at_least", "at_most", "dataset", "minimum_samples"),
    },
    "comparison": _COMPARISON,
    "slice_gap": {"metric", "column", "largest_gap", "minimum_samples"},
    "slice_comparison": {"column", *_COMPARISON},
    "provenance": {"require"},
}
"""The fields of each kind that are understood here."""
REQUIREMENTS = {
    *("dataset_version", "evaluation_dataset", "commit_known", "clean_tree"),
    *("signature", "feature_set", "lock"),
}


def understands(rule: Any) -> bool:
    """Whether this evaluator knows everything that a rule asks."""
    known = {"id", "kind", "why"} | FIELDS.get(rule["kind"], set())
    return rule["kind"] in KINDS and not (
        set(rule) - known or set(rule.get("require", ())) - REQUIREMENTS
    )


def approvals(policy: Any, votes: list[Any], context: Any) -> list[Answer]:
    """The answer of each quorum, and whether no rejection stands."""
    newest: dict[tuple[str, str], Any] = {}
    for vote in sorted(votes, key=lambda v: int(v["index"])):
        newest[vote["person"], vote["role"]] = vote
    answers = [quorum(one, list(newest.values()), context) for one in policy]
    standing = [v for v in newest.values() if v["decision"] == "reject"]
    return [*answers, "no" if any(v["holds_role"] for v in standing) else "yes"]


def quorum(wanted: Any, votes: list[Any], context: Any) -> Answer:
    barred = {context["requester"]}
    strangers = False
    for part in ("trainer", "author"):
        if part in wanted.get("exclude", ()):
            known, unknown = context[f"{part}s"], context[f"unknown_{part}s"]
            barred |= set(known)
            strangers |= bool(unknown) or not known
    people = {
        v["person"]
        for v in votes
        if v["role"] == wanted["role"]
        and v["decision"] == "approve"
        and v["person"] not in barred
        and v["holds_role"]
        and not v["stale"]
        and (v["expires"] is None or context["now"] < v["expires"])
    }
    if len(people) < wanted["count"]:
        return "no"
    return "unknown" if strangers else "yes"
