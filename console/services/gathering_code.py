"""Gathering what the code of a version is: how its commits are signed.

Signatures are taken as the log first told of them, so that whoever gathers again needs
no access to the repository.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.services.commit_signatures import signature_uses
from policies.evidence import LineageItem
from policies.evidence_code import CodeItem

if TYPE_CHECKING:
    import duckdb

_MOST_COMMITS = 20
"""Whole commits that evidence keeps: those beyond count as not signed."""


def code_of(connection: duckdb.DuckDBPyConnection, lineage: LineageItem) -> CodeItem:
    """How each commit of a version is signed."""
    uses = signature_uses(connection, (commit.sha for commit in lineage.commits))
    return CodeItem(tuple(uses[sha] for sha in sorted(uses)[:_MOST_COMMITS]))
