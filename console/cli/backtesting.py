"""`policy backtest`: what a policy would have changed, as a table, JSON or markdown."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.context import Context, progress
from console.cli.output import say, show, show_json
from console.rendering import markdown_cell, one_line, printable, table
from console.services.named_files import read_file
from policies.document_reading import LARGEST_POLICY_BYTES, read_policy
from policies.turning import Turn
from policies.verdict import Verdict, tree_lines

if TYPE_CHECKING:
    from console.services.backtesting import Backtest, Retried
    from policies.turning import TurnedRule

WORDS = {
    Turn.REFUSED: "would be refused",
    Turn.PASSES: "would pass",
    Turn.UNTOLD: "could not tell",
    Turn.SAME: "as it was",
}
HEADINGS = ("RULE", "REFUSES", "LETS PASS", "COULD NOT TELL")


def add_backtest(
    policies: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Declare `policy backtest`."""
    parser = policies.add_parser(
        "backtest", help="which past decisions a policy would have turned"
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--since", default="", metavar="TIME", help="asked for from")
    parser.add_argument("--until", default="", metavar="TIME", help="and before")
    parser.add_argument(
        "--each", action="store_true", help="every request with every rule"
    )
    parser.add_argument(
        "--format", choices=("table", "json", "markdown"), default="table"
    )
    parser.set_defaults(handler=policy_backtest)


def policy_backtest(context: Context) -> int:
    """`policy backtest`"""
    from console.cli.times import time_argument
    from console.services.backtesting import Span, backtest

    arguments = context.arguments
    data = read_file(Path(arguments.file), LARGEST_POLICY_BYTES)
    policy = read_policy(data, path=arguments.file)
    span = Span(time_argument(arguments.since), time_argument(arguments.until))
    told = progress("judging again", "requests")
    found = backtest(context.store, policy, span, progress=told)
    match arguments.format:
        case "json":
            _show_json(found, is_each=arguments.each)
        case "markdown":
            show("\n".join(_markdown(found)))
        case _:
            show("\n".join(_lines(found, is_each=arguments.each)))
    if not found.retried:
        say("No request in the log is one that this policy decides.")
    return found.exit_code


def _summary(found: Backtest) -> str:
    counts = ", ".join(f"{found.count(turn)} {WORDS[turn]}" for turn in WORDS)
    return (
        f"{found.policy.id} version {found.policy.version} on "
        f"{len(found.retried)} past requests, {found.promoted} of them promoted: "
        f"{counts}"
    )


def _rule_rows(found: Backtest) -> list[tuple[str, str, str, str]]:
    return [
        (c.rule, str(c.refuses), str(c.passes), str(c.could_not_tell))
        for c in found.by_rule()
    ]


def _lines(found: Backtest, *, is_each: bool) -> Iterator[str]:
    yield from _wrapped(_summary(found))
    rows = _rule_rows(found)
    if rows:
        yield from ("", table(HEADINGS, rows))
    for retried in found.retried:
        if is_each or retried.turn is not Turn.SAME:
            yield ""
            yield from _request_lines(retried, is_each=is_each)


def _wrapped(text: str, *, indent: int = 0) -> list[str]:
    from textwrap import wrap

    return wrap(
        one_line(text), 80, subsequent_indent=" " * indent, break_on_hyphens=False
    )


def _request_lines(retried: Retried, *, is_each: bool) -> Iterator[str]:
    what = "promoted" if retried.was_promoted else "not promoted"
    yield one_line(
        f"{WORDS[retried.turn]}: {retried.version}, {retried.transition} "
    ).rstrip()
    yield one_line(
        f"  request:{retried.request[:12]} of {retried.asked_at}, {what}, "
        f"judged at entry {retried.position}"
    )
    if is_each:
        yield from (f"  {printable(line)}" for line in tree_lines(retried.after))
        return
    for rule in retried.rules:
        yield one_line(f"  {rule.rule}: {_change(rule)}")
        for name in ("wanted", "observed", "why"):
            if getattr(rule, name) and rule.after is not Verdict.YES:
                text = f"    {name + ':':9} {getattr(rule, name)}"
                yield from _wrapped(text, indent=14)


def _change(rule: TurnedRule) -> str:
    before = "not asked" if rule.before is None else rule.before.value
    after = "not asked" if rule.after is None else rule.after.value
    return f"{before} then, {after} under this policy"


def _show_json(found: Backtest, *, is_each: bool) -> None:
    show_json(
        "policy-backtest",
        policy={
            "id": found.policy.id,
            "version": found.policy.version,
            "digest": found.policy.digest,
        },
        exit_code=found.exit_code,
        counts={turn.value.replace("-", "_"): found.count(turn) for turn in Turn},
        promoted=found.promoted,
        rules=found.by_rule(),
        requests=[
            _request_json(r, is_each=is_each)
            for r in found.retried
            if is_each or r.turn is not Turn.SAME
        ],
    )


def _request_json(retried: Retried, *, is_each: bool) -> dict[str, object]:
    said: dict[str, object] = {
        "request": retried.request,
        "version": retried.version,
        "transition": retried.transition,
        "asked_at": retried.asked_at,
        "log_position": retried.position,
        "was_promoted": retried.was_promoted,
        "turn": retried.turn,
        "before": retried.before.verdict,
        "after": retried.after.verdict,
        "rules": retried.rules,
    }
    return said | ({"tree": retried.after.to_json()} if is_each else {})


def _markdown(found: Backtest) -> Iterator[str]:
    yield f"**{markdown_cell(_summary(found))}**"
    rows = _rule_rows(found)
    if rows:
        yield from ("", "| rule | refuses | lets pass | could not tell |")
        yield "|---|---|---|---|"
    for row in rows:
        yield "| " + " | ".join(markdown_cell(cell) for cell in row) + " |"
    differing = [r for r in found.retried if r.turn is not Turn.SAME]
    if differing:
        yield from ("", "| version | transition | outcome | rule | observed | wanted |")
        yield "|---|---|---|---|---|---|"
    for retried in differing:
        head = (retried.version, retried.transition, WORDS[retried.turn])
        for rule in retried.rules:
            cells = (*head, rule.rule, rule.observed, rule.wanted)
            yield "| " + " | ".join(markdown_cell(cell) for cell in cells) + " |"
