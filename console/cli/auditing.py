"""Commands about the record itself: the log, the auditor's file, its verification."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli.context import Context, progress
from console.cli.files import write_whole
from console.cli.output import say, show, show_json, show_table
from console.services.problems import Misuse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the auditing commands."""
    log = commands.add_parser("log", help="the log of signed statements")
    logs = log.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = logs.add_parser("show", help="every entry, void ones with their reason")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=log_show)
    parser = logs.add_parser("checkpoint", help="sign the head with the log key")
    parser.set_defaults(handler=log_checkpoint)
    parser = logs.add_parser("prove", help="prove that a statement is in the log")
    parser.add_argument("statement", metavar="STATEMENT", help="index or id")
    parser.set_defaults(handler=log_prove)
    parser = logs.add_parser(
        "recover",
        help="after a backup was restored: sign that what it lacks is given up",
    )
    parser.add_argument("--reason", required=True, metavar="TEXT")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=log_recover)
    parser = logs.add_parser("verify", help="read and judge the whole log again")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="also rebuild the projection and compare every row",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=log_verify)
    parser = commands.add_parser(
        "doctor", help="look the store and this machine over, and say what to do"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=doctor)
    export = commands.add_parser("export", help="files for others")
    exports = export.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = exports.add_parser("audit", help="the auditor's file")
    parser.add_argument("--out", required=True, metavar="FILE.zip")
    parser.add_argument("--model", default="", metavar="MODEL")
    parser.add_argument("--since", default="", metavar="TIME")
    parser.add_argument("--until", default="", metavar="TIME")
    parser.set_defaults(handler=export_audit)
    parser = exports.add_parser(
        "statement", help="one statement, for verifiers that are not ours"
    )
    parser.add_argument("statement", metavar="STATEMENT", help="index or id")
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.set_defaults(handler=export_statement)
    parser = commands.add_parser(
        "verify", help="verify an auditor's file: no store, no network"
    )
    parser.add_argument("file", metavar="FILE.zip")
    parser.add_argument(
        "--head", metavar="CHECKPOINT", help="a checkpoint obtained by another way"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=verify)


def doctor(context: Context) -> int:
    """`doctor`: 0 fine, 1 something is wrong, 3 could not tell."""
    from console.services.doctor import Health, examine

    found = list(examine(context.store))
    if context.arguments.format == "json":
        show_json("doctor", findings=found)
    else:
        for finding in found:
            show(f"{finding.health.value.upper():<8} {finding.what}: {finding.found}")
            if finding.next_step:
                show(f"         {finding.next_step}")
    healths = {finding.health for finding in found}
    if Health.WRONG in healths:
        return 1
    return 3 if Health.UNKNOWN in healths else 0


def log_show(context: Context) -> int:
    """`log show`"""
    entries = context.store.index.entries()
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
                e.judgement.reason,
            )
            for e in entries
        ],
    )
    return 0


def log_checkpoint(context: Context) -> int:
    """`log checkpoint`"""
    from console.services.checkpoints import make_checkpoint

    show(make_checkpoint(context.store).decode())
    return 0


def log_prove(context: Context) -> int:
    """`log prove`"""
    from console.services.checkpoints import (
        inclusion_text,
        make_checkpoint,
        require_statement_index,
    )

    index = require_statement_index(context.store, context.arguments.statement)
    checkpoint = make_checkpoint(context.store)
    show(inclusion_text(context.store, index, checkpoint).decode())
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

    report = verify_log(
        context.store,
        deep=context.arguments.deep,
        progress=progress("verifying", "entries"),
    )
    if context.arguments.format == "json":
        show_json("log-verify", report=report)
    else:
        show(
            f"{report.size} entries: {report.accepted} accepted, {report.void} void, "
            f"{report.unknown} unknown"
        )
        show(f"root {report.root}")
        for problem in report.problems:
            say(f"WRONG: {problem}")
        scope = "log and projection" if report.is_deep else "log"
        show(f"{scope}: {'WRONG' if report.problems else 'nothing wrong'}")
    return 1 if report.problems else 0


def export_audit(context: Context) -> int:
    """`export audit`"""
    from console.reports.audit_report import Scope
    from console.reports.bundle import export_audit as make
    from console.services.checkpoints import make_checkpoint

    arguments, store = context.arguments, context.store
    target = Path(arguments.out)
    if target.exists():
        raise Misuse(f"{target} is there already", hint="Choose another name.")
    scope = Scope(arguments.model, _time(arguments.since), _time(arguments.until))
    data = make(store, scope, make_checkpoint(store))
    write_whole(target, data)
    say(f"Wrote {target} ({len(data)} bytes). An auditor verifies it with:")
    show(f"countersign verify {target.name} --anchor {store.first_root}")
    return 0


def export_statement(context: Context) -> int:
    """`export statement`"""
    from console.reports.statement_files import statement_files, write_folder
    from console.services.checkpoints import (
        make_checkpoint,
        require_statement_index,
    )

    store, folder = context.store, Path(context.arguments.out)
    index = require_statement_index(store, context.arguments.statement)
    files = statement_files(store, index, make_checkpoint(store))
    write_folder(folder, files)
    say(f"Wrote {len(files)} files to {folder}. How to verify them, without us:")
    show(str(folder / "README.txt"))
    return 0


def _time(text: str) -> str:
    from console.cli.reading import time_argument
    from console.services.opened import rfc3339

    moment = time_argument(text)
    return "" if moment is None else rfc3339(moment)


def verify(context: Context) -> int:
    """`verify`: 0 good, 1 not."""
    from console.reports.verification import verify_file

    arguments = context.arguments
    if not context.anchor:
        raise Misuse(
            "no anchor was given: the fingerprint of the log's first trust root",
            hint="Ask the log's owner by another way than this file, then: --anchor F",
        )
    head = Path(arguments.head).read_bytes() if arguments.head else None
    found = verify_file(Path(arguments.file), context.anchor, head=head)
    if arguments.format == "json":
        show_json("verify", is_good=found.is_good, result=found)
        return 0 if found.is_good else 1
    for problem in found.problems:
        show(f"WRONG: {_printable(problem)}")
    if found.is_good:
        show(f"log {_printable(found.origin)}: {found.size} entries, root {found.root}")
        show(
            f"{found.promotions} promotions judged again, all as recorded; "
            f"{found.void_entries} void entries"
        )
        show(
            f"complete up to {found.size}"
            + (
                "; it extends the head you gave"
                if found.is_head_pinned
                else "; nothing here proves that it is the newest"
            )
        )
        show("GOOD")
    else:
        show(f"NOT GOOD: {len(found.problems)} problems")
    return 0 if found.is_good else 1


def _printable(text: str) -> str:
    from console.rendering import printable

    return printable(text)
