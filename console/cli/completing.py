"""`completion`: a script that completes commands, options and files in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from console.cli.context import Context
from console.cli.output import show

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
_FOLDERS = ("DIR", "FOLDER")
_FILES = ("FILE", "FILE.zip", "OLD.zip", "OFFER", "PACK", "SIGNED", "CHECKPOINT")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `completion`."""
    parser = commands.add_parser(
        "completion",
        help="a completion script for your shell",
        epilog='bash: eval "$(countersign completion bash)" in ~/.bashrc; '
        "zsh: the same in ~/.zshrc, after compinit; "
        "fish: countersign completion fish | source, in ~/.config/fish/config.fish",
    )
    parser.add_argument(
        "shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS)
    )
    parser.set_defaults(handler=completion)


def completion(context: Context) -> int:
    """`completion`"""
    import shtab

    from console.cli import build_parser

    parser = build_parser()
    for action in _actions(parser):
        if action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.choices is None and (words := _words(action.metavar)):
            action.choices = words
    show(shtab.complete(parser, context.arguments.shell))
    return 0


def _words(metavar: object) -> list[str]:
    """What a metavar names, where it names every word that is taken: `a|b|c`."""
    words = metavar.split("|") if isinstance(metavar, str) else []
    return words if len(words) > 1 and not any(map(str.isupper, words)) else []


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)
        else:
            yield action
