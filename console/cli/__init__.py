"""The command line: one parser, and errors told in a line with the next step."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from console.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see docs/commands.md)."""
    from console.cli.streams import open_standard_streams
    from console.services.problems import KNOWN_ERRORS, exit_code_of

    if (missing := open_standard_streams()) is not None:
        return missing
    given = sys.argv[1:] if arguments is None else list(arguments)
    parsed = build_parser(given).parse_args(given)
    if getattr(parsed, "handler", None) is None:
        parsed.handler, parsed.reference = _open_console, ""
    from console.cli.context import Context
    from console.cli.output import say
    from console.cli.streams import UNREAD, discard_unread, is_written_out

    try:
        try:
            code = int(parsed.handler(Context(parsed)))
        except KNOWN_ERRORS as problem:
            say(f"countersign: {problem}")
            hint = getattr(problem, "hint", "")
            if hint:
                say(f"  {hint}")
            code = exit_code_of(problem)
        return code if is_written_out() else code or UNREAD
    except KeyboardInterrupt:
        say("stopped; nothing is half-done")
        return 130
    except OSError as problem:
        if isinstance(problem, BrokenPipeError) and discard_unread():
            return UNREAD
        place = f"{problem.filename}: " if problem.filename else ""
        say(f"countersign: {place}{problem.strerror or problem}")
        say("  Check the disk's space and rights, then try again.")
        return 3


COMMANDS = {
    "showing": ("demo", "console"),
    "collecting": ("init", "import", "scan", "config"),
    "reading": (
        *("models", "experiments", "runs", "datasets", "commits", "search"),
        *("show", "lineage", "history", "status"),
    ),
    "comparing": ("diff",),
    "questions": ("impact", "sql"),
    "keys": ("key",),
    "policies": ("policy",),
    "trusting": ("trust", "submit", "revoke", "erase"),
    "deciding": (
        *("request", "requests", "review", "approve", "reject", "withdraw"),
        "promote",
    ),
    "gating": ("gate",),
    "waiving": ("waive",),
    "demoting": ("demote",),
    "accompanying": ("model", "finding", "attach", "comment"),
    "observing": ("observe", "observations"),
    "pipelines": ("pipeline",),
    "logs": ("log",),
    "auditing": ("export", "verify", "doctor"),
    "serving": ("serve",),
    "completing": ("completion",),
}
"""The modules of this package and the commands each declares."""


def build_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of every command, or of the one that the arguments name.

    Importing only what one command needs keeps `gate` quick.
    """
    named = {
        module
        for module, commands in COMMANDS.items()
        if any(argument in commands for argument in arguments)
    }
    wants_all = not named or any(a in ("-h", "--help") for a in arguments[:1])
    parser = argparse.ArgumentParser(
        prog="countersign",
        description="Lineage, signed approvals and an audit file that verifies "
        "offline. Without a command: the console.",
        epilog="exit codes: 0 yes or done, 1 no, 2 misuse, 3 could not tell",
    )
    parser.add_argument("--version", action="version", version=f"countersign {VERSION}")
    _add_common(parser, default=None)
    common = argparse.ArgumentParser(add_help=False)
    _add_common(common, default=argparse.SUPPRESS)
    commands = parser.add_subparsers(
        metavar="COMMAND", parser_class=_with_parents(common)
    )
    for module in COMMANDS:
        if wants_all or module in named:
            import_module(f"console.cli.{module}").add_commands(commands)
    return parser


def _add_common(parser: argparse.ArgumentParser, *, default: object) -> None:
    group = parser.add_argument_group("everywhere")
    group.add_argument(
        "--store",
        metavar="PLACE",
        default=default,
        help="a folder or s3://BUCKET/PREFIX (else $COUNTERSIGN_STORE)",
    )
    group.add_argument(
        "--anchor",
        metavar="FINGERPRINT",
        default=default,
        help="the first trust root, in hex or as 32 words (else $COUNTERSIGN_ANCHOR)",
    )
    group.add_argument(
        "--config",
        metavar="FILE",
        default=default,
        help="countersign.toml (else $COUNTERSIGN_CONFIG)",
    )


def _with_parents(common: argparse.ArgumentParser) -> type[argparse.ArgumentParser]:
    """Parsers of commands take the common options too, before or after the command."""

    class CommandParser(argparse.ArgumentParser):
        def __init__(self, **options: object) -> None:
            options.setdefault("parents", [common])
            super().__init__(**options)  # type: ignore[arg-type]  # argparse's own

    return CommandParser


def _open_console(context: object) -> int:
    from console.cli.context import Context
    from console.cli.showing import open_console

    assert isinstance(context, Context)  # noqa: S101 - called by main alone
    return open_console(context)


if __name__ == "__main__":
    sys.exit(main())
