"""Links to data whose version was not told yet, and was told later.

A run's events may name a dataset before they name its version. Both links stay in the
log; once the version is known, the link without one says nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from store.queries.sql import fetch

if TYPE_CHECKING:
    import duckdb

_VERSIONLESS = "/none%3Aunversioned"
"""End of the key of a dataset version that nothing is known of."""


def superseded_links(
    connection: duckdb.DuckDBPyConnection, links: Iterable[tuple[str, str]]
) -> set[tuple[str, str, str]]:
    """Those links (subject, relation, object) that a version told later makes empty.

    `links` are subjects and objects of links of any kind.
    """
    runs = sorted({s for s, target in links if target.endswith(_VERSIONLESS)})
    if not runs:
        return set()
    rows = fetch(
        connection,
        "SELECT DISTINCT subject, name, object FROM edge "
        "WHERE subject IN (SELECT unnest($1)) AND name IN ('read', 'wrote')",
        runs,
    )
    found = {(row["subject"], row["name"], row["object"]) for row in rows}
    versioned = {
        (subject, relation, target.rpartition("/")[0])
        for subject, relation, target in found
        if not target.endswith(_VERSIONLESS)
    }
    return {
        (subject, relation, target)
        for subject, relation, target in found
        if target.endswith(_VERSIONLESS)
        and (subject, relation, target.removesuffix(_VERSIONLESS)) in versioned
    }
