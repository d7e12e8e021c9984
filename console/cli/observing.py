"""Commands about how versions behave where they run."""

from __future__ import annotations

import argparse

from console.cli.context import Context
from console.cli.output import plain, say, show, show_json, show_table


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `observe` and `observations`."""
    parser = commands.add_parser(
        "observe", help="log what was measured of a version where it runs"
    )
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("numbers", metavar="FILE", help="JSON; - reads standard input")
    parser.add_argument("--env", required=True, metavar="ENV")
    parser.add_argument("--target", required=True, metavar="NAME", help="deployment")
    parser.add_argument("--since", required=True, metavar="TIME")
    parser.add_argument("--until", default="", metavar="TIME", help="default: now")
    signer = parser.add_mutually_exclusive_group()
    signer.add_argument("--key", metavar="KEY")
    signer.add_argument(
        "--service", action="store_true", help="sign as this machine's import service"
    )
    parser.set_defaults(handler=observe, decides=True)
    parser = commands.add_parser("observations", help="what was measured of a model")
    parser.add_argument("reference", metavar="MODEL")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=observations)


def observe(context: Context) -> int:
    """`observe`"""
    from console.services.named_files import read_input
    from console.services.observing import LARGEST_DOCUMENT_BYTES, Window
    from console.services.observing import observe as log
    from console.services.signing import act_as_service
    from policies.trust_root import ServiceKind

    given, store = context.arguments, context.store
    document = read_input(given.numbers, LARGEST_DOCUMENT_BYTES)
    acting = (
        act_as_service(store, store.state(), ServiceKind.IMPORT)
        if given.service
        else context.person()
    )
    window = Window(given.env, given.target, given.since, given.until)
    done = log(store, acting, given.reference, window, document)
    say(f"Logged; entry {done.index}.")
    show(f"statement:{done.statement_id[:12]}")
    return 0


def observations(context: Context) -> int:
    """`observations`"""
    from console.services.observing import observations as read

    found = read(context.store, context.arguments.reference)
    if context.arguments.format == "json":
        show_json("observations", observations=[plain(line) for line in found])
        return 0
    show_table(
        ("ENTRY", "VERSION", "WHERE", "UNTIL", "BESIDE", "NUMBERS"),
        [
            (
                str(line.entry),
                line.version,
                f"{line.environment}/{line.target}",
                line.until,
                line.baseline,
                "; ".join(line.numbers),
            )
            for line in found
        ],
    )
    return 0
