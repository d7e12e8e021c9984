"""Giving each seat a different person: how many seats can be filled at once.

Kuhn's algorithm for a maximum matching (H. W. Kuhn, The Hungarian Method for the
Assignment Problem, 1955): a person moves to another seat that they fit where that lets
one more seat be filled.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence


def seats_filled(seats: Sequence[Collection[str]]) -> int:
    """The most seats that different people can have, given who fits each."""
    taken: dict[str, int] = {}
    return sum(_seat(number, seats, taken, set()) for number in range(len(seats)))


def _seat(
    number: int,
    seats: Sequence[Collection[str]],
    taken: dict[str, int],
    tried: set[str],
) -> bool:
    """Find a person for a seat, moving others where they fit elsewhere."""
    for person in sorted(seats[number]):
        if person in tried:
            continue
        tried.add(person)
        if person not in taken or _seat(taken[person], seats, taken, tried):
            taken[person] = number
            return True
    return False
