"""Asking for a stage, and taking a version out of one: what is asked, what is done."""

from __future__ import annotations

from console.screens.acting import Deed
from console.screens.signing import Blank, SigningAnswer, SigningQuestion
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.demoting import demote
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.signing import Acting
from console.services.signoff import request_transition
from store.references import parse_reference

_STAGE = Blank("stage", "such as production")
_ENVIRONMENT = Blank("environment", "where", DEFAULT_ENVIRONMENT)


def ask_question(reference: str) -> SigningQuestion:
    """What somebody fills in who asks for a stage."""
    return SigningQuestion(
        verb="ask",
        name=_model(reference),
        facts=(
            f"Asks for a stage for {reference}",
            "The evidence is read again and frozen with the request.",
        ),
        needs_reason=True,
        blanks=(
            _STAGE,
            _ENVIRONMENT,
            Blank("waiver", "yes to ask for one, where rules are not met", "no"),
        ),
    )


def ask_for(reference: str) -> Deed:
    """Ask for a stage as filled in."""

    def ask(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
        filled = answer.filled
        made = request_transition(
            store,
            acting,
            find_version(store, reference),
            filled["stage"].strip(),
            filled["environment"].strip(),
            answer.reason,
            allows_failing=_is_yes(filled["waiver"]),
        )
        index, made_id = made.appended.index, made.appended.statement_id
        return f"Asked: request:{made_id[:12]}, entry {index}"

    return ask


def demote_question(reference: str) -> SigningQuestion:
    """What somebody fills in who takes a version out of a stage."""
    return SigningQuestion(
        verb="demote",
        name=_model(reference),
        facts=(
            f"Takes {reference} out of a stage",
            "The log says so, and so does the registry of the environment.",
        ),
        needs_reason=True,
        blanks=(
            _STAGE,
            _ENVIRONMENT,
            Blank("restore", "yes: the version before takes the stage again", "no"),
        ),
    )


def take_out(reference: str) -> Deed:
    """Take a version out of a stage as filled in."""

    def take(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
        filled = answer.filled
        done = demote(
            store,
            acting,
            reference,
            filled["stage"].strip(),
            filled["environment"].strip(),
            answer.reason,
            restores=_is_yes(filled["restore"]),
        )
        said = f"; the registry says {done.read_back}" if done.registry else ""
        return f"Out of {filled['stage'].strip()}, entry {done.appended.index}{said}"

    return take


def _model(reference: str) -> str:
    """The model's name, to be typed."""
    return parse_reference(reference).name.rpartition("/")[2]


def _is_yes(text: str) -> bool:
    wanted = text.strip().lower()
    if wanted not in ("yes", "no"):
        raise Misuse(f"{text!r} is neither yes nor no")
    return wanted == "yes"
