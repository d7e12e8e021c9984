"""Commands about what accompanies a model: record, findings, files, remarks."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli.context import Context
from console.cli.output import plain, say, show, show_json, show_table
from console.rendering import one_line

_SEVERITIES = ("critical", "high", "medium", "low")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `model`, `finding`, `attach` and `comment`."""
    model = commands.add_parser("model", help="a model's record")
    models = model.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = models.add_parser("set", help="owner, tier, purpose, limits, review")
    parser.add_argument("reference", metavar="MODEL")
    parser.add_argument("--owner", metavar="PERSON")
    parser.add_argument("--tier", metavar="TIER")
    parser.add_argument("--purpose", metavar="TEXT")
    parser.add_argument("--limits", metavar="TEXT")
    parser.add_argument(
        "--vendor", action="append", metavar="PART", help="or: none; may be repeated"
    )
    parser.add_argument("--review-by", metavar="DATE")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=model_set, decides=True)
    parser = models.add_parser("show", help="the record, findings, files and remarks")
    parser.add_argument("reference", metavar="MODEL")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=model_show)
    _add_finding(commands)
    parser = commands.add_parser("attach", help="put a file into a model's record")
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--name", default="", metavar="TEXT")
    parser.add_argument("--type", default="", metavar="MEDIA", dest="media_type")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=attach, decides=True)
    parser = commands.add_parser("comment", help="remark on a model or a statement")
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("text", metavar="TEXT")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=comment, decides=True)


def _add_finding(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    finding = commands.add_parser("finding", help="what has to be remedied")
    findings = finding.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = findings.add_parser("open", help="something has to be remedied")
    parser.add_argument("reference", metavar="MODEL[@VERSION]")
    parser.add_argument("--severity", required=True, choices=_SEVERITIES)
    parser.add_argument("--text", required=True, metavar="TEXT")
    parser.add_argument("--due", default="", metavar="DATE")
    parser.add_argument("--role", default="", metavar="ROLE")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=finding_open, decides=True)
    parser = findings.add_parser("close", help="it was remedied")
    parser.add_argument("finding", metavar="ID")
    parser.add_argument("--text", required=True, metavar="TEXT")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=finding_close, decides=True)
    parser = findings.add_parser("list", help="every finding, open ones first")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=finding_list)


def model_set(context: Context) -> int:
    """`model set`"""
    from console.services.model_files import RecordInput, set_record

    given = context.arguments
    done = set_record(
        context.store,
        context.person(),
        given.reference,
        RecordInput(
            owner=given.owner,
            tier=given.tier,
            purpose=given.purpose,
            limits=given.limits,
            vendor_parts=tuple(given.vendor) if given.vendor else None,
            review_by=given.review_by,
        ),
    )
    say(f"The record stands as said; entry {done.index}.")
    show(f"statement:{done.statement_id[:12]}")
    return 0


def model_show(context: Context) -> int:
    """`model show`"""
    from console.services.model_files import model_file_view

    found = model_file_view(context.store, context.arguments.reference)
    if context.arguments.format == "json":
        show_json("model-show", **plain(found))
        return 0
    show(one_line(found.model))
    if not found.owner:
        say("It has no record: countersign model set MODEL")
    for name, value in (
        ("owner", found.owner),
        ("tier", found.tier),
        ("purpose", found.purpose),
        ("limits", found.limits),
        ("vendor parts", ", ".join(found.vendor_parts)),
        ("review by", found.review_by[:10]),
        (
            "set by",
            f"{found.set_by} at {found.set_at} (claimed)" if found.set_by else "",
        ),
    ):
        if value:
            show(f"  {name}: {one_line(value)}")
    for finding in found.findings:
        about = f" (version {finding.version})" if finding.version else ""
        due = f", due {finding.due[:10]}" if finding.due else ""
        show(
            f"  {finding.status} finding {finding.id}, {finding.severity}{due}"
            f"{one_line(about)}: {one_line(finding.text)}"
        )
    for attachment in found.attachments:
        show(f"  file, entry {attachment.entry}: {one_line(attachment.text)}")
    for remark in found.comments:
        show(f"  {one_line(remark.by)}, {remark.at}: {one_line(remark.text)}")
    return 0


def finding_open(context: Context) -> int:
    """`finding open`"""
    from console.services.model_files import open_finding

    given = context.arguments
    finding, done = open_finding(
        context.store,
        context.person(),
        given.reference,
        severity=given.severity,
        text=given.text,
        role=given.role,
        due=given.due,
    )
    say(f"Open; entry {done.index}. Close it with: countersign finding close {finding}")
    show(finding)
    return 0


def finding_close(context: Context) -> int:
    """`finding close`"""
    from console.services.model_files import close_finding

    given = context.arguments
    done = close_finding(context.store, context.person(), given.finding, given.text)
    say(f"Closed; entry {done.index}.")
    return 0


def finding_list(context: Context) -> int:
    """`finding list`"""
    from console.services.model_files import findings

    found = findings(context.store)
    if context.arguments.format == "json":
        show_json("finding-list", findings=found)
        return 0
    show_table(
        ("FINDING", "STATUS", "SEVERITY", "MODEL", "VERSION", "DUE", "TEXT"),
        [
            (f.id, f.status, f.severity, f.model, f.version, f.due[:10], f.text)
            for f in found
        ],
    )
    return 0


def attach(context: Context) -> int:
    """`attach`"""
    from console.services.model_files import LARGEST_ATTACHMENT_BYTES
    from console.services.model_files import attach as put
    from console.services.named_files import read_file

    given, path = context.arguments, Path(context.arguments.file)
    data = read_file(path, LARGEST_ATTACHMENT_BYTES)
    done = put(
        context.store,
        context.person(),
        given.reference,
        path,
        data,
        name=given.name,
        media_type=given.media_type,
    )
    say(f"Attached; entry {done.index}.")
    show(f"statement:{done.statement_id[:12]}")
    return 0


def comment(context: Context) -> int:
    """`comment`"""
    from console.services.model_files import comment as remark

    given = context.arguments
    done = remark(context.store, context.person(), given.reference, given.text)
    say(f"Said; entry {done.index}.")
    show(f"statement:{done.statement_id[:12]}")
    return 0
