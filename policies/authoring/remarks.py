"""What lint says about a policy: where, how serious, what, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from policies.document import Policy
from policies.table_reading import TableReader


class Severity(StrEnum):
    """How serious it is."""

    MALFORMED = "malformed"
    """It is no policy."""
    PROBLEM = "problem"
    """It will not do what it says."""
    REMARK = "remark"
    """It may be meant so."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about one line of a policy."""

    path: str
    line: int
    severity: Severity
    text: str
    suggestion: str = ""


class Linted:
    """A policy with its text, which knows where each of its parts stands."""

    def __init__(self, policy: Policy, document: str, path: str) -> None:
        self.policy, self.path = policy, path
        self._tables = TableReader(document, path)

    def at_rule(
        self, number: int, field: str, severity: Severity, text: str, suggestion: str
    ) -> Remark:
        """A remark on the field of a rule, counted from 0."""
        span = self._tables.span("[[rules]]", number)
        line = self._tables.line_of(field, span)
        named = f"{self.policy.rules[number].id}: {text}"
        return Remark(self.path, line, severity, named, suggestion)

    def at_quorum(
        self, number: int, field: str, severity: Severity, text: str, suggestion: str
    ) -> Remark:
        """A remark on the field of a quorum, counted from 0."""
        span = self._tables.span("[[approvals]]", number)
        line = self._tables.line_of(field, span)
        return Remark(self.path, line, severity, text, suggestion)

    def at_part(
        self, field: str, severity: Severity, text: str, suggestion: str
    ) -> Remark:
        """A remark on a field, or a table, of the document itself."""
        line = self._tables.line_of(field, self._tables.everywhere)
        return Remark(self.path, line, severity, text, suggestion)
