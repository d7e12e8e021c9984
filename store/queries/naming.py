"""What a person calls a thing, by its key and the name that a source gave it."""

from __future__ import annotations

import re

from store.identifiers import split_key

_RANDOM = re.compile(r"[0-9A-Fa-f-]{32,36}")


def label_of(key: str, name: str) -> str:
    """A short name; what has none keeps its native id."""
    kind, parts = split_key(key)
    match kind:
        case "model-version":
            return f"{parts[-2]}@{parts[-1]}"
        case "commit":
            return f"{parts[0][:10]} {name}".strip()
        case "dataset-version":
            return f"{parts[0]}@{parts[1][:19]}"
        case "run":
            return f"{name or 'run'} ({short_id(parts[-1])})"
        case _:
            return name or "/".join(parts)


def short_id(native: str) -> str:
    """The beginning of an id that was drawn at random; one that says more, whole."""
    return native[:8] if _RANDOM.fullmatch(native) else native
