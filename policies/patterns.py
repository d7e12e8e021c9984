"""The only wildcard of policies and grants: `*`, standing for any text."""

from __future__ import annotations


def matches(pattern: str, name: str) -> bool:
    """Whether `name` fits `pattern`, in which only `*` is special."""
    first, *others = pattern.split("*")
    if not others:
        return name == first
    *middle, last = others
    if not name.startswith(first):
        return False
    position = len(first)
    for part in middle:
        found = name.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return name.endswith(last) and len(name) - len(last) >= position
