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
    if "dataset" in rule:
        name, _, digest = rule["dataset"].partition("@")
        if name != measured_on:
            return "no" if measured_on else "unknown"
        uses = [d for d in facts["lineage"]["datasets"] if d["name"] == name]
        if digest and (
            len({d["digest"] for d in uses}) != 1 or not any(map(is_strong, uses))
        ):
            return "unknown"
        if digest and not uses[0]["digest"].startswith(digest):
            return "no"
    it = found(facts["metrics"], rule["metric"], rule.get("slice", ""))
    value = number(it["value"]) if it else None
    if value is None:
        return "unknown"
    units = dict(facts["metrics"]["units"])
    if "unit" in rule and units.get(rule["metric"]) != rule["unit"]:
        return "no" if units.get(rule["metric"]) else "unknown"
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
        strong = any(is_strong(d) for d in item["datasets"] if d["name"] == name)
        grounds.append((name, digests, strong))
    if any(not name or len(digests) != 1 for name, digests, _ in grounds):
        return "unknown"
    if grounds[0][:2] != grounds[1][:2]:
        return "no"
    return "yes" if grounds[0][2] and grounds[1][2] else "unknown"


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
    its, other = facts["metrics"]["units"], facts["incumbent"]["measured"]["units"]
    if dict(its).get(rule["metric"], "") != dict(other).get(rule["metric"], ""):
        return "unknown"
    gain = two - one if rule["better"] == "lower" else one - two
    if "better_by" in rule:
        return "yes" if gain >= Fraction(rule["better_by"]) else "no"
    return "yes" if -gain <= Fraction(rule.get("tolerance", "0")) else "no"


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


def of_slices(rule: Any, facts: Facts) -> list[Fraction] | Answer:
    """The value of every slice, or why there is no telling."""
    several = slices(facts["metrics"], rule)
    there = {m["slice"] for m in several}
    if any(
        f"{rule['column']}:{value}" not in there for value in rule.get("slices", ())
    ):
        return "unknown"
    values = [number(m["value"]) for m in several]
    known = [value for value in values if value is not None]
    if len(values) < 2 or len(known) < len(values):
        return "unknown"
    rows = all_of([enough(one, rule) for one in several])
    return known if rows == "yes" else rows


def slice_gap(rule: Any, facts: Facts) -> Answer:
    known = of_slices(rule, facts)
    if isinstance(known, str):
        return known
    return "yes" if max(known) - min(known) <= Fraction(rule["largest_gap"]) else "no"


def slice_ratio(rule: Any, facts: Facts) -> Answer:
    known = of_slices(rule, facts)
    if isinstance(known, str):
        return known
    base = max(known)
    if "reference" in rule:
        name = f"{rule['column']}:{rule['reference']}"
        its = [m for m in slices(facts["metrics"], rule) if m["slice"] == name]
        if not its:
            return "unknown"
        base = number(its[0]["value"]) or Fraction(0)
    if base <= 0 or min(known) < 0:
        return "unknown"
    worst = min(value / base for value in known)
    return "yes" if worst >= Fraction(rule["at_least"]) else "no"


def slice_comparison(rule: Any, facts: Facts) -> Answer:
    if not facts["incumbent"]["version_key"]:
        return not_worse(rule, facts, "")
    both = [facts["metrics"], facts["incumbent"]["measured"]]
    names = {m["slice"] for item in both for m in slices(item, rule)}
    names |= {f"{rule['column']}:{value}" for value in rule.get("slices", ())}
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
    "slice_ratio": slice_ratio,
    "slice_comparison": slice_comparison,
    "provenance": provenance,
    "independence": independence,
    "artifact_unchanged": artifact_unchanged,
    "run_finished": run_finished,
}

_COMPARISON = {"metric", "better", "tolerance", "better_by", "first_promotion"}
FIELDS: dict[str, set[str]] = {
    "metric": {
        *("metric", "slice", "at_least", "at_most", "dataset", "minimum_samples"),
        "unit",
    },
    "comparison": _COMPARISON,
    "slice_gap": {"metric", "column", "largest_gap", "minimum_samples", "slices"},
    "slice_ratio": {
        *("metric", "column", "at_least", "reference", "slices", "minimum_samples"),
    },
    "slice_comparison": {"column", "slices", *_COMPARISON},
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
    """The answer of each quorum, whether different people are enough, and whether no
    rejection stands."""
    wanted, decisions = policy["approvals"], policy.get("decisions", {})
    newest: dict[tuple[str, str], Any] = {}
    for vote in sorted(votes, key=lambda v: int(v["index"])):
        newest[vote["person"], vote["role"]] = vote
    latest = list(newest.values())
    eligible = [people(one, wanted, votes, context) for one in wanted]
    answers = [
        quorum(one, found, context) for one, found in zip(wanted, eligible, strict=True)
    ]
    if decisions.get("different_people", True) and len(wanted) > 1:
        answers.append(different(wanted, eligible))
    rejects = any(v["decision"] == "reject" and v["holds_role"] for v in latest)
    outvoted = decisions.get("rejection", "blocks") == "outvoted"
    return [*answers, "no" if rejects and not outvoted else "yes"]


def quorum(wanted: Any, found: set[str], context: Any) -> Answer:
    if len(found) < wanted["count"]:
        return "no"
    for part in ("trainer", "author"):
        if part in wanted.get("exclude", ()) and (
            context[f"unknown_{part}s"] or not context[f"{part}s"]
        ):
            return "unknown"
    if "owner" in wanted.get("exclude", ()) and not context["owner"]:
        return "unknown"
    return "yes"


def people(wanted: Any, every: list[Any], votes: list[Any], context: Any) -> set[str]:
    """Who counts in a quorum, by the newest vote of each."""
    barred = {context["requester"]}
    for part in ("trainer", "author"):
        if part in wanted.get("exclude", ()):
            barred |= set(context[f"{part}s"])
    if "owner" in wanted.get("exclude", ()):
        barred |= {context["owner"]}
    newest = {}
    for vote in sorted(votes, key=lambda v: int(v["index"])):
        newest[vote["person"], vote["role"]] = vote
    return {
        v["person"]
        for v in newest.values()
        if v["role"] == wanted["role"]
        and v["decision"] == "approve"
        and v["person"] not in barred
        and v["holds_role"]
        and not v["stale"]
        and (v["expires"] is None or context["now"] < v["expires"])
        and all(
            is_complete_before(v["index"], other, every, votes, context)
            for role in wanted.get("after", ())
            for other in every
            if other["role"] == role
        )
    }


def is_complete_before(
    index: int, wanted: Any, every: list[Any], votes: list[Any], context: Any
) -> bool:
    """Whether a quorum had its people before an entry."""
    early = set()
    for person in people(wanted, every, votes, context):
        theirs = [
            v for v in votes if (v["person"], v["role"]) == (person, wanted["role"])
        ]
        rejects = [v["index"] for v in theirs if v["decision"] == "reject"]
        for vote in theirs:
            counts_alone = people(wanted, every, others(votes, theirs, vote), context)
            is_later = vote["index"] > max(rejects, default=-1)
            if is_later and vote["index"] < index and person in counts_alone:
                early.add(person)
    return bool(len(early) >= wanted["count"])


def others(votes: list[Any], theirs: list[Any], kept: Any) -> list[Any]:
    """The votes without those of one person in one role, but for one."""
    return [v for v in votes if v is kept or not any(v is their for their in theirs)]


def different(wanted: list[Any], eligible: list[set[str]]) -> Answer:
    """Whether each seat that somebody could take can be taken by somebody else."""
    seats = [
        found
        for one, found in zip(wanted, eligible, strict=True)
        for _ in range(min(one["count"], len(found)))
    ]

    def fill(rest: list[set[str]], taken: set[str]) -> bool:
        if not rest:
            return True
        return True in [fill(rest[1:], taken | {who}) for who in rest[0] - taken]

    return "yes" if fill(seats, set()) else "no"
