"""`waive`: take responsibility by name for rules that are not met."""

from __future__ import annotations

import argparse

from console.cli.context import Context
from console.cli.output import say, show
from console.services import reviewing
from console.services.problems import Misuse
from policies.verdict import tree_lines


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `waive`."""
    parser = commands.add_parser(
        "waive", help="answer by name for rules that a request does not meet"
    )
    parser.add_argument("request", metavar="REQUEST")
    parser.add_argument(
        "--rule", action="append", required=True, metavar="ID", dest="rules"
    )
    parser.add_argument("--reason", required=True, metavar="TEXT")
    parser.add_argument(
        "--expires",
        default="",
        metavar="TIME",
        help="when it ends (default: as late as the policy allows)",
    )
    parser.add_argument("--role", default="", metavar="ROLE")
    parser.add_argument("--key", metavar="KEY")
    parser.add_argument(
        "--yes", action="store_true", help="do not ask again in a terminal"
    )
    parser.set_defaults(handler=waive, decides=True)


def waive(context: Context) -> int:
    """`waive`"""
    from console.services import waiving
    from console.services.judging import evidence_of
    from policies.rules import evaluate_facts

    arguments, store = context.arguments, context.store
    acting, state = context.person(), store.state()
    record = reviewing.find_request(store, arguments.request, state)
    sheet = reviewing.review_sheet(store, record, state)
    draft = waiving.draft_waiver(
        store,
        acting,
        sheet,
        tuple(arguments.rules),
        expires=arguments.expires,
        role=arguments.role,
    )
    facts = evaluate_facts(sheet.policy, evidence_of(store, record))
    for name, asked in zip(draft.rules, draft.asks, strict=True):
        say(f"{name} asks: {asked}")
        for node in facts.children:
            if node.rule == name:
                say("\n".join(tree_lines(node, 1)))
    say(f"Until {draft.until:%Y-%m-%d %H:%M} UTC you answer for it as {draft.role}.")
    if context.is_interactive and not arguments.yes:
        typed = input("Type waive to sign: ")
        if typed.strip() != "waive":
            raise Misuse("nothing was signed")
    done = waiving.waive(store, acting, sheet, draft, arguments.reason)
    wanted = sheet.policy.waivers.count if sheet.policy.waivers else 0
    say(f"Signed; entry {done.index}. It counts when {wanted} of the role waive it.")
    show(f"statement:{done.statement_id[:12]}")
    return 0
