"""Links to data whose version was not told yet, and was told later.

A run's events may name a dataset before they name its version. Both links stay in the
log; once the version is known, the link without one says nothing any more.
"""

from __future__ import annotations

from store.facts import Relation

VERSIONLESS = "/none%3Aunversioned"
"""End of the key of a dataset version that nothing is known of."""
OF_DATA = (Relation.READ.value, Relation.WROTE.value)
"""Relations of runs to data."""
Link = tuple[str, str, str]
"""Subject, relation, object."""


def superseded_by(link: Link) -> Link | None:
    """The link without a version that says nothing any more beside this one."""
    subject, relation, target = link
    if relation not in OF_DATA or target.endswith(VERSIONLESS):
        return None
    return subject, relation, target.rpartition("/")[0] + VERSIONLESS


def superseding(links: str) -> str:
    """SQL for links without a version, each with the entry that first told a version.

    `links` is SQL for subject, name, object and entry.
    """
    relations = ", ".join(f"'{name}'" for name in OF_DATA)
    return (
        "SELECT bare.subject, bare.name, bare.object, min(told.entry) AS until FROM ("
        f"SELECT DISTINCT subject, name, object FROM ({links}) "
        f"WHERE name IN ({relations}) AND ends_with(object, '{VERSIONLESS}')) bare "
        f"JOIN ({links}) told ON told.subject = bare.subject AND told.name = bare.name "
        f"AND NOT ends_with(told.object, '{VERSIONLESS}') "
        f"AND regexp_replace(told.object, '/[^/]*$', '') || '{VERSIONLESS}' = "
        "bare.object GROUP BY ALL"
    )
