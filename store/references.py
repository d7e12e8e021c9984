"""The reference syntax people type: `model:dev/fraud@7`, `run:3f9c`, `commit:9fceb02`.

Parsing only; whether such a thing exists is asked of the projection or the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from store.errors import MalformedReference
from store.identifiers import split_key

LONGEST_REFERENCE = 2048


class ReferenceKind(StrEnum):
    """What a reference can name."""

    MODEL = "model"
    RUN = "run"
    DATASET = "dataset"
    COMMIT = "commit"
    EXPERIMENT = "experiment"
    REQUEST = "request"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference as typed: its kind, the name and what stands after the `@`."""

    kind: ReferenceKind
    name: str
    selector: str = ""
    """A version, an alias, or a digest prefix; empty when none was given."""

    def __str__(self) -> str:
        tail = f"@{self.selector}" if self.selector else ""
        return f"{self.kind.value}:{self.name}{tail}"


def parse_reference(
    text: str, *, default_kind: ReferenceKind | None = None
) -> Reference:
    """Parse one reference; `default_kind` serves where the kind may be left out.

    Raises:
        MalformedReference: the text is not in the syntax.
    """
    if len(text) > LONGEST_REFERENCE:
        raise MalformedReference(
            "the reference is too long", hint=f"At most {LONGEST_REFERENCE} characters."
        )
    kind_text, colon, rest = text.partition(":")
    kind: ReferenceKind | None = None
    if colon and kind_text in {member.value for member in ReferenceKind}:
        kind = ReferenceKind(kind_text)
    elif default_kind is not None:
        kind, rest = default_kind, text
    if kind is None or not rest:
        kinds = ", ".join(f"{member.value}:" for member in ReferenceKind)
        raise MalformedReference(
            f"{text!r} is not a reference",
            hint=f"Write KIND:NAME, such as model:fraud@7. Kinds: {kinds}",
        )
    name, _, selector = rest.partition("@")
    if kind is ReferenceKind.MODEL:
        name, _, selector = rest.rpartition("@") if "@" in rest else (rest, "", "")
    if not name:
        raise MalformedReference(
            f"{text!r} names nothing before the @",
            hint="Write KIND:NAME@VERSION, such as model:fraud@7.",
        )
    return Reference(kind, name, selector)


def readable_reference(key: str) -> str:
    """How a person would refer to the thing with that key."""
    kind, parts = split_key(key)
    match kind:
        case "model-version":
            return f"model:{parts[0]}/{parts[1]}@{parts[2]}"
        case "run":
            return f"run:{parts[-1][:12]}"
        case "commit":
            return f"commit:{parts[0][:12]}"
        case "dataset-version":
            return f"dataset:{parts[0]}@{parts[1][:19]}"
        case _:
            return f"{kind}:{'/'.join(parts)}"
