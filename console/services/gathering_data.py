"""Gathering what the rows of the datasets are like, as one item of evidence.

Profiles are taken as an import computed them from the bytes that it hashed, so that
whoever gathers again needs no access to the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.errors import MalformedStatement
from policies.evidence import LineageItem
from policies.evidence_data import DataCheck, DataItem, DataProfile
from policies.predicates.forms import read_declared
from policies.strict_json import Fields, parse
from store.queries.data import checks_of, profiles_of

if TYPE_CHECKING:
    import duckdb

_MOST_BYTES = 2 * 1024**2
"""Of all profiles together; one that no longer fits is left out, by digest."""
_MOST_CHECKS = 2_000
"""Of all together; failed ones are kept first, so leaving out never helps."""
_LONGEST_NAME = 256


def data_of(connection: duckdb.DuckDBPyConnection, lineage: LineageItem) -> DataItem:
    """What is known of each dataset version that the run read."""
    digests = sorted({use.digest for use in lineage.datasets if use.is_evidence})
    room, profiles = _MOST_BYTES, []
    for digest in digests:
        told = profiles_of(connection, digest)
        size = sum(len(text.encode()) for text in told)
        profile = _profile(digest, told) if size <= room else None
        if profile is not None:
            room -= size
            profiles.append(profile)
    return DataItem(tuple(profiles), _checks(connection, digests))


def _profile(digest: str, told: tuple[str, ...]) -> DataProfile | None:
    """The one profile there is; imports that differ, or tell none, leave it unknown."""
    if len(told) != 1:
        return None
    try:
        plain = parse(told[0].encode(), what="profile", at_most=_MOST_BYTES)
        given = Fields({"digest": digest} | plain, what="profile")
        return read_declared(DataProfile, given)
    except MalformedStatement:
        return None


def _checks(
    connection: duckdb.DuckDBPyConnection, digests: list[str]
) -> tuple[DataCheck, ...]:
    found = [
        DataCheck(digest, check.name, check.column, check.is_passed)
        for digest in digests
        for check in checks_of(connection, digest)
        if max(len(check.name), len(check.column)) <= _LONGEST_NAME
    ]
    found.sort(key=lambda c: (c.is_passed, c.digest, c.name, c.column))
    return tuple(found[:_MOST_CHECKS])
