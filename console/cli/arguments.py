"""Numbers that are typed: whole, and no larger than anything could need."""

from __future__ import annotations

import argparse

MOST = 1_000_000_000


def count(text: str) -> int:
    """A whole number of 1 or more.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    is_number = text.isascii() and text.isdigit()
    if not is_number or len(text) > len(str(MOST)) or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is no whole number from 1 to {MOST}"
        )
    return int(text)
