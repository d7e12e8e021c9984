"""Pruning: folders of launches of this machine that ended long ago and are recorded.

Nothing is said in the log: what it knows stays, and the id starts nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from connectors.errors import ConnectorError
from connectors.pipelines.pruning import (
    REMOVED,
    Candidate,
    LaunchFolders,
    Prunable,
    prune_claim,
    prune_environment,
    remove,
    size_of,
    unused_environments,
)
from connectors.pipelines.virtual_environments import FOLDER as ENVIRONMENTS
from connectors.pipelines.virtual_environments import KeptEnvironments
from console.services.opened import OpenStore
from console.services.pipelines.launchers import FOLDER
from console.services.pipelines.run_facts import PLAN_TAG, pipeline_run_key
from store.queries.sql import fetch


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go, and what stays."""

    launches: tuple[Prunable, ...]
    environments: tuple[Prunable, ...]
    not_ended: tuple[str, ...]
    not_recorded: tuple[str, ...]
    """Launches that ended so long ago that they would go, if the log knew of them."""
    problems: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(one.size for one in (*self.launches, *self.environments))


def prune(store: OpenStore, older_than: timedelta, *, is_dry: bool) -> Pruned:
    """Make room; with `is_dry` only say what would go.

    A folder goes when its run has ended so long ago and the log knows what it was; an
    environment when no run was in it for so long.
    """
    before = datetime.now(UTC) - older_than
    folders, problems = LaunchFolders(store.folder / FOLDER), list[str]()
    recorded = _recorded(store)
    due: list[Candidate] = []
    not_recorded: list[Candidate] = []
    not_ended = []
    for candidate in folders.candidates():
        run = candidate.run
        if not run.state.is_final:
            not_ended.append(run.launch)
        elif candidate.ended < before:
            is_told = recorded.get(pipeline_run_key(run.launch)) == run.plan_digest
            (due if is_told else not_recorded).append(candidate)
    launches = []
    for one in due:
        size = sum(size_of(one.claim.folder / name) for name in REMOVED)
        if is_dry or _done(partial(prune_claim, one), problems):
            launches.append(Prunable(one.run.launch, one.ended, size))
    for path in () if is_dry else folders.left_aside(before):
        _done(partial(remove, path), problems)
    return Pruned(
        tuple(launches),
        tuple(_environments(store, folders, before, problems, is_dry=is_dry)),
        tuple(not_ended),
        tuple(one.run.launch for one in not_recorded),
        tuple(problems),
    )


def _environments(
    store: OpenStore,
    folders: LaunchFolders,
    before: datetime,
    problems: list[str],
    *,
    is_dry: bool,
) -> Iterator[Prunable]:
    """Prune the environments that nobody used for so long."""
    kept = KeptEnvironments(store.folder / ENVIRONMENTS)
    for unused in list(unused_environments(kept, folders.claims, before)):
        size = size_of(unused.folder)
        act = partial(prune_environment, kept, unused, folders.claims)
        if is_dry or _done(act, problems):
            yield Prunable(unused.folder.name, unused.used, size)


def _done(act: Callable[[], bool | None], problems: list[str]) -> bool:
    """Whether something was done; what kept it from being done is noted."""
    try:
        return act() is not False
    except ConnectorError as problem:
        problems.append(str(problem))
        return False


def _recorded(store: OpenStore) -> dict[str, str]:
    """Key of every run of a launch that the log knows of -> digest of its plan."""
    store.projection.catch_up()
    with store.projection.reading() as connection:
        found = fetch(
            connection, "SELECT subject, text FROM tag WHERE name = ?", PLAN_TAG
        )
    return {str(row["subject"]): str(row["text"]) for row in found}
