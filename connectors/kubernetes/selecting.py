"""Selectors that name many values: as many at a time as an address has room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

ROOM = 4000
"""Characters; proxies take addresses of twice that."""
_COMMA = 3
"""As it is written in an address."""


def in_pieces(values: Sequence[str]) -> Iterator[list[str]]:
    """All the values, in their order, in lists that fit."""
    piece: list[str] = []
    left = ROOM
    for value in values:
        needed = len(value) + _COMMA
        if piece and needed > left:
            yield piece
            piece, left = [], ROOM
        piece.append(value)
        left -= needed
    if piece:
        yield piece
