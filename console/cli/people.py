"""Commands about policies."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli.backtesting import add_backtest
from console.cli.context import Context
from console.cli.files import read_file
from console.cli.output import say, show, show_json, show_table
from console.rendering import printable
from console.services.founding import activate_policy
from console.services.problems import Misuse
from policies.document_reading import LARGEST_POLICY_BYTES, read_policy


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands about policies."""
    policy = commands.add_parser("policy", help="what a transition needs")
    policies = policy.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = policies.add_parser("lint", help="check policy files")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.set_defaults(handler=policy_lint)
    parser = policies.add_parser("activate", help="sign a policy and put it in force")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=policy_activate)
    add_backtest(policies)
    parser = policies.add_parser("list", help="the policies in force")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=policy_list)
    parser = policies.add_parser("show", help="the text of a policy in force")
    parser.add_argument("id", metavar="ID")
    parser.set_defaults(handler=policy_show)


def policy_lint(context: Context) -> int:
    """`policy lint`"""
    for name in context.arguments.files:
        policy = read_policy(read_file(Path(name), LARGEST_POLICY_BYTES), path=name)
        say(
            f"{name}: fine ({policy.id} version {policy.version}, "
            f"{len(policy.rules)} rules, {len(policy.quorums)} quorums)"
        )
    return 0


def policy_activate(context: Context) -> int:
    """`policy activate`"""
    documents = []
    for name in context.arguments.files:
        data = read_file(Path(name), LARGEST_POLICY_BYTES)
        read_policy(data, path=name)
        documents.append((name, data))
    acting = context.person()
    for name, data in documents:
        done = activate_policy(context.store, acting, data)
        policy = read_policy(data, path=name)
        current = context.store.state().policies.get(policy.id)
        is_active = current is not None and current.digest == policy.digest
        effect = "in force" if is_active else "waiting for more endorsements"
        say(f"entry {done.index}: {policy.id} version {policy.version}, {effect}")
    return 0


def policy_list(context: Context) -> int:
    """`policy list`"""
    store = context.store
    state = store.state()
    active = [(p, state.policies[p.id]) for p in store.policies(state)]
    if context.arguments.format == "json":
        show_json("policy-list", policies=[a for _, a in active])
        return 0
    show_table(
        ("POLICY", "VERSION", "MODELS", "TO", "SINCE ENTRY", "DIGEST"),
        [
            (
                p.id,
                str(p.version),
                ", ".join(p.applies.models),
                ", ".join(p.applies.to),
                str(a.since),
                p.digest[:16],
            )
            for p, a in active
        ],
    )
    return 0


def policy_show(context: Context) -> int:
    """`policy show`"""
    store = context.store
    active = store.state().policies.get(context.arguments.id)
    if active is None:
        known = ", ".join(sorted(store.state().policies)) or "none"
        raise Misuse(
            f"no policy {context.arguments.id!r} is in force", hint=f"In force: {known}"
        )
    show(printable(store.objects.get(active.digest).decode()))
    return 0
