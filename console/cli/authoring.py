"""Commands for people who write policies: lint, schema, explain, test."""

from __future__ import annotations

import argparse
import json
import textwrap
from dataclasses import asdict
from pathlib import Path

from console.cli.context import Context
from console.cli.output import say, show, show_json, show_table
from console.rendering import one_line, printable, shorten
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.explained import Explained, Point, Standing
from console.services.explaining import explain
from console.services.named_files import write_new
from console.services.opened import wall_clock
from console.services.problems import Misuse

WIDTH = 80


def add_author_commands(
    policies: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Declare the commands beneath `policy` that authors use."""
    parser = policies.add_parser(
        "lint", help="look policy files over; with a store, against what it knows"
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=policy_lint)
    parser = policies.add_parser("schema", help="JSON Schema of policies, for editors")
    parser.add_argument("--cases", action="store_true", help="that of files of cases")
    parser.set_defaults(handler=policy_schema)
    parser = policies.add_parser(
        "explain",
        help="a policy, FILE or ID, in plain words; with --to: how a version stands",
    )
    parser.add_argument("what_for", metavar="FILE|ID|REF")
    parser.add_argument("--to", default="", metavar="STAGE")
    parser.add_argument("--env", default=DEFAULT_ENVIRONMENT, metavar="ENVIRONMENT")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=policy_explain)
    parser = policies.add_parser("ready", help="policies to begin with")
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    parser.add_argument("--cases", action="store_true", help="its cases instead")
    parser.set_defaults(handler=policy_ready)
    parser = policies.add_parser("test", help="run the cases beside policies")
    parser.add_argument("places", nargs="+", metavar="FILE|FOLDER")
    parser.add_argument(
        "--init", action="store_true", help="write the first cases of a policy FILE"
    )
    parser.add_argument("--format", choices=("table", "json", "junit"), default="table")
    parser.set_defaults(handler=policy_test)


def policy_lint(context: Context) -> int:
    """`policy lint`: 0 with nothing but remarks, 1 with problems, 2 malformed."""
    from console.services.policy_linting import lint_files

    paths = list(dict.fromkeys(Path(name) for name in context.arguments.files))
    store = context.store if context.store_address else None
    report = lint_files(paths, wall_clock(), store)
    if context.arguments.format == "json":
        show_json("policy-lint", files=report.files, remarks=report.remarks)
        return report.exit_code
    for remark in report.remarks:
        place = f"{remark.path}:{remark.line}" if remark.line else remark.path
        show(one_line(f"{place}: {remark.severity.value}: {remark.text}"))
        if remark.suggestion:
            show(one_line(f"    {remark.suggestion}"))
    told = {remark.path for remark in report.remarks}
    for name in report.files:
        if name not in told:
            say(f"{name}: fine")
    if store is None:
        say("Looked at without a store; --store PLACE holds names and people to it.")
    return report.exit_code


def policy_ready(context: Context) -> int:
    """`policy ready`: the list, or the text of one."""
    from console.services.ready_policies import ready_policies, ready_text

    arguments = context.arguments
    if arguments.name:
        show(ready_text(arguments.name, cases=arguments.cases).decode())
        return 0
    show_table(
        ("POLICY", "RULES", "APPROVALS", "FOR"),
        [
            (
                policy.id,
                str(len(policy.rules)),
                ", ".join(f"{q.count} x {q.role}" for q in policy.quorums),
                policy.description,
            )
            for policy in ready_policies()
        ],
    )
    say("To begin with one: countersign policy ready NAME > NAME.toml")
    return 0


def policy_schema(context: Context) -> int:
    """`policy schema`"""
    from policies.authoring.case_schema import cases_schema
    from policies.authoring.schema import policy_schema as made

    schema = cases_schema() if context.arguments.cases else made()
    show(json.dumps(schema, indent=2))
    return 0


def policy_explain(context: Context) -> int:
    """`policy explain`"""
    arguments = context.arguments
    if not arguments.to:
        return _explain_policy(context)
    told = explain(context.store, arguments.what_for, arguments.to, arguments.env)
    if arguments.format == "json":
        show_json("policy-explain", **asdict(told))
    else:
        for line in explained_lines(told):
            show(one_line(line))
    return 0


def _explain_policy(context: Context) -> int:
    from console.services.policy_history import policy_named
    from policies.authoring.plain_words import policy_in_words

    named = context.arguments.what_for
    if named.startswith("model:"):
        raise Misuse(
            "say where the version is to go",
            hint=f"countersign policy explain {named} --to STAGE",
        )
    has_store = context.store_address and not Path(named).is_file()
    policy = policy_named(context.store if has_store else None, named)
    words = policy_in_words(policy)
    if context.arguments.format == "json":
        show_json("policy-words", id=policy.id, version=policy.version, markdown=words)
    else:
        show(printable(words))
    return 0


def policy_test(context: Context) -> int:
    """`policy test`: 0 when every case passes, 1 when one does not."""
    from console.reports.case_results import junit_of, lines_of
    from console.services.policy_cases import find_cases, run_file

    arguments = context.arguments
    if arguments.init:
        return _write_first_cases([Path(place) for place in arguments.places])
    paths = [path for place in arguments.places for path in find_cases(Path(place))]
    results = [run_file(path) for path in dict.fromkeys(paths)]
    has_passed = all(case.has_passed for file in results for case in file.cases)
    match arguments.format:
        case "json":
            show_json("policy-test", has_passed=has_passed, files=results)
        case "junit":
            show(junit_of(results))
        case _:
            show("\n".join(lines_of(results)))
    return 0 if has_passed else 1


def _write_first_cases(paths: list[Path]) -> int:
    from console.services.policy_cases import cases_path, first_cases

    for path in paths:
        data, target = first_cases(path), cases_path(path)
        write_new(target, data)
        say(f"Read it, correct it, add to it; then: countersign policy test {path}")
        show(printable(str(target)))
    return 0


def explained_lines(told: Explained) -> list[str]:
    """How everything stands, for a terminal."""
    asked = f"open: {told.request}" if told.request else "nobody has asked yet"
    if told.is_held:
        asked = "it is there, and its promotion is judged"
    lines = [f"{told.version}: {told.transition}", f"policy {told.policy}; {asked}", ""]
    if told.policy_changes:
        lines.append("Since it was asked for, the policy changed; approvals are stale:")
        for change in told.policy_changes:
            lines += _wrapped("  ", change)
        lines.append("")
    met = [p for p in told.points if p.standing is Standing.MET]
    for point in told.points:
        if point.standing is not Standing.MET:
            lines += _point_lines(point)
    for point in met:
        found = f": {point.found}" if point.found else ""
        lines.append(shorten(f"met          {point.name}{found}", WIDTH))
    if told.gaps:
        lines += ["", "What the record lacks:"]
        for gap in told.gaps:
            lines += _wrapped("  ", gap.text) + _wrapped("    ", gap.remedy)
    lines += ["", f"{len(met)} of {len(told.points)} met. Next:"]
    lines += [f"  {told.next_step}"]
    return lines


def _point_lines(point: Point) -> list[str]:
    mark = point.standing.value
    if point.standing in (Standing.NOT_MET, Standing.UNKNOWN):
        mark = mark.upper()
    lines = [f"{mark:<12} {point.name}"]
    for label, text in (
        ("asks", point.asks),
        ("found", point.found),
        ("why", point.why),
        ("could sign", ", ".join(point.could_sign)),
        ("next", point.next_step),
    ):
        if text:
            lines += _wrapped(f"{'':13}{label + ':':<12}", text)
    return lines


def _wrapped(lead: str, text: str) -> list[str]:
    """Text in lines of the terminal's width, under its label; commands stay whole."""
    if "countersign " in text:
        return [lead + text]
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )
