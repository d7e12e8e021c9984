"""What a person calls a thing, by its key and the name that a source gave it."""

from __future__ import annotations

from store.identifiers import split_key


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
            return f"{name or 'run'} ({parts[-1][:8]})"
        case _:
            return name or "/".join(parts)
