"""Commands about keys: making, listing, showing and enrolling them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from connectors.signers.files import KeyType
from connectors.signers.opening import open_signer
from console.cli.collecting import new_secret
from console.cli.context import Context
from console.cli.output import say, show, show_json, show_table
from console.services.founding import enrol, make_offer, read_offer
from console.services.keyring import list_keys, make_key
from console.services.named_files import read_file, write_new
from console.services.problems import Misuse
from console.services.signing import (
    find_key,
    key_of,
    passphrase_source,
    refuse_demonstration_key,
)
from policies.keys import PublicKey
from policies.predicates import Grant
from policies.spoken import spoken


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands about keys."""
    key = commands.add_parser("key", help="keys, and enrolling their holders")
    keys = key.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = keys.add_parser("new", help="make a key on this machine")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "--type",
        choices=[kind.value for kind in KeyType],
        default=KeyType.ED25519.value,
        help="ed25519 (the default), or p256 where a rule book asks for a NIST curve",
    )
    parser.add_argument(
        "--no-passphrase",
        action="store_true",
        help="do not encrypt it: for trying out only",
    )
    parser.set_defaults(handler=key_new)
    parser = keys.add_parser("list", help="the keys on this machine and in its agent")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=key_list)
    parser = keys.add_parser("show", help="a key's id and public half")
    parser.add_argument(
        "key",
        metavar="KEY",
        help="a name, a file, agent:WHICH, sshsig:PATH or pkcs11:URI",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=key_show)
    _add_enrol(keys)


def _add_enrol(keys: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def key_new(context: Context) -> int:
    """`key new`"""
    arguments = context.arguments
    name = arguments.name
    if not name.replace("-", "").replace("_", "").isalnum():
        raise Misuse("a key's name is letters, digits, - and _")
    path = context.places.keys / f"{name}.pem"
    secret = new_secret(context, is_open=arguments.no_passphrase)
    signer = make_key(path, secret, KeyType(arguments.type))
    say(f"Made {path}; its id is:")
    show(key_of(signer).id)
    return 0


def key_list(context: Context) -> int:
    """`key list`: with a store named, also whose each key is."""
    store = context.store if context.store_address else None
    has_agent = bool(os.environ.get("SSH_AUTH_SOCK"))
    found = list_keys(context.places, store, has_agent=has_agent, tell=say)
    if context.arguments.format == "json":
        show_json("key-list", keys=found)
        return 0
    show_table(
        ("KEY", "KIND", "ALGORITHM", "ENCRYPTED", "ID", "OWNER", "FILE OR COMMENT"),
        [
            (
                key.key,
                key.kind,
                key.algorithm or "-",
                "yes" if key.encrypted else "-" if key.kind == "agent" else "no",
                key.id[:16] or "-",
                key.owner or "-",
                key.place,
            )
            for key in found
        ],
    )
    return 0


def key_show(context: Context) -> int:
    """`key show`"""
    address = find_key(context.places, context.arguments.key, "")
    key = key_of(open_signer(address, passphrase_source(context.ask_secret())))
    if context.arguments.format == "json":
        show_json(
            "key-show",
            id=key.id,
            algorithm=key.algorithm.value,
            public_key=key.pem,
            ssh=key.ssh.line,
            ssh_fingerprint=key.ssh.fingerprint,
            words=spoken(key.id).split(),
        )
        return 0
    for line in _told(key):
        show(line)
    return 0


def _told(key: PublicKey) -> list[str]:
    return [
        f"id:        {key.id}",
        f"algorithm: {key.algorithm.value}",
        f"ssh:       {key.ssh.line}",
        f"           {key.ssh.fingerprint}",
        "",
        key.pem.rstrip(),
        "",
        "The id, to be read aloud:",
        *("  " + line for line in spoken(key.id).splitlines()),
    ]


def key_enrol(context: Context) -> int:
    """`key enrol`: one half on the newcomer's machine, the other on the enroller's."""
    if context.arguments.out:
        return _offer(context)
    arguments = context.arguments
    if not arguments.offer:
        raise Misuse("name an OFFER to accept, or --out FILE to make one")
    read = read_offer(read_file(Path(arguments.offer)), context.store.origin)
    grants = tuple(
        Grant(role, tuple(arguments.model) or ("*",), tuple(arguments.env) or ("*",))
        for role in arguments.role
    )
    say(f"Enrolling {read.name} ({read.person}) with the key {read.key.id}")
    say(spoken(read.key.id))
    done = enrol(context.store, context.person(), read, grants)
    say(f"Entry {done.index}: {read.name} now holds {', '.join(arguments.role)}.")
    show(read.person)
    return 0


def _offer(context: Context) -> int:
    arguments = context.arguments
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
    show(key_of(signer).id)
    return 0
