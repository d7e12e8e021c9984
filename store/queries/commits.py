"""What imports told of commits: who made them, and how they are signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from store.identifiers import split_key
from store.queries.presence import had_begun
from store.queries.sql import fetch, without_zone

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class ToldCommit:
    """A commit as one repository has it."""

    sha: str
    source: str
    repository: str
    subject: str
    identities: tuple[str, ...]
    """Author and committer, such as `git:ana@example.org`; once if they are one."""
    committed: datetime | None


@dataclass(frozen=True, slots=True)
class ToldSignature:
    """A signature in a commit, as one import read it."""

    sha: str
    form: str
    problem: str
    fingerprint: str
    whole: str
    """The commit in base64, or empty."""
    entry: int


def commits_told(
    connection: duckdb.DuckDBPyConnection,
    *,
    limit: int,
    sha: str = "",
    as_of: datetime | None = None,
) -> list[ToldCommit]:
    """Commits, newest first; or one, once a source and repository that has it. At
    `as_of` those made by then."""
    rows = fetch(
        connection,
        "SELECT digest, source, object, name, actor, started FROM commit "
        "WHERE ($1 = '' OR digest = $1) "
        f"AND {had_begun('started', '$3::TIMESTAMP')} "
        "ORDER BY started DESC NULLS LAST, digest, object, source LIMIT $2",
        sha,
        limit,
        without_zone(as_of),
    )
    return [
        ToldCommit(
            sha=row["digest"],
            source=row["source"],
            repository=split_key(row["object"])[1][0],
            subject=row["name"],
            identities=tuple(name for name in row["actor"].split(" ") if name),
            committed=row["started"],
        )
        for row in rows
    ]


def signatures_told(
    connection: duckdb.DuckDBPyConnection, shas: list[str]
) -> list[ToldSignature]:
    """Signatures of commits; those that can be verified first, then the oldest."""
    rows = fetch(
        connection,
        "SELECT subject, name, status, actor, whole, min(entry_index) AS entry FROM "
        "(SELECT *, coalesce(text, '') AS whole FROM commit_signature "
        "WHERE subject IN (SELECT 'commit:' || unnest($1))) "
        "GROUP BY subject, name, status, actor, whole "
        "ORDER BY subject, (whole = ''), entry, whole, name, status",
        shas,
    )
    return [
        ToldSignature(
            sha=split_key(row["subject"])[1][0],
            form=row["name"],
            problem=row["status"] or "",
            fingerprint=row["actor"] or "",
            whole=row["whole"],
            entry=int(row["entry"]),
        )
        for row in rows
    ]
