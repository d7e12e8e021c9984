"""The first cases of a policy, written from the policy itself.

The facts are fitted to its metric rules; the verdicts are those that come out now, for
the author to read, correct and add to.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NamedTuple

from policies.authoring.case_reading import read_cases
from policies.authoring.case_running import verdicts_of
from policies.authoring.cases import SCHEMA, open_cases
from policies.document import Policy, Rule
from policies.rules import evaluate
from policies.verdict import Verdict

DEFAULT_ROWS = 1000
_HEAD = """\
# Cases of the policy beside this file: countersign policy test FILE
# Every case starts from a version whose record lacks nothing and that everybody
# approved, as [good] adjusts it. A rule that a case does not name must be met.
"""


class _Measured(NamedTuple):
    """What the rules of a policy want of one metric."""

    value: str
    rows: int


def write_cases(policy: Policy, policy_path: str) -> str:
    """A file of cases for a policy whose file stands beside it."""
    measured = _measured(policy)
    bare = [_head(policy, policy_path, measured), *_bare_cases(policy, measured)]
    opened = open_cases("\n".join(bare).encode())
    cases = read_cases(opened, policy)
    parts = [bare[0]]
    for case, text in zip(cases, bare[1:], strict=True):
        tree = evaluate(policy, case.evidence, case.votes, case.context)
        lines = [text.replace('verdict = "yes"', f'verdict = "{tree.verdict.value}"')]
        unmet = {
            name: node.verdict.value
            for name, node in verdicts_of(tree).items()
            if node.verdict is not Verdict.YES
        }
        lines += ["[cases.rules]"] if unmet else []
        lines += [f"{_text(name)} = {_text(found)}" for name, found in unmet.items()]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


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
    return "\n".join(lines) + "\n"


def _bare_cases(policy: Policy, measured: dict[str, _Measured]) -> list[str]:
    cases = [_case("everything is as it should be")]
    cases += [
        _case(f"{name} was not recorded", f"without = [{_text(name)}]")
        for name in measured
    ]
    cases.append(_case("nobody has signed", "votes = []"))
    role = policy.quorums[0].role
    cases.append(
        _case(
            "somebody who may sign rejects it",
            f'votes = [{{ person = "somebody", role = {_text(role)}, '
            'decision = "reject" }]',
        )
    )
    return cases


def _case(name: str, *lines: str) -> str:
    head = ["[[cases]]", f"name = {_text(name)}", 'verdict = "yes"']
    return "\n".join([*head, *lines])


def _measured(policy: Policy) -> dict[str, _Measured]:
    """A value and a number of rows for each metric, fitted to the rules about it."""
    found: dict[str, _Measured] = {}
    for rule in policy.rules:
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
