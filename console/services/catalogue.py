"""Lists of things: models, versions, runs, experiments, datasets, commits, aliases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from console.services.moments import NOW, Asked
from console.services.opened import OpenStore
from store.queries.data import DatasetVersion, list_dataset_versions
from store.queries.models import (
    Alias,
    Model,
    ModelVersion,
    current_aliases,
    list_models,
    list_versions,
)
from store.queries.runs import (
    Experiment,
    Run,
    list_experiments,
    list_runs,
)

if TYPE_CHECKING:
    from console.services.commit_signatures import Maker

_SHORT = {
    "none": "no",
    "stranger": "unknown key",
    "unverifiable": "not verified",
    "lost": "lost key",
    "bad": "BADLY",
    "service": "a service",
}
"""How a commit is signed where no person's key counts, for a table."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that a known repository has."""

    sha: str
    repository: str
    subject: str
    authors: str
    committed: datetime | None
    makers: tuple[Maker, ...]
    """Author and committer, and who they are by the trust root."""
    signed: str
    """How it is signed: `person`, `stranger`, `none` and so on."""
    signed_by: str
    """Printed name of the person whose key signed it, or empty."""
    key: str
    """Fingerprint of that key, or empty."""

    @property
    def signed_in_short(self) -> str:
        """By whom it is signed, or why nobody counts."""
        by = self.signed_by if self.signed == "person" else ""
        return by or _SHORT.get(self.signed, self.signed)


def caught_up(store: OpenStore) -> None:
    """Bring the projection to the end of the log."""
    store.projection.catch_up()


def models(store: OpenStore, asked: Asked = NOW) -> list[Model]:
    """All registered models."""
    caught_up(store)
    with store.projection.reading(asked.known_at) as connection:
        return list_models(connection, as_of=asked.as_of)


def versions(store: OpenStore, model_key: str = "") -> list[ModelVersion]:
    """Versions of a model, or all."""
    caught_up(store)
    with store.projection.reading() as connection:
        return list_versions(connection, model_key=model_key)


def runs(store: OpenStore, *, limit: int, asked: Asked = NOW) -> list[Run]:
    """Runs, newest first."""
    caught_up(store)
    with store.projection.reading(asked.known_at) as connection:
        return list_runs(connection, limit=limit, as_of=asked.as_of)


def experiments(store: OpenStore, asked: Asked = NOW) -> list[Experiment]:
    """All experiments."""
    caught_up(store)
    with store.projection.reading(asked.known_at) as connection:
        return list_experiments(connection, as_of=asked.as_of)


def datasets(store: OpenStore, asked: Asked = NOW) -> list[DatasetVersion]:
    """Dataset versions by name, with how many runs read each; at a past moment those
    that had been made, or may have been, and the runs that had begun."""
    caught_up(store)
    with store.projection.reading(asked.known_at) as connection:
        return list_dataset_versions(connection, as_of=asked.as_of)


def commits(store: OpenStore, *, limit: int, asked: Asked = NOW) -> list[Commit]:
    """Known commits, newest first, with who made and signed them."""
    from console.services.commit_signatures import catalogued

    caught_up(store)
    with store.projection.reading(asked.known_at) as connection:
        return [
            Commit(
                told.sha,
                told.repository,
                told.subject,
                " ".join(told.identities),
                told.committed,
                origin.makers,
                origin.signer.signed.value,
                origin.signed_by,
                origin.signer.fingerprint,
            )
            for told, origin in catalogued(connection, store, limit, as_of=asked.as_of)
        ]


def aliases(store: OpenStore, as_of: datetime | None = None) -> list[Alias]:
    """Aliases in force, now or at a past time."""
    caught_up(store)
    with store.projection.reading() as connection:
        return current_aliases(connection, as_of=as_of)
