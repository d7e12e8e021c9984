"""Tables on a terminal: they fit where they can, and never lose what is typed again."""

from __future__ import annotations

from console.rendering import table, width_of

HEADINGS = ("RUN", "NAME", "EXPERIMENT", "STARTED")
ROW = ("run:13ef6efc3868", "a" * 40, "日本" * 20, "2026-11-23 05:23")


def widest(text: str) -> int:
    return max(width_of(line) for line in text.split("\n"))


def test_a_table_fits_the_terminal_and_keeps_references_and_times() -> None:
    shown = table(HEADINGS, [ROW], columns=80)
    assert widest(shown) <= 80
    assert ROW[0] in shown
    assert ROW[3] in shown
    assert "…" in shown


def test_a_table_that_cannot_fit_is_not_cut() -> None:
    assert table(HEADINGS, [ROW], columns=40) == table(HEADINGS, [ROW])


def test_a_table_that_fits_is_as_it_is_elsewhere() -> None:
    row = ("run:1", "a", "b", "c")
    assert table(HEADINGS, [row], columns=80) == table(HEADINGS, [row])
