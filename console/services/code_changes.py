"""What lies between two commits, from a repository that this machine can read now.

The repository is looked for where the commit was imported from. What it says is held to
the commits' ids; where it cannot be read, that is an answer too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from connectors.protocols import CodeComparison, ComparesCode
from console.services.opened import OpenStore
from policies.evidence import IncumbentItem, LineageItem
from policies.evidence_code import ChangedFile, CodeChangesItem
from store.queries.commits import commits_told

if TYPE_CHECKING:
    import duckdb

MOST_FROZEN = 500
"""Changed files that evidence keeps."""
_LONGEST_PATH = 500
_MOST_PLACES = 5


def compare_code(store: OpenStore, before: str, after: str) -> CodeComparison:
    """Compare two commits by their full ids.

    Raises:
        ConnectorError: no repository that this machine knows has both.
    """
    with store.projection.reading() as connection:
        return _compared(connection, store, before, after)


def code_changes_of(
    connection: duckdb.DuckDBPyConnection,
    store: OpenStore,
    incumbent: IncumbentItem,
    lineage: LineageItem,
) -> CodeChangesItem:
    """What changed since the version now in the stage, as evidence.

    Only where both came of one commit each, and the repository can be read.
    """
    shas = [
        {c.sha for c in commits} for commits in (incumbent.commits, lineage.commits)
    ]
    if any(len(found) != 1 for found in shas):
        return CodeChangesItem()
    before, after = (found.pop() for found in shas)
    if before == after:
        return CodeChangesItem(is_readable=True, before=before, after=after)
    try:
        compared = _compared(connection, store, before, after)
    except ConnectorError:
        return CodeChangesItem(before=before, after=after)
    files = tuple(
        ChangedFile(file.path[:_LONGEST_PATH], file.before, file.after)
        for file in compared.files
    )
    return CodeChangesItem(
        is_readable=True,
        before=before,
        after=after,
        commits=compared.commits,
        missing=compared.missing,
        files=files[:MOST_FROZEN],
        all_files=compared.all_files,
    )


def _compared(
    connection: duckdb.DuckDBPyConnection, store: OpenStore, before: str, after: str
) -> CodeComparison:
    told = commits_told(connection, sha=after, limit=_MOST_PLACES)
    if not told:
        raise ConnectorRefused(
            f"commit {after[:12]} is in no repository that was imported",
            hint="Import it: countersign import REPOSITORY",
        )
    problem: ConnectorError | None = None
    for source in dict.fromkeys(one.source for one in told):
        for repository in _repositories(store, source):
            try:
                return repository.compare(before, after)
            except ConnectorError as cause:
                problem = cause
    raise problem or ConnectorUnavailable(
        f"the repository of {after[:12]} is not where this machine read it",
        hint="Import it from where it is now: countersign import REPOSITORY",
    )


def _repositories(store: OpenStore, source: str) -> list[ComparesCode]:
    from connectors.opening import open_sources

    setting = store.sources().get(source)
    if setting is None:
        return []
    try:
        return [
            found
            for found in open_sources(setting.address)
            if isinstance(found, ComparesCode)
        ]
    except ConnectorError:
        return []
