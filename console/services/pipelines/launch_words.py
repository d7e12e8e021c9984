"""What is still to be done about launches, in words."""

from __future__ import annotations

from collections.abc import Sequence

from console.services.pipelines.schedule_words import silent_line
from console.services.pipelines.viewing import LaunchLine

_MOST_NAMED = 3


def to_do_lines(lines: Sequence[LaunchLine]) -> list[str]:
    """Which of some launches are not recorded, and of whose end nothing is said."""
    unrecorded = [line.launch for line in lines if line.is_recorded is False]
    silent = [line.launch for line in lines if line.is_cancelled_in_silence]
    return [*unrecorded_lines(unrecorded), *_silent_lines(silent)]


def unrecorded_lines(launches: Sequence[str]) -> list[str]:
    """Which launches have ended and are no lineage yet, and what to do."""
    if len(launches) > _MOST_NAMED:
        return [
            f"{len(launches)} launches have ended and are not recorded yet: "
            "countersign pipeline record --all"
        ]
    return [
        f"{launch} is not recorded yet: countersign pipeline record {launch}"
        for launch in launches
    ]


def _silent_lines(launches: Sequence[str]) -> list[str]:
    named = launches[:_MOST_NAMED]
    said = [silent_line(launch) for launch in named]
    if len(launches) > len(named):
        said.append(f"So were {len(launches) - len(named)} more.")
    return said
