"""The ready policies that come with the program."""

from __future__ import annotations

import difflib
from importlib.resources import files

from console.services.problems import Misuse
from policies.document import Policy
from policies.document_reading import read_policy

_CASES = ".cases.toml"


def ready_policies() -> list[Policy]:
    """Every ready policy, by id."""
    return [read_policy(ready_text(name)) for name in _names()]


def ready_text(name: str, *, cases: bool = False) -> bytes:
    """The text of a ready policy, or of its cases.

    Raises:
        Misuse: there is none of that name.
    """
    known = _names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1) or known
        raise Misuse(
            f"there is no ready policy {name!r}", hint=f"Nearest: {', '.join(near)}"
        )
    ending = _CASES if cases else ".toml"
    return (files("policies") / "library" / f"{name}{ending}").read_bytes()


def _names() -> list[str]:
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in (files("policies") / "library").iterdir()
        if entry.name.endswith(".toml") and not entry.name.endswith(_CASES)
    )
