"""Whether something was there at a past moment: the one rule for things and links.

A thing is there from when it began: a run from its start, a commit from its time, a
version from its creation. What never says when it began may always have been there. A
link is a fact about one run and is there from that run's start; a link that is no run's
(a deployment that serves a version) says nothing of when, and may always have been.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from store.facts import FactKind, Relation
from store.queries.sql import latest


class Certainty(StrEnum):
    """How sure it is that something was so at a moment."""

    CERTAIN = "certain"
    """It was seen to be so before and after, or its source says from when on."""
    POSSIBLE = "possible"
    """Nothing that was seen says otherwise; nobody looked then."""
    UNOBSERVED = "unobserved"
    """One thing was seen before and another after: either, or a third, held then."""


def presence(
    began: datetime | None, ended: datetime | None, as_of: datetime
) -> Certainty | None:
    """Whether what began and ended so was there, or had been; None if not yet."""
    if began is not None:
        return Certainty.CERTAIN if began <= as_of else None
    if ended is not None and ended <= as_of:
        return Certainty.CERTAIN
    return Certainty.POSSIBLE


def had_begun(began: str, as_of: str) -> str:
    """SQL for `presence(...) is not None`; no moment asks for everything.

    Both are SQL: a time that may be null, and the moment, null for none.
    """
    return f"({as_of} IS NULL OR {began} IS NULL OR {began} <= {as_of})"


RUN_OF_EDGE = (
    f"(CASE WHEN name = '{Relation.CONTAINS.value}' THEN object "
    f"WHEN name <> '{Relation.SERVES.value}' THEN subject END)"
)
"""SQL over an edge for the key of the run that it is a fact about; null for none.

That a run is contained in another is a fact about the one inside.
"""


def run_of_edge(subject: str, relation: str, target: str) -> str:
    """`RUN_OF_EDGE` of one link: the key of a run, or empty."""
    if relation == Relation.CONTAINS.value:
        return target
    return "" if relation == Relation.SERVES.value else subject


_IS_TRACKED = "starts_with(object, 'experiment:')"
_ACCOUNT_FIRST = (
    f"{_IS_TRACKED} DESC, "
    f"(NOT {_IS_TRACKED} AND status <> 'RUNNING') DESC, "
    f"CASE WHEN NOT {_IS_TRACKED} THEN ended END DESC NULLS LAST, "
    f"CASE WHEN NOT {_IS_TRACKED} THEN status END"
)
"""A tracking server's own account of a run goes before one that events add up to; of
those, the one that saw the run end last, and of two ends at once the worse."""


def accounts_of_runs(among: str = "") -> str:
    """SQL for the account of each run that holds, one row a run.

    A tracking server's account replaces the one that it told before. Events are told in
    any order and in any parts, so what they say adds up: the earliest start, the last
    end, the first of the jobs. `among` is a condition on `subject` and `object`.
    """
    parts = f"WHERE NOT {_IS_TRACKED}" + (f" AND {among}" if among else "")
    added_up = (
        "SELECT subject AS parted, min(started) AS began, "
        "min(struct_pack(object := object, name := name)) AS job "
        f"FROM run {parts} GROUP BY subject HAVING count(*) > 1"
    )
    one = f"({_IS_TRACKED} OR parted IS NULL)"
    return (
        "(SELECT held.* REPLACE ("
        f"CASE WHEN {one} THEN started ELSE coalesce(began, started) END AS started, "
        f"CASE WHEN {one} THEN object ELSE job.object END AS object, "
        f"CASE WHEN {one} THEN name ELSE job.name END AS name) "
        f"FROM {latest(FactKind.RUN, prefer=_ACCOUNT_FIRST, among=among)} "
        f"held LEFT JOIN ({added_up}) ON parted = subject)"
    )
