"""Completes the path of a file or folder as somebody types it."""

from __future__ import annotations

import asyncio
import os
from itertools import islice
from pathlib import Path

from textual.suggester import Suggester

from console.rendering import one_line

MOST_NAMES = 2000
"""More of a folder are not looked through while somebody types."""


class PathSuggester(Suggester):
    """The first name that goes on as typed; a name that cannot be shown is left out."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """See Suggester."""
        return await asyncio.to_thread(completed, value) if value else None


def completed(typed: str) -> str | None:
    """A path that begins as typed; None: there is none."""
    folder, slash, begun = typed.rpartition("/")
    try:
        where = Path(f"{folder}{slash}" or ".").expanduser()
        with os.scandir(where) as entries:
            found = sorted(
                (entry.name, entry.is_dir())
                for entry in islice(entries, MOST_NAMES)
                if entry.name.startswith(begun)
                and one_line(entry.name) == entry.name
                and (begun.startswith(".") or not entry.name.startswith("."))
            )
    except (OSError, RuntimeError, ValueError):
        return None  # no such folder, no such home, or no path at all
    if not found:
        return None
    name, is_folder = found[0]
    return f"{folder}{slash}{name}{'/' if is_folder else ''}"
