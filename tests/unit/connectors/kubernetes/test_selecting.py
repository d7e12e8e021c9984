"""Selectors of many values, in pieces."""

from __future__ import annotations

import pytest

from connectors.kubernetes.selecting import ROOM, in_pieces


@pytest.mark.parametrize("count", [0, 1, 100, 1000])
def test_every_value_is_in_one_piece_and_each_piece_fits(count: int) -> None:
    values = [f"launch-{number:06d}" for number in range(count)]
    pieces = list(in_pieces(values))
    assert [value for piece in pieces for value in piece] == values
    assert all(len("%2C".join(piece)) <= ROOM for piece in pieces)
    assert len(pieces) <= count * 16 // ROOM + 1


def test_a_value_that_is_too_long_stands_alone() -> None:
    long = "x" * (ROOM + 1)
    assert list(in_pieces(["a", long, "b"])) == [["a"], [long], ["b"]]
