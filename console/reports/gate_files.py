"""A gate's verdict in the forms that CI systems read: JUnit, SARIF and markdown.

Names and observations come from outside: each form has its own escaping, and control
characters are shown by their number in all of them.
"""

from __future__ import annotations

import json
from html import escape

from console.rendering import markdown_cell, one_line
from console.services.judging import Judged
from console.services.opened import rfc3339
from console.version import VERSION
from policies.verdict import Node, Verdict, exit_code
from store.objects import sha256_hex

SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    "sarif-schema-2.1.0.json"
)
_ELEMENTS = {Verdict.NO: "failure", Verdict.UNKNOWN: "error"}
_LEVELS = {Verdict.NO: "error", Verdict.UNKNOWN: "warning"}


def junit(judged: Judged) -> str:
    """One test case for each rule: unknown is an error, no a failure."""
    leaves = list(judged.tree.leaves())
    counts = _attributes(
        name=judged.tree.rule,
        tests=str(len(leaves)),
        failures=str(sum(leaf.verdict is Verdict.NO for leaf in leaves)),
        errors=str(sum(leaf.verdict is Verdict.UNKNOWN for leaf in leaves)),
    )
    when = rfc3339(judged.judged_at).removesuffix("Z")
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {counts}>",
        f'  <testsuite {counts} skipped="0" time="0" timestamp="{when}">',
        "    <properties>",
        *(
            f"      <property {_attributes(name=name, value=value)}/>"
            for name, value in _facts(judged).items()
        ),
        "    </properties>",
    ]
    for leaf in leaves:
        lines += _test_case(judged.tree.rule, leaf)
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def _test_case(suite: str, leaf: Node) -> list[str]:
    case = _attributes(name=leaf.rule, classname=suite, time="0")
    if leaf.verdict is Verdict.YES:
        return [f"    <testcase {case}/>"]
    element = _ELEMENTS[leaf.verdict]
    about = _attributes(message=_told(leaf), type=leaf.verdict.value)
    return [
        f"    <testcase {case}>",
        f"      <{element} {about}>{_xml(leaf.why)}</{element}>",
        "    </testcase>",
    ]


def _attributes(**values: str) -> str:
    return " ".join(f'{name}="{_xml(value)}"' for name, value in values.items())


def _xml(text: str) -> str:
    """Text that XML 1.0 may hold, in an attribute or between tags."""
    told = one_line(text.replace("\r", " "))
    for forbidden in ("\ufffe", "\uffff"):
        told = told.replace(forbidden, f"<U+{ord(forbidden):04X}>")
    return escape(told)


def sarif(judged: Judged) -> str:
    """A SARIF 2.1.0 log: every rule that was judged, and a result for each not met."""
    leaves = list(judged.tree.leaves())
    rules = list(dict.fromkeys(one_line(leaf.rule) for leaf in leaves))
    wanted = {one_line(leaf.rule): leaf for leaf in reversed(leaves)}
    driver = {
        "name": "countersign",
        "version": VERSION,
        "rules": [
            {"id": rule, "shortDescription": {"text": _wanted(wanted[rule])}}
            for rule in rules
        ],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": exit_code(judged.tree),
                "endTimeUtc": rfc3339(judged.judged_at),
            }
        ],
        "properties": _facts(judged),
        "results": [
            _result(judged, leaf, rules.index(one_line(leaf.rule)))
            for leaf in leaves
            if leaf.verdict is not Verdict.YES
        ],
    }
    body = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def _result(judged: Judged, leaf: Node, index: int) -> dict[str, object]:
    about = f"{_facts(judged)['policy']} {judged.tree.rule} {leaf.rule}"
    told = one_line(f"{_told(leaf)}. {leaf.why}".removesuffix(". "))
    return {
        "ruleId": one_line(leaf.rule),
        "ruleIndex": index,
        "kind": "fail",
        "level": _LEVELS[leaf.verdict],
        "message": {"text": told},
        "locations": [
            {"logicalLocations": [{"fullyQualifiedName": one_line(judged.tree.rule)}]}
        ],
        "partialFingerprints": {
            "countersign/v1": sha256_hex(about.encode(errors="backslashreplace"))
        },
    }


def markdown(judged: Judged) -> str:
    """A table for a job's summary: what is not met first."""
    tree = judged.tree
    mark = {Verdict.YES: "yes", Verdict.NO: "**NO**", Verdict.UNKNOWN: "**UNKNOWN**"}
    leaves = sorted(tree.leaves(), key=lambda leaf: leaf.verdict is Verdict.YES)
    lines = [
        f"### {mark[tree.verdict]}: {markdown_cell(tree.rule)}",
        "",
        *(f"- {name}: {markdown_cell(v)}" for name, v in _facts(judged).items() if v),
        "",
        "| verdict | rule | wanted | observed | why |",
        "|---|---|---|---|---|",
    ]
    for leaf in leaves:
        why = "" if leaf.verdict is Verdict.YES else leaf.why
        cells = (leaf.rule, leaf.wanted, leaf.observed, why)
        told = " | ".join(markdown_cell(cell) for cell in cells)
        lines.append(f"| {mark[leaf.verdict]} | {told} |")
    return "\n".join([*lines, ""])


def _facts(judged: Judged) -> dict[str, str]:
    """On what a verdict rests, in words."""
    policy = judged.policy
    return {
        "verdict": judged.tree.verdict.value,
        "policy": f"{policy.id} version {policy.version}" if policy else "",
        "policy sha256": policy.digest if policy else "",
        "log position": str(judged.position),
        "judged at": rfc3339(judged.judged_at),
    }


def _wanted(leaf: Node) -> str:
    return one_line(leaf.wanted) or one_line(leaf.rule)


def _told(leaf: Node) -> str:
    told = f"wanted: {leaf.wanted}; observed: {leaf.observed}"
    return f"could not be judged; {told}" if leaf.verdict is Verdict.UNKNOWN else told
