"""What the connector tests share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from connectors.protocols import FactSource, KnownState
from store.facts import Fact, FactKind

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def told_by(source: FactSource) -> list[Fact]:
    """Everything a source tells, when nothing is known yet."""
    return list(source.facts(KnownState(NOW)))


def of_kind(facts: Iterable[Fact], kind: FactKind) -> list[Fact]:
    """The facts of one kind."""
    return [fact for fact in facts if fact.kind == kind]
