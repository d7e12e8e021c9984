"""The first cases of a policy, written from the policy itself.

The facts are fitted to its metric rules; the verdicts are those that come out now, for
the author to read, correct and add to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from policies.authoring.case_reading import read_cases
from policies.authoring.case_running import WHOLE, verdicts_of
from policies.authoring.cases import SCHEMA, Case, open_cases
from policies.authoring.good_facts import in_order
from policies.authoring.log_facts import OBSERVING
from policies.document import Policy, Rule
from policies.rules import evaluate
from policies.verdict import Verdict

DEFAULT_ROWS = 1000
_HEAD = """\
# Cases of the policy beside this file: countersign policy test FILE
# Every case starts from a version whose record lacks nothing and that everybody
# approved, as [good] adjusts it. A rule that a case does not name must be met.
"""


_TRAIN, _EVALUATION = ("sha256:" + digit * 64 for digit in "56")
_ONE, _TWO = ('"' + digit * 64 + '"' for digit in "12")
_SAME = f'digest = "sha256:{"9" * 64}", strength = "declared"'
SPOILED = (
    ("the working tree had changes", "evidence.lineage.is_dirty = true"),
    ("the run broke off", 'evidence.lineage.run_status = "FAILED"'),
    ("no dataset was recorded", 'unrecorded = ["lineage.datasets"]'),
    (
        "it was measured on what it was trained on",
        "evidence.lineage.datasets = [",
        f'    {{ name = "train", context = "training", {_SAME} }},',
        f'    {{ name = "holdout", context = "evaluation", {_SAME} }},',
        "]",
    ),
    ("no commit was recorded", 'unrecorded = ["lineage.commits"]'),
    ("no lock file was recorded", 'unrecorded = ["lineage.lock_digest"]'),
    ("no feature set was recorded", 'unrecorded = ["lineage.features_digest"]'),
    ("the model has no signature", "evidence.model.has_signature = false"),
    (
        "a file runs code when it is loaded",
        f'evidence.model.files = [{{ path = "model.pkl", sha256 = {_ONE}, size = 9 }}]',
    ),
    (
        "a file is not the one that was registered",
        "evidence.artifact.changes = [",
        f'    {{ path = "model", registered = {_ONE}, found = {_TWO} }},',
        "]",
    ),
    ("the model is not signed", "evidence.model_signature.is_there = false"),
    (
        "no image was recorded and no lock file",
        'unrecorded = ["origins.image_digest", "lineage.lock_digest"]',
    ),
    (
        "somebody told of the run by hand",
        'evidence.origins.collectors = [{ id = "somebody", is_service = false }]',
    ),
    (
        "what it was measured on went into its training",
        "evidence.origins.derivations = [",
        f'    {{ run = "leak", read = ["{_EVALUATION}"], wrote = ["{_TRAIN}"] }},',
        "]",
    ),
    ("all of it is ten years old", 'context.now = "2040-01-01T12:00:00Z"'),
    ("the artifact cannot be read", "evidence.artifact.is_readable = false"),
    ("nobody knows who ran the training", "context.trainers = []"),
    ("nobody knows who wrote the code", "context.authors = []"),
)
"""What may be wrong with a version: written down where the policy minds."""


class _Measured(NamedTuple):
    """What the rules of a policy want of one metric."""

    value: str
    rows: int


def write_cases(policy: Policy, policy_path: str) -> str:
    """A file of cases for a policy whose file stands beside it."""
    measured = _measured(policy)
    head = _head(policy, policy_path, measured)
    always = _bare_cases(policy, measured)
    bare = [*always, *(_case(name, *lines) for name, *lines in SPOILED)]
    cases = read_cases(open_cases("\n".join([head, *bare]).encode()), policy)
    unmet = [_unmet(policy, case) for case in cases]
    kept = [
        number
        for number in range(len(cases))
        if number < len(always) or unmet[number].keys() - unmet[0].keys()
    ]
    return "\n".join([head, *(_told(bare[n], unmet[n]) for n in kept)])


def _unmet(policy: Policy, case: Case) -> dict[str, Verdict]:
    """What a case does not meet, the whole first; nothing where it is met."""
    tree = evaluate(policy, case.evidence, case.votes, case.context, case.waivers)
    found = {WHOLE: tree.verdict} | {
        name: node.verdict for name, node in verdicts_of(tree).items()
    }
    return {name: v for name, v in found.items() if v is not Verdict.YES}


def _told(text: str, unmet: dict[str, Verdict]) -> str:
    """A case with the verdicts that came out."""
    whole = unmet.get(WHOLE, Verdict.YES)
    lines = [text.replace('verdict = "yes"', f'verdict = "{whole.value}"', 1)]
    rules = [
        f"{_text(name)} = {_text(verdict.value)}"
        for name, verdict in unmet.items()
        if name != WHOLE
    ]
    lines += ["[cases.rules]", *rules] if rules else []
    return "\n".join(lines) + "\n"


def _head(policy: Policy, path: str, measured: dict[str, _Measured]) -> str:
    lines = [
        _HEAD + f"schema = {_text(SCHEMA)}",
        f"policy = {_text(path)}",
        "",
        "[good]",
    ]
    dataset = next(
        (r.text("dataset") for r in policy.rules if "dataset" in r.fields), ""
    )
    if dataset:
        lines.append(f"evaluated_on = {_text(dataset)}")
    if measured:
        values = {name: m.value for name, m in measured.items()}
        lines += ["", "[good.metrics]", *_pairs(values)]
        lines += ["", "[good.incumbent]        # the version now in the stage"]
        lines += _pairs(values)
        lines += ["", "[good.samples]"]
        lines += [f"{_text(name)} = {m.rows}" for name, m in measured.items()]
    observed = _fitted(rule for rule in policy.rules if rule.kind in OBSERVING)
    if observed:
        values = {name: m.value for name, m in observed.items()}
        lines += ["", "[good.observed]         # where it runs", *_pairs(values)]
        lines += ["", "[good.beside]           # of the version now in the stage"]
        lines += _pairs(values)
    return "\n".join(lines) + "\n"


def _bare_cases(policy: Policy, measured: dict[str, _Measured]) -> list[str]:
    cases = [_case("everything is as it should be")]
    cases += [
        _case(f"{name} was not recorded", f"without = [{_text(name)}]")
        for name in measured
    ]
    if not policy.quorums:
        return cases
    cases.append(_case("nobody has signed", "votes = []"))
    role = policy.quorums[0].role
    cases.append(
        _case(
            "somebody who may sign rejects it",
            f'votes = [{{ person = "somebody", role = {_text(role)}, '
            'decision = "reject" }]',
        )
    )
    if policy.wants_different_people and len(policy.quorums) > 1:
        cases.append(_case("one person signs in every role", _by_one(policy)))
    return cases


def _by_one(policy: Policy) -> str:
    """Votes of the same person in each role."""
    votes = [
        f'{{ person = "somebody", role = {_text(quorum.role)} }}'
        for quorum in in_order(policy)
    ]
    return f"votes = [{', '.join(votes)}]"


def _case(name: str, *lines: str) -> str:
    head = ["[[cases]]", f"name = {_text(name)}", 'verdict = "yes"']
    return "\n".join([*head, *lines])


def _measured(policy: Policy) -> dict[str, _Measured]:
    """A value and a number of rows for each metric, fitted to the rules about it."""
    found = _fitted(rule for rule in policy.rules if rule.kind not in OBSERVING)
    if any("metrics" in rule.names("require") for rule in policy.rules):
        found = found or {"accuracy": _Measured("1", DEFAULT_ROWS)}
    return found


def _fitted(rules: Iterable[Rule]) -> dict[str, _Measured]:
    found: dict[str, _Measured] = {}
    for rule in rules:
        for name in _names(rule):
            before = found.get(name) or _Measured(_value(rule), DEFAULT_ROWS)
            bound = _value(rule) if "column" not in rule.fields else ""
            rows = max(before.rows, rule.count("minimum_samples"))
            found[name] = _Measured(_tighter(rule, before.value, bound), rows)
    return found


def _names(rule: Rule) -> list[str]:
    metric = rule.text("metric")
    if not metric:
        return []
    if "column" in rule.fields:
        slices = rule.names("slices") or ("first", "second")
        return [f"{metric}/{rule.text('column')}:{value}" for value in slices]
    return [f"{metric}/{rule.text('slice')}" if "slice" in rule.fields else metric]


def _value(rule: Rule) -> str:
    """A value that meets a bound of the rule; 1 where it has none."""
    if "column" in rule.fields:
        return "1"
    return rule.text("at_least") or rule.text("at_most") or "1"


def _tighter(rule: Rule, before: str, bound: str) -> str:
    """A value that meets an earlier rule's bound and this one's, if one can."""
    if not bound or not {"at_least", "at_most"} & rule.fields.keys():
        return before
    one, other = Decimal(before), Decimal(bound)
    if "at_least" in rule.fields:
        return before if one >= other else bound
    return before if one <= other else bound


def _pairs(values: dict[str, str]) -> list[str]:
    return [f"{_text(name)} = {_text(value)}" for name, value in values.items()]


def _text(value: str) -> str:
    """A TOML string: JSON's, which TOML reads the same."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
