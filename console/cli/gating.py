"""`gate`: may it be there now? It imports little, for pipelines wait for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli.context import Context
from console.cli.output import json_text, plain, say, show
from console.rendering import printable
from console.services import gating
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.judging import Judged
from console.services.problems import Misuse
from policies.verdict import exit_code, tree_lines

GATE_FORMATS = ("table", "json", "junit", "sarif", "markdown", "vsa")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `gate`."""
    parser = commands.add_parser(
        "gate", help="may it be there now? exit 0 yes, 1 no, 3 could not tell"
    )
    parser.add_argument("reference", metavar="REF")
    add_target(parser)
    parser.add_argument(
        "--artifact",
        default="",
        metavar="DIR",
        help="hash the bytes in DIR, not at their registered place",
    )
    add_max_age(parser)
    parser.add_argument("--format", choices=GATE_FORMATS, default="table")
    parser.add_argument(
        "--out", metavar="FILE", help="write that format to FILE, show the table"
    )
    parser.add_argument("--key", metavar="KEY", help="sign the vsa with it")
    parser.set_defaults(handler=gate, decides=True)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Declare where a transition leads."""
    parser.add_argument("--to", required=True, metavar="STAGE")
    parser.add_argument("--env", default=DEFAULT_ENVIRONMENT, metavar="ENVIRONMENT")


def add_max_age(parser: argparse.ArgumentParser) -> None:
    """Declare how old the end of the log may be."""
    parser.add_argument(
        "--max-age",
        metavar="AGE",
        help="while the store does not answer, accept its end as read so long ago "
        "(30s, 15m, 2h; default: now)",
    )


def gate(context: Context) -> int:
    """`gate`"""
    arguments = context.arguments
    if arguments.key and arguments.format != "vsa":
        raise Misuse("--key signs a summary", hint="Give it with --format vsa.")
    judged: Judged = gating.gate(
        context.store,
        arguments.reference,
        arguments.to,
        arguments.env,
        artifact_folder=arguments.artifact,
    )
    if arguments.out:
        show(_gate_table(judged))
        told = _gate_as(context, judged)
        from console.services.named_files import write_whole

        write_whole(Path(arguments.out), told.encode(errors="backslashreplace"))
        say(f"Wrote {arguments.out}.")
    else:
        show(_gate_as(context, judged))
    return exit_code(judged.tree)


def _gate_table(judged: Judged) -> str:
    return "\n".join(printable(line) for line in tree_lines(judged.tree)) + "\n"


def _gate_as(context: Context, judged: Judged) -> str:
    """The verdict in the format that was asked for."""
    form = context.arguments.format
    if form == "table":
        return _gate_table(judged)
    if form == "json":
        return _gate_json(judged)
    if form == "vsa":
        return _gate_summary(context, judged)
    from console.reports import gate_files

    return {
        "junit": gate_files.junit,
        "sarif": gate_files.sarif,
        "markdown": gate_files.markdown,
    }[form](judged)


def _gate_json(judged: Judged) -> str:
    return json_text(
        "gate",
        verdict=judged.tree.verdict,
        exit_code=exit_code(judged.tree),
        judged_at=plain(judged.judged_at),
        log_position=judged.position,
        policy=judged.policy.digest if judged.policy else "",
        tree=judged.tree.to_json(),
    )


def _gate_summary(context: Context, judged: Judged) -> str:
    from console.reports.verification_summary import signed_summary, summary_payload

    arguments, store = context.arguments, context.store
    payload = summary_payload(store, judged, arguments.to, arguments.env)
    if arguments.key:
        payload = signed_summary(store, payload, context.key_address())
    return payload.decode() + "\n"
