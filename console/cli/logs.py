"""Commands about the log: its entries, its signed heads, proofs, its verification."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from console.cli.context import Context, progress
from console.cli.output import say, show, show_json, show_table
from console.services.named_files import read_file, write_whole


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the log's commands."""
    from console.cli.witnessing import add_witness_commands

    log = commands.add_parser("log", help="the log of signed statements")
    logs = log.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = logs.add_parser("show", help="every entry, void ones with their reason")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=log_show)
    parser = logs.add_parser("checkpoint", help="sign the head with the log key")
    parser.add_argument("--out", metavar="FILE")
    parser.set_defaults(handler=log_checkpoint)
    _add_prove(logs)
    parser = logs.add_parser(
        "recover",
        help="after a backup was restored: sign that what it lacks is given up",
    )
    parser.add_argument("--reason", required=True, metavar="TEXT")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=log_recover)
    _add_verify(logs)
    parser = logs.add_parser(
        "tiles", help="the log as files for a web server, or bundles in the store"
    )
    parser.add_argument("--out", metavar="DIR", help="publish C2SP tlog-tiles here")
    parser.set_defaults(handler=log_tiles)
    add_witness_commands(logs)


def _add_prove(logs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = logs.add_parser(
        "prove", help="prove that a statement is in the log, or that the log only grew"
    )
    parser.add_argument("statement", nargs="?", metavar="STATEMENT", help="index or id")
    parser.add_argument(
        "--from", dest="since", type=int, metavar="SIZE", help="the log only grew since"
    )
    parser.add_argument(
        "--to", type=int, metavar="SIZE", help="under this signed head (default: now)"
    )
    parser.add_argument("--out", metavar="FILE")
    parser.set_defaults(handler=log_prove)


def _add_verify(logs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = logs.add_parser("verify", help="read and judge the whole log again")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="also rebuild the projection and compare every row",
    )
    parser.add_argument(
        "--new", action="store_true", help="only what came since it was last verified"
    )
    parser.add_argument(
        "--against", metavar="FILE", help="only: does the log extend this checkpoint?"
    )
    parser.add_argument(
        "--tiles", metavar="DIR", help="only: do these published tiles say the same?"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=log_verify)


def log_show(context: Context) -> int:
    """`log show`"""
    from console.services.unusable_batches import unusable_batches

    entries = context.store.index.entries()
    unusable = {b.entry: b.reason for b in unusable_batches(context.store)}
    if context.arguments.format == "json":
        show_json(
            "log-show",
            entries=[
                {
                    "index": e.index,
                    "leaf": e.leaf.hex(),
                    "standing": e.judgement.standing,
                    "reason": e.judgement.reason,
                    "statement": e.judgement.statement_id,
                    "type": e.judgement.predicate_type,
                    "signer": e.judgement.signer,
                    "unusable_batch": unusable.get(e.index, ""),
                }
                for e in entries
            ],
        )
        return 0
    show_table(
        ("INDEX", "STANDING", "TYPE", "SIGNER", "STATEMENT", "WHY"),
        [
            (
                str(e.index),
                e.judgement.standing.value,
                e.judgement.predicate_type.rpartition("attestation/")[2],
                e.judgement.signer,
                e.judgement.statement_id[:12],
                f"changes nothing: {unusable[e.index]}"
                if e.index in unusable
                else e.judgement.reason,
            )
            for e in entries
        ],
    )
    return 0


def log_checkpoint(context: Context) -> int:
    """`log checkpoint`"""
    from console.services.checkpoints import make_checkpoint

    return hand_out(make_checkpoint(context.store), context.arguments.out)


def log_prove(context: Context) -> int:
    """`log prove`"""
    from console.services.checkpoints import require_statement_index
    from console.services.problems import Misuse
    from console.services.proofs import (
        checkpoint_of,
        consistency_text,
        inclusion_text,
    )

    arguments, store = context.arguments, context.store
    if (arguments.statement is None) == (arguments.since is None):
        raise Misuse(
            "say what to prove: a STATEMENT, or --from SIZE",
            hint="countersign log prove 12; countersign log prove --from 10",
        )
    if arguments.since is not None:
        head = checkpoint_of(store, arguments.to)
        return hand_out(consistency_text(store, arguments.since, head), arguments.out)
    index = require_statement_index(store, arguments.statement)
    head = checkpoint_of(store, arguments.to)
    return hand_out(inclusion_text(store, index, head), arguments.out)


def hand_out(data: bytes, out: str | None) -> int:
    """Print a text made for others, or write it into the file that was named."""
    if out:
        write_whole(Path(out), data)
        say(f"Wrote {out}.")
    else:
        show(data.decode())
    return 0


def log_recover(context: Context) -> int:
    """`log recover`"""
    from console.services.recovering import Loss, recover
    from console.services.signing import act_as_person, passphrase_source

    def confirm(loss: Loss) -> bool:
        say(
            f"The store has {loss.restored.size} entries of the {loss.lost.size} that "
            "this machine has seen. Lost, as far as it knows:"
        )
        for entry in loss.entries:
            say(f"  {entry}")
        if not context.is_interactive:
            return True
        return input("Sign that these are given up? Type yes: ").strip() == "yes"

    done = recover(
        context.store_address,
        context.places,
        context.configuration,
        lambda store: act_as_person(
            store,
            store.state(),
            context.key_address(),
            passphrase_source(context.ask_secret()),
        ),
        context.arguments.reason,
        confirm=confirm,
    )
    say(f"Entry {done.appended.index}.")
    show(
        "in force: every machine goes on from here"
        if done.is_in_force
        else "waiting for more root holders to sign the same"
    )
    return 0


def log_verify(context: Context) -> int:
    """`log verify`: 0 when nothing is wrong, 1 otherwise."""
    from console.services.checkpoints import verify_log

    if context.arguments.against:
        return _verify_against(context)
    if context.arguments.tiles:
        return _verify_tiles(context)
    started = time.monotonic()
    report = verify_log(
        context.store,
        deep=context.arguments.deep,
        progress=progress("verifying", "entries"),
        only_new=context.arguments.new,
    )
    if context.arguments.format == "json":
        show_json("log-verify", report=report)
    else:
        say(f"Verified in {time.monotonic() - started:.1f} s.")
        show(
            f"{report.size} entries: {report.accepted} accepted, {report.void} void, "
            f"{report.unknown} unknown"
        )
        show(f"root {report.root}")
        if report.since:
            show(f"the first {report.since} were verified before")
        for batch in report.unusable_batches:
            show(f"entry {batch.entry} changes nothing: {batch.reason}")
        for problem in report.problems:
            say(f"WRONG: {problem}")
        scope = "log and projection" if report.is_deep else "log"
        show(f"{scope}: {'WRONG' if report.problems else 'nothing wrong'}")
    return 1 if report.problems else 0


def _verify_against(context: Context) -> int:
    from console.services.checkpoints import checked_checkpoint
    from policies.checkpoint import read_checkpoint

    data = read_file(Path(context.arguments.against))
    head = read_checkpoint(checked_checkpoint(context.store, data))
    show(
        f"{context.store.index.size} entries extend the signed head of {head.size}, "
        f"root {head.root.hex()}"
    )
    return 0


def _verify_tiles(context: Context) -> int:
    from console.services.tiles import wrong_tiles

    problems = wrong_tiles(context.store, Path(context.arguments.tiles))
    for problem in problems:
        say(f"WRONG: {problem}")
    show(f"tiles: {'WRONG' if problems else 'nothing wrong'}")
    return 1 if problems else 0


def log_tiles(context: Context) -> int:
    """`log tiles`"""
    from console.services.tiles import bundle_store, publish_tiles

    if context.arguments.out:
        done = publish_tiles(context.store, Path(context.arguments.out))
        show(f"{done.size} entries published, {done.written} files written")
    else:
        show(f"{bundle_store(context.store)} bundles written into the store")
    return 0
