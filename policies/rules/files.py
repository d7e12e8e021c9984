"""The rule about the files that a model consists of: their formats and their sizes.

Only the manifest is judged. A file whose name leaves its format open is unknown, since
to find out would mean opening what may run code when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policies.document import FieldValue, Rule
from policies.evidence import Evidence, FileDigest
from policies.rules.file_formats import FORMATS, possible_formats
from policies.rules.forms import RuleKind, count, words
from policies.verdict import Node, Verdict

_ORDER = (Verdict.NO, Verdict.UNKNOWN, Verdict.YES)
_MOST_NAMED = 5


def judge_files(rule: Rule, evidence: Evidence) -> Node:
    """No file is of a forbidden format, of one not allowed, or too large."""
    files = sorted(evidence.model.files, key=lambda file: file.path)
    if not files:
        return Node(
            rule.id,
            Verdict.UNKNOWN,
            "no file of the model was read",
            _asked(rule),
            rule.why,
        )
    children = tuple(
        _judged(rule, wanted, files, judge) for wanted, judge in _demands(rule)
    )
    verdict = min((c.verdict for c in children), key=_ORDER.index)
    return Node(rule.id, verdict, "", "", rule.why, children=children)


def _demands(rule: Rule) -> list[tuple[str, Callable[[FileDigest], Verdict]]]:
    forbidden, allowed = set(rule.names("forbid")), set(rule.names("allow"))
    largest = rule.count("largest_bytes")
    demands: list[tuple[str, Callable[[FileDigest], Verdict]]] = []
    if forbidden:
        demands.append((_forbid(rule), lambda file: _is_free_of(file, forbidden)))
    if allowed:
        demands.append((_allow(rule), lambda file: _is_within(file, allowed)))
    if largest:
        demands.append(
            (
                f"no file of more than {largest} bytes",
                lambda file: Verdict.YES if file.size <= largest else Verdict.NO,
            )
        )
    return demands


def _judged(
    rule: Rule,
    wanted: str,
    files: list[FileDigest],
    judge: Callable[[FileDigest], Verdict],
) -> Node:
    found = {file.path: judge(file) for file in files}
    verdict = min(found.values(), key=_ORDER.index)
    if verdict is Verdict.YES:
        observed, why = f"{len(files)} files, each one within it", rule.why
    else:
        observed = _named([path for path, judged in found.items() if judged is verdict])
        why = rule.why
    if verdict is Verdict.UNKNOWN:
        observed += ": the name leaves the format open"
        why = why or "Name the file for its format, and register the model anew."
    return Node(f"{rule.id}: {wanted}", verdict, observed, wanted, why)


def _is_free_of(file: FileDigest, forbidden: set[str]) -> Verdict:
    possible = _possible(file)
    if not possible:
        return Verdict.UNKNOWN
    if possible <= forbidden:
        return Verdict.NO
    return Verdict.UNKNOWN if possible & forbidden else Verdict.YES


def _is_within(file: FileDigest, allowed: set[str]) -> Verdict:
    possible = _possible(file)
    if not possible:
        return Verdict.UNKNOWN
    if possible <= allowed:
        return Verdict.YES
    return Verdict.UNKNOWN if possible & allowed else Verdict.NO


def _possible(file: FileDigest) -> frozenset[str]:
    """What the file may be: as it is loaded, if that is told, else by its name."""
    if file.format in FORMATS:
        return frozenset((file.format,))
    return possible_formats(file.path)


def _named(paths: list[str]) -> str:
    more = len(paths) - _MOST_NAMED
    return ", ".join(paths[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _forbid(rule: Rule) -> str:
    return f"no file of the format {' or '.join(rule.names('forbid'))}"


def _allow(rule: Rule) -> str:
    return f"only files of the format {' or '.join(rule.names('allow'))}"


def _asked(rule: Rule) -> str:
    return "; ".join(wanted for wanted, _ in _demands(rule))


def _complaint(fields: Mapping[str, FieldValue]) -> str:
    if not fields:
        return "a rule of kind 'files' says forbid, allow or largest_bytes"
    forbid, allow = fields.get("forbid", ()), fields.get("allow", ())
    both = sorted(
        set(forbid if isinstance(forbid, tuple) else ())
        & set(allow if isinstance(allow, tuple) else ())
    )
    return f"{both[0]!r} is both forbidden and allowed" if both else ""


KINDS = (
    RuleKind(
        "files",
        {
            "forbid": words(*FORMATS),
            "allow": words(*FORMATS),
            "largest_bytes": count(),
        },
        _asked,
        on_evidence=judge_files,
        complaint=_complaint,
    ),
)
"""The kind of rule that this module judges."""
