"""Commands that read: lists, one thing in detail, lineage, search, history."""

from __future__ import annotations

import argparse
from typing import TypeVar

from console.cli.arguments import count
from console.cli.context import Context
from console.cli.forms import TABULAR, show_rows
from console.cli.graphs import graph_text, markdown_lines, tree_lines
from console.cli.output import moment, say, show, show_json
from console.cli.times import (
    add_times,
    alias_words,
    asked_times,
    held_words,
    times_of,
)
from console.rendering import one_line
from console.services import catalogue, inspection
from console.services.problems import Misuse, Undecided
from store.identifiers import split_key
from store.queries.lineage import Closure, Direction
from store.queries.presence import Certainty
from store.references import readable_reference

Row = TypeVar("Row")
MOST_COMMITS_JUDGED = 100
"""Commits of a lineage whose signatures are counted."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the reading commands."""
    for name, handler, text in (
        ("models", models, "registered models"),
        ("experiments", experiments, "experiments"),
        ("runs", runs, "runs, newest first"),
        ("datasets", datasets, "dataset versions"),
        ("commits", commits, "commits of known repositories, newest first"),
    ):
        parser = commands.add_parser(name, help=f"list {text}")
        _format(parser, TABULAR)
        most = 50 if name in ("runs", "commits") else 1000
        parser.add_argument(
            "--limit", type=count, default=most, metavar="N", help=f"at most N ({most})"
        )
        add_times(parser)
        parser.set_defaults(handler=handler)
    parser = commands.add_parser(
        "search", help="find anything by what you recall of its name"
    )
    parser.add_argument("text", metavar="TEXT", help="also KIND:TEXT, as model:fraud")
    _format(parser, TABULAR)
    add_times(parser)
    parser.set_defaults(handler=search)
    parser = commands.add_parser("show", help="everything about one thing")
    parser.add_argument("reference", metavar="REF", help="such as model:fraud@7")
    _format(parser)
    add_times(parser)
    parser.set_defaults(handler=show_one)
    parser = commands.add_parser("lineage", help="what it came from, or came of it")
    parser.add_argument("reference", metavar="REF")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--up", action="store_true", help="towards its sources (default)")
    way.add_argument("--down", action="store_true", help="towards what came of it")
    parser.add_argument("--depth", type=count, default=20, metavar="N")
    _format(parser, ("tree", *TABULAR, "dot", "mermaid"))
    add_times(parser)
    parser.set_defaults(handler=lineage)
    parser = commands.add_parser("history", help="which version held what, and when")
    parser.add_argument("reference", metavar="MODEL")
    _format(parser, TABULAR)
    add_times(parser)
    parser.set_defaults(handler=history)
    parser = commands.add_parser("status", help="registries against the log")
    _format(parser, TABULAR)
    parser.add_argument(
        "--watch", action="store_true", help="ask the registries again and again"
    )
    parser.add_argument(
        "--every", metavar="SPAN", help="between two looks of --watch (30s)"
    )
    parser.set_defaults(handler=status)


def _format(
    parser: argparse.ArgumentParser, forms: tuple[str, ...] = ("table", "json")
) -> None:
    parser.add_argument("--format", choices=forms, default=forms[0])


def first(context: Context, found: list[Row]) -> list[Row]:
    """As many as were asked for, with a word on the others."""
    most: int = context.arguments.limit
    if len(found) > most:
        say(f"There are more than {most}; raise --limit to see them.")
    return found[:most]


def models(context: Context) -> int:
    """`models`"""
    asked = asked_times(context)
    found = first(context, catalogue.models(context.store, asked))
    if context.arguments.format == "json":
        show_json("models", **times_of(asked), models=found)
        return 0
    show_rows(
        context.arguments.format,
        ("MODEL", "VERSIONS", "NEWEST", "ALIASES"),
        [
            (
                f"{m.source}/{m.name}",
                str(m.version_count),
                m.newest_version,
                ", ".join(alias_words(alias) for alias in m.aliases),
            )
            for m in found
        ],
    )
    return 0


def experiments(context: Context) -> int:
    """`experiments`"""
    asked = asked_times(context)
    found = first(context, catalogue.experiments(context.store, asked))
    if context.arguments.format == "json":
        show_json("experiments", **times_of(asked), experiments=found)
        return 0
    show_rows(
        context.arguments.format,
        ("EXPERIMENT", "RUNS"),
        [(f"{e.source}/{e.name}", str(e.run_count)) for e in found],
    )
    return 0


def runs(context: Context) -> int:
    """`runs`"""
    asked, limit = asked_times(context), context.arguments.limit + 1
    found = first(context, catalogue.runs(context.store, limit=limit, asked=asked))
    if context.arguments.format == "json":
        show_json("runs", **times_of(asked), runs=found)
        return 0
    show_rows(
        context.arguments.format,
        ("RUN", "NAME", "EXPERIMENT", "STATUS", "STARTED", "USER"),
        [
            (
                f"run:{r.native_id[:12]}",
                r.name,
                r.experiment,
                r.status,
                "possibly" if r.certainty is Certainty.POSSIBLE else moment(r.started),
                r.user,
            )
            for r in found
        ],
    )
    return 0


def datasets(context: Context) -> int:
    """`datasets`"""
    asked = asked_times(context)
    found = first(context, catalogue.datasets(context.store, asked))
    if context.arguments.format == "json":
        show_json("datasets", **times_of(asked), datasets=found)
        return 0
    show_rows(
        context.arguments.format,
        ("DATASET", "DIGEST", "RUNS"),
        [(d.name, d.digest[:31], str(d.readers)) for d in found],
    )
    return 0


def commits(context: Context) -> int:
    """`commits`"""
    asked, limit = asked_times(context), context.arguments.limit + 1
    found = first(context, catalogue.commits(context.store, limit=limit, asked=asked))
    if context.arguments.format == "json":
        show_json("commits", **times_of(asked), commits=found)
        return 0
    show_rows(
        context.arguments.format,
        ("COMMIT", "WHEN", "BY", "SIGNED", "SUBJECT"),
        [
            (
                c.sha[:12],
                moment(c.committed),
                ", ".join(m.person or f"{m.identity}?" for m in c.makers),
                c.signed_in_short,
                c.subject,
            )
            for c in found
        ],
    )
    return 0


def search(context: Context) -> int:
    """`search`"""
    from console.services.searching import MOST_HITS, find

    asked = asked_times(context)
    found = find(context.store, context.arguments.text, asked)
    if context.arguments.format == "json":
        show_json("search", **times_of(asked), hits=found)
    else:
        show_rows(
            context.arguments.format,
            ("KIND", "MATCH", "REFERENCE", "TEXT"),
            [
                (
                    h.kind,
                    h.match,
                    h.reference,
                    "" if h.reference.endswith(h.text) else h.text,
                )
                for h in found
            ],
        )
    if len(found) == MOST_HITS:
        say("There may be more; type more of it, or ask for one kind, such as model:")
    return 0


def show_one(context: Context) -> int:
    """`show`"""
    arguments, asked = context.arguments, asked_times(context)
    found = inspection.details(context.store, arguments.reference, asked)
    if arguments.format == "json":
        show_json("show", **times_of(asked), thing=found)
        return 0
    show(one_line(found.title))
    sections = (
        ("", found.fields),
        ("parameters", found.params),
        ("metrics", tuple((m.name, m.value) for m in found.metrics)),
        ("tags", found.tags),
        (
            "links",
            tuple(
                (
                    e.relation + (f" ({e.context})" if e.context else ""),
                    f"{readable_reference(e.subject)} -> "
                    f"{readable_reference(e.object)} [{e.strength}]",
                )
                for e in found.edges
            ),
        ),
        ("columns", inspection.column_lines(found)),
        ("facets", inspection.facet_lines(found)),
        (
            "what the record lacks",
            tuple((g.text.removesuffix("."), g.remedy) for g in found.gaps),
        ),
        (
            f"as of {moment(asked.as_of)}",
            tuple(
                (name, held_words(held, asked.as_of))
                for name, held in found.held
                if asked.as_of is not None
            ),
        ),
    )
    for title, pairs in sections:
        if pairs:
            show(f"\n{title}" if title else "")
        for name, value in pairs:
            show(f"  {one_line(name)}: {one_line(value)}")
    return 0


def lineage(context: Context) -> int:
    """`lineage`"""
    arguments, asked = context.arguments, asked_times(context)
    direction = Direction.DOWN if arguments.down else Direction.UP
    closure = inspection.lineage(
        context.store,
        arguments.reference,
        direction,
        depth=arguments.depth,
        asked=asked,
    )
    match arguments.format:
        case "json":
            show_json(
                "lineage",
                **times_of(asked),
                start=closure.start.key,
                direction=direction,
                nodes=list(closure.nodes.values()),
                edges=closure.edges,
                is_cut=closure.is_cut,
            )
        case "markdown":
            show("\n".join(markdown_lines(closure)))
        case "table" | "csv":
            show_rows(
                arguments.format,
                ("FROM", "RELATION", "TO", "STRENGTH"),
                [
                    (
                        closure.nodes[e.subject].label,
                        e.relation,
                        closure.nodes[e.object].label,
                        e.strength,
                    )
                    for e in closure.edges
                ],
            )
        case "dot" | "mermaid":
            show(graph_text(closure, arguments.format))
        case _:
            show("\n".join(tree_lines(closure)))
    if asked.as_of is not None and closure.start.certainty is None:
        say(f"{one_line(closure.start.label)} had not begun then.")
    if arguments.format == "tree":
        _say_how_commits_are_signed(context, closure)
    if closure.is_cut:
        say("There is more beyond this; raise --depth to see it.")
    return 0


def _say_how_commits_are_signed(context: Context, closure: Closure) -> None:
    """A line on the signatures of the commits in a lineage, as information."""
    shas = [
        split_key(n.key)[1][0] for n in closure.nodes.values() if n.kind == "commit"
    ]
    if shas:
        from console.services.commit_signatures import signed_in_words

        told = signed_in_words(context.store, shas[:MOST_COMMITS_JUDGED])
        if told:
            say(f"Commits: {told}. Each one: countersign show commit:...")


def history(context: Context) -> int:
    """`history`"""
    from console.cli.timelines import show_history
    from console.services.tenures import model_history

    arguments, asked = context.arguments, asked_times(context)
    found = model_history(context.store, arguments.reference, asked)
    if arguments.format == "json":
        show_json("history", **times_of(asked), history=found)
    else:
        show_history(found, arguments.format)
    return 0


def status(context: Context) -> int:
    """`status`: 0 when every registry says what the log approves, and every schedule
    would be allowed today; 1 when one does not, or would not; 3 when no policy names a
    stage to compare."""
    if context.arguments.watch:
        if context.arguments.format not in ("table", "json"):
            raise Misuse("--watch prints lines or JSON", hint="--format json")
        from console.cli.watching import watch

        return watch(context)
    if context.arguments.every:
        raise Misuse("--every goes with --watch", hint="countersign status --watch")
    from console.cli.pipeline_schedules import tell_objections
    from console.cli.waiting import tell_waiting, waiting_for_me
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.schedules import schedules_objected_to
    from console.services.standing import governed_stages, unapproved_changes
    from console.services.unusable_batches import unusable_batches

    waiting = waiting_for_me(context)
    tell_waiting(waiting)
    schedules = schedules_objected_to(context.store, launcher_of_all(context.store))
    is_governed = bool(governed_stages(context.store))
    if not is_governed and not schedules:
        if waiting and context.arguments.format == "json":
            show_json(
                "status",
                unapproved_changes=[],
                schedules=schedules,
                waiting_for_me=waiting,
            )
        raise Undecided(
            "no policy in force names a stage, so no registry can be compared",
            hint="Put one in force: countersign policy activate FILE",
        )
    found = unapproved_changes(context.store) if is_governed else []
    for batch in unusable_batches(context.store):
        say(f"Entry {batch.entry} changes nothing, its batch: {batch.reason}.")
    if context.arguments.format == "json":
        show_json(
            "status",
            unapproved_changes=found,
            schedules=schedules,
            waiting_for_me=waiting,
        )
    elif found:
        is_one_source = len({c.model.partition("/")[0] for c in found}) == 1
        is_short = is_one_source and context.arguments.format == "table"
        show_rows(
            context.arguments.format,
            ("MODEL", "ENVIRONMENT", "STAGE", "REGISTRY", "LOG", "SEEN"),
            [
                (
                    c.model.partition("/")[2] if is_short else c.model,
                    c.environment,
                    c.stage,
                    c.registry or "nothing",
                    c.approved or "nothing",
                    moment(c.since),
                )
                for c in found
            ],
        )
    elif is_governed:
        say("Every registry says what the log approves, as of the last import.")
    tell_objections(schedules)
    return 1 if found or schedules else 0
