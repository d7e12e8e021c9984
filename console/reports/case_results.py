"""Results of policy cases for a terminal, and as JUnit XML for a build server."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from console.rendering import one_line, printable
from console.services.policy_cases import FileResult
from policies.authoring.case_running import CaseResult, Difference


def lines_of(results: Sequence[FileResult]) -> list[str]:
    """Every file and case, with what differs, and the count."""
    lines = []
    for file in results:
        lines.append(f"{file.path}: {file.policy}")
        for case in file.cases:
            lines.append(f"  {'pass' if case.has_passed else 'FAIL'}  {case.name}")
            lines += [f"          {sentence(d)}" for d in case.differences]
            if not case.has_passed:
                lines.append(f"          see {file.path}:{case.line}")
        if file.never_refused:
            names = ", ".join(file.never_refused)
            lines.append(f"  no case is refused by: {names}")
    cases = [case for file in results for case in file.cases]
    passed = sum(case.has_passed for case in cases)
    return [*map(one_line, lines), f"{passed} of {len(cases)} pass"]


def sentence(difference: Difference) -> str:
    """What differs, on one line."""
    if not difference.found:
        return f"{difference.rule}: {difference.observed}"
    observed = f" ({difference.observed})" if difference.observed else ""
    return f"{difference.rule}: {difference.found}, not {difference.wanted}{observed}"


def junit_of(results: Sequence[FileResult]) -> str:
    """One test suite a file, one test case a case."""
    root = ElementTree.Element("testsuites", name="countersign policy test")
    for file in results:
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_plain(file.path),
            tests=str(len(file.cases)),
            failures=str(sum(not case.has_passed for case in file.cases)),
            errors="0",
            skipped="0",
        )
        for case in file.cases:
            _junit_case(suite, file, case)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _junit_case(suite: ElementTree.Element, file: FileResult, case: CaseResult) -> None:
    element = ElementTree.SubElement(
        suite,
        "testcase",
        name=_plain(case.name),
        classname=_plain(file.policy),
        file=_plain(file.path),
        line=str(case.line),
        time="0",
    )
    if not case.has_passed:
        told = [_plain(sentence(d)) for d in case.differences]
        failure = ElementTree.SubElement(element, "failure", message=told[0])
        failure.text = "\n".join(told)


def _plain(text: str) -> str:
    """Text that XML can hold, whatever a file said."""
    shown = printable(text)
    return "".join(c for c in shown if c not in "\ufffe\uffff")
