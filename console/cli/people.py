"""Commands about keys, enrolment and policies."""

from __future__ import annotations

import argparse
from pathlib import Path

from connectors.signers.files import create_key_file
from connectors.signers.opening import open_signer
from console.cli.collecting import new_secret
from console.cli.context import Context
from console.cli.files import read_file, write_new
from console.cli.output import say, show, show_json, show_table
from console.rendering import printable
from console.services.founding import (
    activate_policy,
    enrol,
    make_offer,
    read_offer,
)
from console.services.problems import Misuse
from console.services.signing import passphrase_source, refuse_demonstration_key
from policies.document_reading import LARGEST_POLICY_BYTES, read_policy
from policies.keys import public_key
from policies.predicates import Grant


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands about people and policies."""
    key = commands.add_parser("key", help="keys, and enrolling their holders")
    keys = key.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = keys.add_parser("new", help="make a key on this machine")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "--no-passphrase",
        action="store_true",
        help="do not encrypt it: for trying out only",
    )
    parser.set_defaults(handler=key_new)
    parser = keys.add_parser("list", help="the keys on this machine")
    parser.set_defaults(handler=key_list)
    parser = keys.add_parser("show", help="a key's id and public half")
    parser.add_argument("name", metavar="KEY")
    parser.set_defaults(handler=key_show)
    parser = keys.add_parser(
        "enrol",
        help="offer a key (with --out), or add the person of an OFFER to the store",
    )
    parser.add_argument("offer", nargs="?", metavar="OFFER")
    parser.add_argument("--key", metavar="KEY")
    parser.add_argument("--out", metavar="FILE", help="write an offer of your own key")
    parser.add_argument("--name", default="", metavar="NAME")
    parser.add_argument("--email", default="", metavar="ADDRESS")
    parser.add_argument("--identity", action="append", default=[], metavar="ID")
    parser.add_argument("--role", action="append", default=[], metavar="ROLE")
    parser.add_argument("--model", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--env", action="append", default=[], metavar="PATTERN")
    parser.set_defaults(handler=key_enrol)
    policy = commands.add_parser("policy", help="what a transition needs")
    policies = policy.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = policies.add_parser("lint", help="check policy files")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.set_defaults(handler=policy_lint)
    parser = policies.add_parser("activate", help="sign a policy and put it in force")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=policy_activate)
    parser = policies.add_parser("list", help="the policies in force")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=policy_list)
    parser = policies.add_parser("show", help="the text of a policy in force")
    parser.add_argument("id", metavar="ID")
    parser.set_defaults(handler=policy_show)


def key_new(context: Context) -> int:
    """`key new`"""
    name = context.arguments.name
    if not name.replace("-", "").replace("_", "").isalnum():
        raise Misuse("a key's name is letters, digits, - and _")
    path = context.places.keys / f"{name}.pem"
    secret = new_secret(context, is_open=context.arguments.no_passphrase)
    signer = create_key_file(path, secret)
    say(f"Made {path}; its id is:")
    show(public_key(signer.spki).id)
    return 0


def key_list(context: Context) -> int:
    """`key list`"""
    folder = context.places.keys
    files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
    show_table(("NAME", "FILE"), [(path.stem, str(path)) for path in files])
    return 0


def key_show(context: Context) -> int:
    """`key show`"""
    import base64

    short = context.places.keys / f"{context.arguments.name}.pem"
    address = str(short) if short.is_file() else context.arguments.name
    signer = open_signer(address, passphrase_source(context.ask_secret()))
    key = public_key(signer.spki)
    show(f"id:        {key.id}")
    show(f"algorithm: {key.algorithm.value}")
    show(f"public:    {base64.b64encode(key.spki).decode()}")
    return 0


def key_enrol(context: Context) -> int:
    """`key enrol`: one half on the newcomer's machine, the other on the enroller's."""
    arguments = context.arguments
    if arguments.out:
        address = context.key_address()
        signer = open_signer(address, passphrase_source(context.ask_secret()))
        refuse_demonstration_key(signer, is_demo=context.store.root().is_demo)
        if not arguments.name:
            raise Misuse("an offer has a printed name", hint="--name NAME")
        offer = make_offer(
            context.store.origin,
            signer,
            name=arguments.name,
            email=arguments.email,
            identities=tuple(arguments.identity),
        )
        write_new(Path(arguments.out), offer)
        say(f"Hand {arguments.out} to somebody who may enrol people. Your key's id:")
        show(public_key(signer.spki).id)
        return 0
    if not arguments.offer:
        raise Misuse("name an OFFER to accept, or --out FILE to make one")
    read = read_offer(read_file(Path(arguments.offer)), context.store.origin)
    grants = tuple(
        Grant(role, tuple(arguments.model) or ("*",), tuple(arguments.env) or ("*",))
        for role in arguments.role
    )
    say(f"Enrolling {read.name} ({read.person}) with the key {read.key.id}")
    done = enrol(context.store, context.person(), read, grants)
    say(f"Entry {done.index}: {read.name} now holds {', '.join(arguments.role)}.")
    show(read.person)
    return 0


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
