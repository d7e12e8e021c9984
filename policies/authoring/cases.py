"""Cases beside a policy: facts in, verdicts out. TOML, closed and typed like policies.

Every case starts from a well recorded version that everybody approved, as the table
`[good]` adjusts it, and overrides what it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policies.commit_signers import Signed
from policies.evidence import Evidence
from policies.rules.context import Context
from policies.rules.forms import Field, flag, text, time, words
from policies.rules.people import Vote
from policies.rules.waiving import WaiverVote
from policies.table_reading import TableReader, read_toml
from policies.verdict import Verdict

SCHEMA = "countersign/policy-cases/v1"
LARGEST_CASES_BYTES = 1024**2
DEFAULT_TIME = "2030-01-01T12:00:00Z"
PARTS = ("schema", "policy", "good", "cases")
FACT_FIELDS: dict[str, Field] = {
    "evaluated_on": text(),
    "empty_stage": flag(),
    "without": words(),
    "unrecorded": words(),
    "at": time(),
    "no_record": flag(),
    "observed_until": time(),
    "commits_signed": text(*Signed),
    "commits_signed_by": text(),
}
"""Fields of `[good]` and of a case that are no tables."""
FACT_TABLES = (
    *("metrics", "samples", "incumbent", "evidence", "context"),
    *("record", "observed", "beside"),
)
"""Tables of `[good]` and of a case."""
FINDINGS = "findings"
"""Open findings: many tables of `[good]` or of a case."""
CASE_FIELDS: dict[str, Field] = {
    "name": text(needed=True),
    "verdict": text(*Verdict, needed=True),
}
WAIVED = "rules"
"""What a waiver names, beside the fields of a vote."""
SIGNED = "signed"
"""A vote may say when it was signed; the policy then says when it lapses."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what is given, and what must come out."""

    name: str
    line: int
    evidence: Evidence
    votes: tuple[Vote, ...]
    context: Context
    verdict: Verdict
    waivers: tuple[WaiverVote, ...]
    rules: Mapping[str, Verdict]
    """Verdicts by name; every rule that is not named must be met."""


@dataclass(frozen=True, slots=True)
class CasesFile:
    """A file of cases, opened: which policy it is about, and what else it says."""

    policy: str
    """Path beside the file."""
    raw: Mapping[str, object]
    tables: TableReader
    document: str


def open_cases(data: bytes, *, path: str = "cases") -> CasesFile:
    """Open a file of cases.

    Raises:
        MalformedPolicy: it is none.
    """
    raw, document = read_toml(
        data, path=path, at_most=LARGEST_CASES_BYTES, what="a file of cases"
    )
    tables = TableReader(document, path)
    tables.known(raw, PARTS, tables.everywhere)
    if raw.get("schema") != SCHEMA:
        tables.refuse(f'schema must be "{SCHEMA}"', "schema", tables.everywhere)
    policy = tables.text(raw, "policy", tables.everywhere)
    if not tables.tables(raw, "cases"):
        tables.refuse("it has no [[cases]]", "", tables.everywhere)
    return CasesFile(policy, raw, tables, document)
