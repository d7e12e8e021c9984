"""What a comparison holds: differences by section, and all of it in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.protocols import CodeComparison

SECTIONS = (
    *("data", "feature", "code", "code file", "parameter", "runtime"),
    *("metric", "slice", "file", "tag", "state"),
)
"""Sections, as they are shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that two versions do not have in common."""

    section: str
    name: str
    before: str
    after: str
    change: str = ""
    """For a number: by how much, with its sign."""
    verdict: str = ""
    """For a metric whose better way a policy names: `better` or `worse`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything in which two things differ."""

    before: str
    """Reference to the first."""
    after: str
    summary: str
    differences: tuple[Difference, ...]
    code: CodeComparison | None
    """What lies between their commits, where the repository could be read."""
    unread: tuple[str, ...]
    """What could not be compared, and why."""


def summary_of(
    old: Mapping[str, Mapping[str, str]],
    new: Mapping[str, Mapping[str, str]],
    differences: list[Difference],
    code: CodeComparison | None,
    is_one_model: bool,
) -> str:
    """Everything in one line: "same data, other code, 3 metrics better"."""
    if not differences:
        return "nothing that is recorded differs"
    parts = []
    for section, word in _WORDS:
        is_told = old[section] or new[section]
        differs = any(one.section == section for one in differences)
        if is_told:
            parts.append(f"{'other' if differs else 'same'} {word}")
        if section == "code" and differs and code is not None:
            parts[-1] += f" ({code_words(code)})"
    for section, one, many in _COUNTED:
        found = [d for d in differences if d.section == section]
        parts += _counted(found, one, many)
    if not is_one_model:
        parts.insert(0, "different models")
    return ", ".join(parts)


_WORDS = (
    ("data", "data"),
    ("feature", "features"),
    ("code", "code"),
    ("parameter", "parameters"),
    ("runtime", "runtime environment"),
    ("file", "files"),
)
_COUNTED = (("metric", "metric", "metrics"), ("slice", "slice metric", "slice metrics"))


def _counted(found: list[Difference], one: str, many: str) -> list[str]:
    """How many of some numbers are better, worse, or merely other."""
    parts = []
    for verdict, word in (("better", "better"), ("worse", "worse"), ("", "other")):
        count = sum(difference.verdict == verdict for difference in found)
        if count:
            parts.append(f"{count} {one if count == 1 else many} {word}")
    return parts


def code_words(code: CodeComparison) -> str:
    """Commits and files between two commits, counted."""
    commits = f"{code.commits} new commit{'' if code.commits == 1 else 's'}"
    back = f", {code.missing} left out" if code.missing else ""
    files = f"{code.all_files} file{'' if code.all_files == 1 else 's'} changed"
    return f"{commits}{back}, {files}"
