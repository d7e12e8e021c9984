"""Commands about policies."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli.authoring import add_author_commands
from console.cli.backtesting import add_backtest
from console.cli.context import Context
from console.cli.output import say, show, show_json, show_table
from console.rendering import one_line, printable
from console.services.named_files import read_file
from console.services.policy_history import (
    PolicyVersion,
    VersionStanding,
    endorse_policy,
    find_policy,
    policy_named,
    policy_versions,
    to_endorse,
)
from console.services.problems import Misuse
from policies.authoring.changes import policy_changes
from policies.authoring.plain_words import policy_in_words
from policies.document_reading import LARGEST_POLICY_BYTES, read_policy


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands about policies."""
    policy = commands.add_parser("policy", help="what a transition needs")
    policies = policy.add_subparsers(dest="what", required=True, metavar="WHAT")
    add_author_commands(policies)
    parser = policies.add_parser("activate", help="sign a policy and put it in force")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=policy_activate)
    parser = policies.add_parser(
        "sign", help="read what a policy changes, and endorse it"
    )
    parser.add_argument("policy", metavar="FILE|ID")
    parser.add_argument("--key", metavar="KEY")
    parser.add_argument(
        "--yes", action="store_true", help="do not ask again in a terminal"
    )
    parser.set_defaults(handler=policy_sign, decides=True)
    parser = policies.add_parser("diff", help="what one policy changes over another")
    parser.add_argument("old", metavar="OLD", help="a file, ID or ID@VERSION")
    parser.add_argument("new", metavar="NEW")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=policy_diff)
    add_backtest(policies)
    parser = policies.add_parser("list", help="the policies in force")
    parser.add_argument(
        "--all", action="store_true", help="every version, and what waits for whom"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=policy_list)
    parser = policies.add_parser("show", help="the text of a policy, ID or ID@VERSION")
    parser.add_argument("id", metavar="ID")
    parser.set_defaults(handler=policy_show)


def policy_activate(context: Context) -> int:
    """`policy activate`"""
    documents = []
    for name in context.arguments.files:
        data = read_file(Path(name), LARGEST_POLICY_BYTES)
        read_policy(data, path=name)
        documents.append(data)
    acting = context.person()
    for data in documents:
        _warn(context, data)
        done, version = endorse_policy(context.store, acting, data)
        say(f"entry {done.index}: {_effect(version)}")
    return 0


def policy_sign(context: Context) -> int:
    """`policy sign`"""
    arguments, store = context.arguments, context.store
    acting = context.person()
    asked = to_endorse(store, arguments.policy)
    policy = asked.policy
    say(f"{policy.id} version {policy.version}, {policy.digest}")
    for change in asked.changes:
        say(one_line(f"  {change}"))
    if not asked.changes:
        say(policy_in_words(policy))
    _warn(context, asked.data)
    if context.is_interactive and not arguments.yes:
        typed = input(f"Type the first ten digits of {policy.digest} to sign: ")
        if typed.strip() != policy.digest[:10]:
            raise Misuse("that is not how it begins; nothing was signed")
    done, version = endorse_policy(store, acting, asked.data)
    say(f"entry {done.index}: {_effect(version)}")
    return 0


def policy_diff(context: Context) -> int:
    """`policy diff`"""
    arguments = context.arguments
    store = context.store if context.store_address else None
    old, new = (policy_named(store, text) for text in (arguments.old, arguments.new))
    changes = policy_changes(old, new)
    if arguments.format == "json":
        show_json("policy-diff", old=old.digest, new=new.digest, changes=changes)
        return 0
    for change in changes:
        show(one_line(str(change)))
    if not changes:
        say("They ask the same.")
    return 0


def _warn(context: Context, data: bytes) -> None:
    """Say which transitions a policy would bar, by being as specific as another."""
    from console.services.policy_linting import overlaps_in_force

    for remark in overlaps_in_force(context.store, data, "policy"):
        say(one_line(f"warning: {remark.text}"))
        say(f"  {remark.suggestion}")


def _effect(version: PolicyVersion) -> str:
    named = f"{version.id} version {version.version}"
    if version.standing is VersionStanding.IN_FORCE:
        return f"{named}, in force"
    more = version.wanted - len(version.endorsed_by)
    return f"{named}, waiting for {more} more: countersign policy sign {version.id}"


def _list_all(context: Context) -> int:
    versions = policy_versions(context.store)
    if context.arguments.format == "json":
        show_json("policy-history", versions=versions)
        return 0
    for version in versions:
        since = f" since entry {version.since_entry}" if version.since_entry else ""
        show(
            printable(
                f"{version.id} version {version.version}: "
                f"{version.standing.value}{since}, {version.digest[:16]}"
            )
        )
        signers = ", ".join(version.endorsed_by) or "nobody whose key counts"
        show(one_line(f"  endorsed by {signers}; {version.wanted} wanted"))
        for change in version.changes:
            show(one_line(f"  {change}"))
    if not versions:
        say("nothing to show")
    return 0


def policy_list(context: Context) -> int:
    """`policy list`"""
    if context.arguments.all:
        return _list_all(context)
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
    found = find_policy(store, context.arguments.id)
    if found.standing is not VersionStanding.IN_FORCE:
        say(f"{found.id} version {found.version} is {found.standing.value}")
    show(printable(store.objects.get(found.digest).decode()))
    return 0
