"""Commands that bring facts in: init, import, scan, config, doctor-like questions."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from connectors.mlflow.client import Secret
from connectors.mlflow.database_address import without_password
from connectors.signers.files import KeyType, create_key_file
from connectors.signers.opening import Signer, open_signer
from console.cli.context import Context, watcher
from console.cli.forms import TABULAR, show_rows
from console.cli.output import say, show, show_json, show_table
from console.rendering import markdown_cell, one_line
from console.services import scanning
from console.services.configuration import Configuration
from console.services.founding import found_store
from console.services.importing import ImportReport, import_address
from console.services.keyring import make_key
from console.services.places import Places
from console.services.problems import Misuse
from console.services.signing import act_as_service, find_key, passphrase_source
from policies.spoken import spoken
from policies.trust_root import ServiceKind
from store.facts import FactKind

LOOKED_FOR = 7


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the collecting commands."""
    parser = commands.add_parser("init", help="make a store and its first trust root")
    parser.add_argument("--name", default="", metavar="NAME", help="your printed name")
    parser.add_argument("--email", default="", metavar="ADDRESS")
    parser.add_argument(
        "--identity",
        action="append",
        default=[],
        metavar="ID",
        help="an outside identity of yours, such as mlflow:ana or git:ana@example.org",
    )
    parser.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="ROLE",
        help="a role of your own, such as validator",
    )
    parser.add_argument(
        "--key", metavar="KEY", help="an existing key (else: a new one)"
    )
    parser.add_argument(
        "--no-passphrase",
        action="store_true",
        help="do not encrypt the new key: for trying out only",
    )
    parser.set_defaults(handler=init)
    parser = commands.add_parser("import", help="read sources into the store")
    parser.add_argument("sources", nargs="+", metavar="SOURCE")
    parser.add_argument("--name", default="", metavar="NAME", help="the source's name")
    parser.add_argument(
        "--artifacts", default="", metavar="FOLDER", help="where its artifacts lie"
    )
    parser.add_argument("--key", metavar="KEY", help="sign as a person")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=import_sources)
    parser = commands.add_parser(
        "scan", help="what a source's model versions lack; needs no store and no keys"
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE")
    parser.add_argument("--artifacts", default="", metavar="FOLDER")
    parser.add_argument("--format", choices=TABULAR, default="table")
    parser.set_defaults(handler=scan)
    parser = commands.add_parser("config", help="the configuration in force")
    parser.add_argument("what", choices=("show", "validate"))
    parser.set_defaults(handler=config)


def init(context: Context) -> int:
    """`init`"""
    arguments = context.arguments
    if not context.store_address:
        raise Misuse("no place for the store was named", hint="Give --store FOLDER.")
    signer: Signer
    if arguments.key:
        source = passphrase_source(context.ask_secret())
        signer = open_signer(find_key(context.places, arguments.key, ""), source)
    else:
        path = context.places.keys / "me.pem"
        secret = new_secret(context, is_open=arguments.no_passphrase)
        signer = make_key(path, secret, KeyType.ED25519)
        say(f"Made the key {path}")
    founded = found_store(
        context.store_address,
        context.places,
        context.configuration,
        signer,
        name=arguments.name or "Founder",
        email=arguments.email,
        identities=tuple(arguments.identity),
        roles=tuple(arguments.role),
    )
    say(f"Made the store {context.store_address}; you are {founded.person}.")
    say(
        "The fingerprint of its first trust root follows. Give it to auditors and to "
        "other machines by a way that nobody else can change:"
    )
    show(founded.first_root)
    say("To be read aloud:")
    say(spoken(founded.first_root))
    say(f"Next: countersign import SOURCE --store {context.store_address}")
    return 0


def new_secret(context: Context, *, is_open: bool) -> bytes | None:
    """The passphrase for a new key: from the environment, or typed twice.

    Raises:
        Misuse: there is none and nobody to ask.
    """
    import os

    if is_open:
        return None
    given = os.environ.get("COUNTERSIGN_PASSPHRASE")
    if given:
        return given.encode()
    ask = context.ask_secret()
    if ask is None:
        raise Misuse(
            "a new key needs a passphrase and there is no terminal to ask in",
            hint="Set COUNTERSIGN_PASSPHRASE, or add --no-passphrase to try it out.",
        )
    first = ask("Passphrase for the new key: ")
    if not first or first != ask("The same again: "):
        raise Misuse("the two passphrases differ, or are empty")
    return first.encode()


def import_sources(context: Context) -> int:
    """`import`: 0 when everything was taken, 1 when something was refused."""
    arguments, store = context.arguments, context.store
    acting = (
        context.person()
        if arguments.key
        else act_as_service(store, store.state(), ServiceKind.IMPORT)
    )
    reports: list[ImportReport] = []
    for address, password in _without_passwords(arguments):
        reports += import_address(
            store,
            acting,
            address,
            name=arguments.name,
            artifacts=arguments.artifacts,
            password=password,
            watch=watcher(),
        )
        if password is not None:
            say(
                f"{address} is remembered without its password: to read it again, set "
                "PGPASSWORD or MYSQL_PWD, or name it in countersign.toml with "
                'password = "env:NAME" or "file:PATH".'
            )
    has_refused = any(report.refused for report in reports)
    if arguments.format == "json":
        show_json(
            "import",
            accepted=sum(r.accepted for r in reports),
            refused=sum(len(r.refused) for r in reports),
            new=_counts(reports),
            sources=reports,
        )
        return 1 if has_refused else 0
    show_table(
        ("SOURCE", "INPUTS", "REFUSED", "NEW FACTS", "ENTRY"),
        [
            (
                r.source,
                str(r.accepted),
                str(len(r.refused)),
                str(sum(r.new.values())),
                "-" if r.index is None else str(r.index),
            )
            for r in reports
        ],
    )
    for report in reports:
        for refused in report.refused:
            say(f"refused {refused.where}: {refused.why}")
    return 1 if has_refused else 0


def _without_passwords(
    arguments: argparse.Namespace,
) -> list[tuple[str, Secret | None]]:
    """The addresses given, each apart from its password; only that copy is kept.

    Raises:
        MalformedInput: a database's address cannot be read.
    """
    found = [without_password(address) for address in arguments.sources]
    arguments.sources = [address for address, _ in found]
    return found


def _counts(reports: list[ImportReport]) -> dict[str, int]:
    def total(*kinds: FactKind) -> int:
        return sum(report.count(*kinds) for report in reports)

    return {
        "runs": total(FactKind.RUN),
        "jobs": total(FactKind.JOB),
        "datasets": total(FactKind.DATASET),
        "edges": sum(r.new_edges for r in reports),
        "parent_links": sum(r.new_parent_links for r in reports),
        "model_versions": total(FactKind.MODEL_VERSION),
        "commits": total(FactKind.COMMIT),
    }


def scan(context: Context) -> int:
    """`scan`: imports into a store that is thrown away, and tells what is missing."""
    arguments = context.arguments
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder) / "data", Path(folder) / "config")
        signer = create_key_file(Path(folder) / "key.pem", None)
        store = found_store(
            str(Path(folder) / "store"), places, Configuration(), signer, name="scan"
        ).store
        acting = act_as_service(store, store.state(), ServiceKind.IMPORT)
        for address, password in _without_passwords(arguments):
            import_address(
                store,
                acting,
                address,
                artifacts=arguments.artifacts,
                password=password,
                watch=watcher(),
            )
        found = scanning.scan(store)
        store.close()
    if arguments.format == "json":
        show_json("scan", looked_for=LOOKED_FOR, versions=found)
        return 0
    show_rows(
        arguments.format,
        ("VERSION", "ALIASES", "RECORD", "LACKS"),
        [
            (
                s.version.reference,
                ", ".join(s.version.aliases),
                f"{s.score} of {LOOKED_FOR}",
                ", ".join(dict.fromkeys(g.code for g in s.gaps)) or "nothing",
            )
            for s in found
        ],
    )
    _show_remedies(arguments.format, {g.code: g.remedy for s in found for g in s.gaps})
    return 0


def _show_remedies(form: str, remedies: dict[str, str]) -> None:
    """How to close each gap, below the table; CSV has rows of one kind alone."""
    if form == "markdown" and remedies:
        show("")
    for code, remedy in sorted(remedies.items()):
        match form:
            case "markdown":
                show(f"- {markdown_cell(code)}: {markdown_cell(remedy)}")
            case "csv":
                say(f"{one_line(code)}: {one_line(remedy)}")
            case _:
                show(f"{one_line(code)}: {one_line(remedy)}")


def config(context: Context) -> int:
    """`config`: reading it validates it."""
    configuration = context.configuration
    if context.arguments.what == "validate":
        say(f"{configuration.path or 'no file'}: fine")
        return 0
    show_json(
        "config",
        path=str(configuration.path or ""),
        store=context.store_address,
        anchor=context.anchor,
        key=configuration.key,
        sources=dict(configuration.sources),
        environments=dict(configuration.environments),
        data=str(context.places.data),
        keys=str(context.places.keys),
    )
    return 0
