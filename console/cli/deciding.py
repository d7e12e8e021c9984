"""Commands that ask, decide and carry out: request to promote, and the gate."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli.context import Context
from console.cli.gating import add_max_age, add_target
from console.cli.output import say, show, show_json, show_table
from console.services import promoting, reviewing, signoff
from console.services.currency import ASK_ANEW, why_stale
from console.services.hopes import Hopeless
from console.services.named_files import write_new
from console.services.named_versions import find_version
from console.services.problems import Misuse
from policies.predicates import Decision, OutcomeKind
from policies.verdict import tree_lines
from policies.workflow import RequestState


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the deciding commands."""
    parser = commands.add_parser("request", help="ask for a transition")
    parser.add_argument("reference", metavar="REF")
    add_target(parser)
    _reason(parser)
    parser.add_argument(
        "--allow-failing",
        action="store_true",
        help="ask although rules are not met that the policy lets people waive",
    )
    parser.set_defaults(handler=request, decides=True)
    parser = commands.add_parser("requests", help="what waits, and for whom")
    parser.add_argument(
        "--mine", action="store_true", help="only what your keys could decide"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=requests)
    parser = commands.add_parser("review", help="the exact text that will be signed")
    parser.add_argument("request", metavar="REQUEST")
    parser.add_argument("--text", metavar="FILE", help="write the exact bytes")
    parser.add_argument(
        "--out", metavar="PACK", help="write a pack for an approver without the store"
    )
    parser.set_defaults(handler=review)
    for name, decision in (("approve", Decision.APPROVE), ("reject", Decision.REJECT)):
        parser = commands.add_parser(name, help=f"sign a decision to {name}")
        parser.add_argument("request", nargs="?", default="", metavar="REQUEST")
        parser.add_argument("--role", default="", metavar="ROLE")
        parser.add_argument(
            "--from", dest="pack", metavar="PACK", help="a review pack; needs no store"
        )
        parser.add_argument("--out", metavar="SIGNED", help="with --from: the answer")
        parser.add_argument(
            "--artifact", default="", metavar="DIR", help="with --from: hash these"
        )
        parser.add_argument(
            "--yes", action="store_true", help="do not ask again in a terminal"
        )
        _reason(parser)
        parser.set_defaults(handler=answer, decision=decision, decides=True)
    parser = commands.add_parser("withdraw", help="take back what you signed")
    parser.add_argument("statement", metavar="STATEMENT")
    _reason(parser)
    parser.set_defaults(handler=withdraw, decides=True)
    parser = commands.add_parser("promote", help="carry out an approved request")
    parser.add_argument("request", metavar="REQUEST")
    parser.add_argument("--key", metavar="KEY")
    add_max_age(parser)
    parser.set_defaults(handler=promote, decides=True)


def _reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, metavar="TEXT")
    parser.add_argument("--key", metavar="KEY")


def request(context: Context) -> int:
    """`request`"""
    arguments, store = context.arguments, context.store
    version = find_version(store, arguments.reference)
    try:
        made = signoff.request_transition(
            store,
            context.person(),
            version,
            arguments.to,
            arguments.env,
            arguments.reason,
            allows_failing=arguments.allow_failing,
        )
    except Hopeless as problem:
        say("\n".join(tree_lines(problem.facts)))
        raise
    say("\n".join(tree_lines(made.facts)))
    say(f"Entry {made.appended.index}, under policy {made.policy.id}.")
    short = made.appended.statement_id[:12]
    say(f"Approvers read it with: countersign review request:{short}")
    show(f"request:{short}")
    return 0


def requests(context: Context) -> int:
    """`requests`"""
    from console.cli.waiting import people_here, show_launches
    from console.services.pipelines.waiting_launches import waiting_launches
    from console.services.standing import waiting_requests

    store, mine = context.store, people_here(context)
    found = waiting_requests(store, store.state(), mine=mine)
    launches = waiting_launches(store, store.state(), mine=mine)
    if context.arguments.mine:
        found = [request for request in found if request.for_me]
        launches = [launch for launch in launches if launch.for_me]
    if context.arguments.format == "json":
        show_json("requests", requests=found, launches=launches)
        return 0
    if found or not launches:
        show_table(
            (
                *("REQUEST", "FOR ME", "MODEL", "VERSION"),
                *("TRANSITION", "ASKED BY", "WAITS FOR"),
            ),
            [
                (
                    f"request:{r.id[:12]}",
                    ", ".join(r.for_me) or "-",
                    r.model,
                    r.version,
                    r.transition,
                    r.requester,
                    ", ".join(r.waits_for),
                )
                for r in found
            ],
        )
    show_launches(launches)
    return 0


def review(context: Context) -> int:
    """`review`"""
    store = context.store
    state = store.state()
    record = reviewing.find_request(store, context.arguments.request, state)
    sheet = reviewing.review_sheet(store, record, state)
    arguments = context.arguments
    if arguments.text:
        write_new(Path(arguments.text), sheet.text.encode())
    if arguments.out:
        from console.services.signing_elsewhere import make_pack

        write_new(Path(arguments.out), make_pack(store, record))
        say(
            f"Wrote {arguments.out}. Whoever has the key runs, without the store:\n"
            f"countersign approve --from {arguments.out} --reason TEXT --out SIGNED"
        )
    if not arguments.text and not arguments.out:
        show(sheet.text)
    say(f"Short code of this text: {sheet.short_code} (digest {sheet.digest})")
    for name, role, decision, at in reviewing.signers_of(store, record, state):
        say(f"{decision} by {name} as {role} at {at} (claimed)")
    for waived in reviewing.waivers_of(store, record, sheet.policy, state):
        say(waived)
    say(f"Still wanted: {', '.join(sheet.pending) or 'nothing'}")
    if record.state is RequestState.OPEN and (why := why_stale(store, record)):
        say(f"No approval counts: {why}. {ASK_ANEW}")
    return 0


def answer(context: Context) -> int:
    """`approve` and `reject`"""
    arguments = context.arguments
    if bool(arguments.pack) == bool(arguments.request):
        raise Misuse("name a request, or a pack", hint="REQUEST, or --from PACK")
    if arguments.pack:
        from console.cli.elsewhere import answer_pack

        return answer_pack(context)
    if arguments.out or arguments.artifact:
        raise Misuse("--out and --artifact go with --from PACK")
    store = context.store
    acting = context.person()
    state = store.state()
    record = reviewing.find_request(store, arguments.request, state)
    sheet = reviewing.review_sheet(store, record, state)
    confirm_text(context, sheet)
    done = signoff.answer_request(
        store, acting, sheet, arguments.decision, arguments.reason, role=arguments.role
    )
    say(f"Signed the text {sheet.short_code}; entry {done.index}.")
    show(f"statement:{done.statement_id[:12]}")
    return 0


def confirm_text(context: Context, sheet: reviewing.ReviewSheet) -> None:
    """Show the text and ask for its short code, where there is a terminal.

    Raises:
        Misuse: another code was typed.
    """
    arguments = context.arguments
    if context.is_interactive and not arguments.yes:
        show(sheet.text)
        say(f"Short code of this text: {sheet.short_code}")
        typed = input(f"Type the short code to {arguments.decision.value} it: ")
        if typed.strip() != sheet.short_code:
            raise Misuse("that is not the short code; nothing was signed")


def withdraw(context: Context) -> int:
    """`withdraw`"""
    arguments = context.arguments
    done = signoff.withdraw(
        context.store, context.person(), arguments.statement, arguments.reason
    )
    say(f"Withdrawn; entry {done.index}.")
    return 0


def promote(context: Context) -> int:
    """`promote`: 0 when it was done, 1 when the registry did not follow."""
    store = context.store
    state = store.state()
    record = reviewing.find_request(store, context.arguments.request, state)
    done = promoting.promote(store, context.person(), record)
    say(f"Intent: entry {done.intent.index}. Outcome: entry {done.outcome.index}.")
    match done.kind:
        case OutcomeKind.DONE:
            say(f"The registry {done.registry} says: {done.read_back}")
        case OutcomeKind.RECORDED_ONLY:
            say(
                "No registry is configured for this environment: the log alone says so."
            )
        case OutcomeKind.FAILED:
            say(f"The registry {done.registry} did not follow: {done.read_back}")
    show(done.kind.value)
    return 1 if done.kind is OutcomeKind.FAILED else 0
