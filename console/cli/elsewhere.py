"""Answers that travel as files: signed from a pack, and handed in."""

from __future__ import annotations

from pathlib import Path

from console.cli.context import Context
from console.cli.deciding import confirm_text
from console.cli.output import say, show
from console.services import signing_elsewhere
from console.services.named_files import read_file, write_new
from console.services.problems import Misuse
from console.services.signing import act_as_person, passphrase_source
from policies.review_pack import LARGEST_PACK_BYTES


def answer_pack(context: Context) -> int:
    """`approve --from` and `reject --from`: no store and no network."""
    arguments = context.arguments
    if not arguments.out:
        raise Misuse("an answer from a pack is written", hint="--out SIGNED")
    target = Path(arguments.out)
    if target.exists():
        raise Misuse(f"{target} is there already; nothing was signed")
    data = read_file(Path(arguments.pack), LARGEST_PACK_BYTES)
    with signing_elsewhere.open_pack(data) as opened:
        signing_elsewhere.require_anchor(
            opened,
            context.places,
            context.anchor,
            lambda first_root: _confirms(context, first_root),
        )
        acting = act_as_person(
            opened.store,
            opened.store.state(),
            context.key_address(),
            passphrase_source(context.ask_secret()),
        )
        confirm_text(context, opened.sheet)
        signed = signing_elsewhere.sign_pack(
            opened,
            acting,
            arguments.decision,
            arguments.reason,
            role=arguments.role,
            artifact_folder=arguments.artifact,
        )
        write_new(target, signed)
        say(f"Signed the text {opened.sheet.short_code} into {target}. At the store:")
    show(f"countersign submit {target}")
    return 0


def _confirms(context: Context, first_root: str) -> bool:
    """Whether a person in a terminal knows the first root for the right one."""
    from policies.spoken import spoken

    if not context.is_interactive:
        return False
    say(f"The log in this pack begins with the trust root {first_root}")
    say(spoken(first_root))
    say("Compare it with what the store's owner tells you, by another way.")
    return input("Is it the right one? Type yes: ").strip() == "yes"


def submit_answer(context: Context, data: bytes) -> int:
    """`submit` of an answer that was signed elsewhere."""
    index, is_new = signing_elsewhere.hand_in_answer(context.store, data)
    show(f"entry {index}" if is_new else f"entry {index} has it already")
    return 0
