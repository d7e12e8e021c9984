"""Commands for auditors: the file that is made for them, and its verification."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.context import Context
from console.cli.output import say, show, show_json
from console.services.named_files import read_file, write_whole
from console.services.problems import Misuse
from store.errors import StoreError

if TYPE_CHECKING:
    from console.reports.verification import Verified


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the auditing commands."""
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
    parser = exports.add_parser(
        "openlineage", help="what OpenLineage events told, as events again"
    )
    parser.add_argument("--out", required=True, metavar="FILE.ndjson")
    parser.add_argument("--model", default="", metavar="MODEL")
    parser.add_argument("--since", default="", metavar="TIME")
    parser.add_argument("--until", default="", metavar="TIME")
    parser.set_defaults(handler=export_openlineage)
    parser = exports.add_parser("prov", help="lineage and decisions as W3C PROV-JSON")
    parser.add_argument("--out", required=True, metavar="FILE.json")
    parser.add_argument("--model", default="", metavar="MODEL")
    parser.add_argument("--since", default="", metavar="TIME")
    parser.add_argument("--until", default="", metavar="TIME")
    parser.set_defaults(handler=export_prov)
    parser = commands.add_parser(
        "verify", help="verify an auditor's file: no store, no network"
    )
    parser.add_argument("file", metavar="FILE.zip")
    parser.add_argument(
        "--head", metavar="CHECKPOINT", help="a checkpoint obtained by another way"
    )
    parser.add_argument(
        "--witness",
        action="append",
        default=[],
        metavar="VKEY",
        help="the head in it must be cosigned by this witness (a key, or a name from "
        "[witnesses])",
    )
    parser.add_argument(
        "--since", metavar="OLD.zip", help="its log must extend that of an earlier file"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=verify)


def doctor(context: Context) -> int:
    """`doctor`: 0 fine, 1 something is wrong, 3 could not tell."""
    from console.services.doctor import Finding, Health, examine, not_opened

    found: list[Finding] = []
    try:
        found.extend(examine(context.store))
    except StoreError as problem:
        found.append(not_opened(problem))
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


def export_audit(context: Context) -> int:
    """`export audit`"""
    from console.reports.audit_report import Scope
    from console.reports.bundle import export_audit as make
    from console.services.signed_heads import cosigned_head

    arguments, store = context.arguments, context.store
    target = Path(arguments.out)
    if target.exists():
        raise Misuse(f"{target} is there already", hint="Choose another name.")
    scope = Scope(arguments.model, _time(arguments.since), _time(arguments.until))
    data = make(store, scope, cosigned_head(store))
    write_whole(target, data)
    say(f"Wrote {target} ({len(data)} bytes). An auditor verifies it with:")
    show(f"countersign verify {target.name} --anchor {store.first_root}")
    return 0


def export_openlineage(context: Context) -> int:
    """`export openlineage`"""
    from console.cli.times import time_argument
    from console.reports.lineage_scope import Scope
    from console.reports.openlineage_events import openlineage_events

    arguments = context.arguments
    target = Path(arguments.out)
    if not target.name.endswith((".ndjson", ".jsonl")):
        raise Misuse(f"{target} has another ending than .ndjson or .jsonl")
    if target.exists():
        raise Misuse(f"{target} is there already", hint="Choose another name.")
    since, until = time_argument(arguments.since), time_argument(arguments.until)
    scope = Scope(since, until, arguments.model)
    found = openlineage_events(context.store, scope)
    write_whole(target, "".join(line + "\n" for line in found.lines).encode())
    say(f"Wrote {target}: {len(found.lines)} events of {found.runs} runs.")
    if found.passed_over:
        say(
            f"{found.passed_over} runs have no time or no UUID; no event can tell them."
        )
    return 0


def export_prov(context: Context) -> int:
    """`export prov`"""
    from console.cli.times import time_argument
    from console.reports.lineage_scope import Scope
    from console.reports.prov_document import prov_document

    arguments = context.arguments
    target = Path(arguments.out)
    if target.exists():
        raise Misuse(f"{target} is there already", hint="Choose another name.")
    since, until = time_argument(arguments.since), time_argument(arguments.until)
    found = prov_document(context.store, Scope(since, until, arguments.model))
    write_whole(target, found.to_bytes())
    say(f"Wrote {target}: {found.activities} activities, {found.entities} entities.")
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
    from console.cli.times import time_argument
    from console.services.opened import rfc3339

    moment = time_argument(text)
    return "" if moment is None else rfc3339(moment)


def verify(context: Context) -> int:
    """`verify`: 0 good, 1 not."""
    from console.reports.demands import Demands
    from console.reports.verification import verify_file
    from policies.notes import read_verifier_key

    arguments = context.arguments
    if not context.anchor:
        raise Misuse(
            "no anchor was given: the fingerprint of the log's first trust root",
            hint="Ask the log's owner by another way than this file, then: --anchor F",
        )
    pinned = context.configuration.witnesses if arguments.witness else {}
    demands = Demands(
        head=read_file(Path(arguments.head)) if arguments.head else None,
        witnesses=tuple(
            read_verifier_key(pinned.get(text, text)) for text in arguments.witness
        ),
        since=Path(arguments.since) if arguments.since else None,
    )
    found = verify_file(Path(arguments.file), context.anchor, demands)
    if arguments.format == "json":
        show_json("verify", is_good=found.is_good, result=found)
    else:
        _tell(found)
    return 0 if found.is_good else 1


def _tell(found: Verified) -> None:
    for problem in found.problems:
        show(f"WRONG: {_printable(problem)}")
    if not found.is_good:
        show(f"NOT GOOD: {len(found.problems)} problems")
        return
    show(f"log {_printable(found.origin)}: {found.size} entries, root {found.root}")
    show(
        f"{found.promotions} promotions judged again, all as recorded; "
        f"{found.void_entries} void entries"
    )
    if found.launches:
        show(f"{found.launches} launches judged again, all as recorded")
    for ended in found.ended_schedules:
        show(_printable(ended))
    for doubt in found.doubts:
        show(f"NOTE: {_printable(doubt)}")
    if found.extends is not None:
        show(
            f"extends the {found.extends} entries of the earlier file: "
            f"{found.size - found.extends} are new, "
            f"{found.new_promotions} of them promotions"
        )
    for witness in found.witnessed:
        show(f"the witness {witness.name} says it saw this head at {witness.at}")
    show(f"complete up to {found.size}" + _newest(found))
    show("GOOD")


def _newest(found: Verified) -> str:
    if found.is_head_pinned:
        return "; it extends the head you gave"
    if found.witnessed:
        return "; what came after the witness saw it is not in it"
    return "; nothing here proves that it is the newest"


def _printable(text: str) -> str:
    from console.rendering import printable

    return printable(text)
