"""Commands that change trust itself: the root, revocations, erasures, handing in."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from connectors.signers.opening import open_signer
from console.cli.context import Context
from console.cli.output import say, show, show_json, show_table
from console.rendering import printable
from console.services import rotating
from console.services.founding import printed_name
from console.services.named_files import read_file, write_new, write_whole
from console.services.opened import OpenStore, rfc3339, wall_clock
from console.services.problems import Misuse, Refusal
from console.services.signing import passphrase_source
from console.services.trust_view import trust_view
from policies.predicates import DocumentKind, Endorsement, Enrolment, RevocationCause
from policies.predicates import Revocation as RevocationStatement
from policies.proposal import (
    LARGEST_PROPOSAL_BYTES,
    Proposal,
    changes,
    read_proposal,
)
from policies.spoken import spoken


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands about trust."""
    trust = commands.add_parser("trust", help="who may decide, and changing that")
    trusts = trust.add_subparsers(dest="what", required=True, metavar="WHAT")
    parser = trusts.add_parser(
        "show", help="the people in force; or what a PROPOSAL would change"
    )
    parser.add_argument("proposal", nargs="?", metavar="PROPOSAL")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=trust_show)
    parser = trusts.add_parser("log", help="every change of trust, in log order")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(handler=trust_log)
    _add_propose(trusts)
    parser = trusts.add_parser("sign", help="sign a proposal; needs no store")
    parser.add_argument("proposal", metavar="PROPOSAL")
    parser.add_argument("--key", metavar="KEY")
    parser.add_argument("--out", metavar="FILE", help="default: the file itself")
    parser.add_argument(
        "--yes", action="store_true", help="do not ask again in a terminal"
    )
    parser.set_defaults(handler=trust_sign)
    parser = commands.add_parser("submit", help="hand in a signed proposal or answer")
    parser.add_argument("file", metavar="FILE")
    parser.set_defaults(handler=submit, decides=True)
    parser = commands.add_parser("revoke", help="take a key or a person out of force")
    parser.add_argument("target", metavar="TARGET", help="key:ID or person:NAME")
    parser.add_argument(
        "--cause", required=True, choices=[cause.value for cause in RevocationCause]
    )
    parser.add_argument(
        "--since",
        type=int,
        metavar="ENTRY",
        help="for a compromise: the first entry that somebody else may have signed",
    )
    _reason(parser)
    parser.set_defaults(handler=revoke, decides=True)
    parser = commands.add_parser(
        "erase", help="let a name, a reason, a comment or facts go"
    )
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="person:NAME, statement:ID (its reason), facts:KEY, or an object's digest",
    )
    _reason(parser)
    parser.set_defaults(handler=erase, decides=True)


def _add_propose(
    trusts: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    parser = trusts.add_parser("propose", help="draft the next trust root as a file")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--expires", default="", metavar="TIME")
    for name, meaning in (("root", "the next trust root"), ("policy", "a policy")):
        parser.add_argument(
            f"--{name}-threshold",
            type=int,
            metavar="N",
            help=f"people who must sign {meaning}",
        )
    for option, form, meaning in (
        ("--add", "OFFER=ROLE,ROLE", "a newcomer, by the file they offered"),
        ("--remove", "PERSON", "somebody who decides no longer"),
        ("--grant", "PERSON=ROLE,ROLE", "more roles for somebody"),
        ("--withdraw", "PERSON=ROLE,ROLE", "fewer"),
        ("--add-key", "PERSON=OFFER", "another key for somebody"),
        ("--drop-key", "KEYID", "a key that counts no longer"),
    ):
        parser.add_argument(
            option, action="append", default=[], metavar=form, help=meaning
        )
    parser.set_defaults(handler=trust_propose)


def _reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, metavar="TEXT")
    parser.add_argument("--key", metavar="KEY")


def trust_show(context: Context) -> int:
    """`trust show`"""
    if context.arguments.proposal:
        return _show_proposal(context, _proposal(context.arguments.proposal))
    view = trust_view(context.store)
    words = spoken(view.first_root)
    if context.arguments.format == "json":
        show_json("trust-show", **asdict(view), first_root_words=words.split())
        return 0
    show(f"log:         {printable(view.origin)}")
    show(f"first root:  {view.first_root}")
    for line in words.splitlines():
        show(f"             {line}")
    show(f"now in force: version {view.version}, expires {printable(view.expires)}")
    show(
        f"must sign: {view.root_threshold} a trust root, "
        f"{view.policy_threshold} a policy"
    )
    show("")
    show_table(
        ("PERSON", "NAME", "ROLES", "IDENTITIES", "KEY", "COUNTS"),
        [
            (
                holder.id,
                holder.name,
                ", ".join(holder.roles) or holder.kind,
                ", ".join(holder.identities),
                key.id[:12] if key else "-",
                key.standing if key else "-",
            )
            for holder in view.holders
            for key in holder.keys or (None,)
        ],
    )
    return 0


def _show_proposal(context: Context, proposal: Proposal) -> int:
    signed = proposal.signed_by()
    if context.arguments.format == "json":
        show_json(
            "trust-proposal",
            digest=proposal.root.digest,
            version=proposal.root.version,
            changes=changes(proposal.current, proposal.root),
            names=dict(proposal.names),
            signed_by=signed,
        )
        return 0
    for line in _told(proposal):
        show(line)
    return 0


def _told(proposal: Proposal) -> list[str]:
    """What a person must know before they sign."""
    names = dict(proposal.names)
    lines = [f"trust root {proposal.root.digest}"]
    for change in changes(proposal.current, proposal.root):
        named = [name for person, name in names.items() if person in change and name]
        suffix = f"   ({named[0]})" if named else ""
        lines.append("  " + printable(change + suffix))
    signed = [names.get(p) or p for p in proposal.signed_by()]
    lines.append(f"signed by: {printable(', '.join(signed)) or 'nobody yet'}")
    return lines


def trust_log(context: Context) -> int:
    """`trust log`"""
    store = context.store
    rows = [_trust_row(store, e.index) for e in store.index.on_topics("trust")]
    if context.arguments.format == "json":
        names = ("entry", "at", "by", "what")
        show_json("trust-log", changes=[dict(zip(names, r, strict=True)) for r in rows])
    else:
        show_table(("ENTRY", "AT (CLAIMED)", "BY", "WHAT"), rows)
    return 0


def _trust_row(store: OpenStore, index: int) -> tuple[str, str, str, str]:
    _, statement = store.entry(index)
    match statement.predicate:
        case Endorsement(document=DocumentKind.TRUST_ROOT) as endorsement:
            what = f"endorses trust root {endorsement.version}"
            if store.state(before=index + 1).root_since == index:
                what += ", which is in force from here"
        case Enrolment(person=person, grants=grants):
            what = f"enrols {person} as {', '.join(g.role for g in grants)}"
        case RevocationStatement() as revocation:
            what = f"revokes {revocation.target.value} {revocation.id[:16]}: "
            what += revocation.cause.value
            if revocation.since is not None:
                what += f" since entry {revocation.since}"
        case _:
            what = statement.type.short
    signer = store.state().people.get(statement.by)
    name = printed_name(store, signer.profile, signer.id) if signer else statement.by
    return str(index), statement.at, name, what


def trust_propose(context: Context) -> int:
    """`trust propose`"""
    arguments, store = context.arguments, context.store
    wanted = rotating.Changes(
        expires=_expiry(arguments.expires),
        root_threshold=arguments.root_threshold,
        policy_threshold=arguments.policy_threshold,
        add={read_file(Path(f)): roles for f, roles in _pairs(arguments.add)},
        remove=arguments.remove,
        grant=dict(_pairs(arguments.grant)),
        withdraw=dict(_pairs(arguments.withdraw)),
        add_keys={
            person: read_file(Path(files[0]))
            for person, files in _pairs(arguments.add_key)
        },
        drop_keys=arguments.drop_key,
    )
    proposal = rotating.propose(store, wanted)
    write_new(Path(arguments.out), proposal.to_bytes())
    for line in _told(proposal):
        say(line)
    say(f"Hand {arguments.out} to those who sign: countersign trust sign FILE")
    show(proposal.root.digest)
    return 0


def _expiry(text: str) -> str:
    from console.cli.times import time_argument

    moment = time_argument(text)
    if moment is not None and moment <= wall_clock():
        raise Misuse("a trust root that expires in the past would decide nothing")
    return "" if moment is None else rfc3339(moment)


def _pairs(given: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    found = []
    for text in given:
        left, equals, right = text.rpartition("=")
        values = tuple(part.strip() for part in right.split(",") if part.strip())
        if not equals or not left or not values:
            raise Misuse(f"{text!r} is not of the form NAME=VALUE,VALUE")
        found.append((left, values))
    return found


def trust_sign(context: Context) -> int:
    """`trust sign`: works without a store and without a network."""
    arguments = context.arguments
    proposal = _proposal(arguments.proposal)
    for line in _told(proposal):
        say(line)
    signer = open_signer(context.key_address(), passphrase_source(context.ask_secret()))
    if context.is_interactive and not arguments.yes:
        typed = input(f"Type the first ten digits of {proposal.root.digest} to sign: ")
        if typed.strip() != proposal.root.digest[:10]:
            raise Misuse("that is not how it begins; nothing was signed")
    signed, person = rotating.sign_proposal(proposal, signer, rfc3339(wall_clock()))
    target = Path(arguments.out or arguments.proposal)
    write_whole(target, signed.to_bytes())
    say(f"Signed as {person.id} into {target}. When enough people have:")
    show(f"countersign submit {target}")
    return 0


def submit(context: Context) -> int:
    """`submit`: 0 when all signatures counted, 1 when one was refused."""
    from console.cli.elsewhere import submit_answer
    from policies.review_pack import is_signed_answer

    data = read_file(Path(context.arguments.file), LARGEST_PROPOSAL_BYTES)
    if is_signed_answer(data):
        return submit_answer(context, data)
    proposal = _proposal(context.arguments.file)
    if not proposal.signatures:
        raise Refusal(
            "nobody has signed this proposal yet",
            hint=f"countersign trust sign {context.arguments.file} --key KEY",
        )
    done = rotating.hand_in(context.store, proposal)
    for entry in done.entries:
        say(f"entry {entry}")
    for refused in done.refused:
        say(f"refused: {refused}")
    if done.is_in_force:
        show(f"trust root {proposal.root.version} is in force")
    else:
        show(f"waiting for {done.still_wanted} more to sign")
    return 1 if done.refused else 0


def revoke(context: Context) -> int:
    """`revoke`"""
    from console.services.revoking import revoke as carry_out

    arguments = context.arguments
    done = carry_out(
        context.store,
        context.person(),
        arguments.target,
        RevocationCause(arguments.cause),
        arguments.reason,
        since=arguments.since,
    )
    say(f"Entry {done.appended.index}. No longer in force:")
    for key in done.keys:
        show(f"key {key}")
    for promotion in done.doubtful:
        show(f"DOUBTFUL {promotion}: ask the gate, then demote it or sign it anew")
    return 0


def erase(context: Context) -> int:
    """`erase`: 0 when the bytes are gone, 1 when somebody must still remove them."""
    arguments, store = context.arguments, context.store
    from console.services.erasing import erase_facts, give_up_batch, is_batch

    if arguments.target.startswith("facts:"):
        key = arguments.target.removeprefix("facts:")
        done = erase_facts(store, context.person(), key, arguments.reason)
    elif is_batch(store, arguments.target):
        done = give_up_batch(
            store, context.person(), arguments.target, arguments.reason
        )
    else:
        from console.services.words import erase as let_go

        done = [let_go(store, context.person(), arguments.target, arguments.reason)]
    for erased in done:
        say(f"Entry {erased.appended.index}: {erased.kind.value} {erased.digest}")
        if not erased.is_removed:
            show(f"remove it yourself, with every version of it: {erased.path}")
    say("Backups and files exported before still hold it; see docs/operations.md")
    return 0 if all(erased.is_removed for erased in done) else 1


def _proposal(path: str) -> Proposal:
    return read_proposal(read_file(Path(path), LARGEST_PROPOSAL_BYTES))
