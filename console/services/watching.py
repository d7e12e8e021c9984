"""Registries and schedules against the log, again and again: each look asks anew.

Nothing is imported and nothing is written. A registry that does not answer leaves what
it said last, with the time at which it said so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.protocols import ShowsAliases, ShowsStages
from console.services.configuration import SourceSetting
from console.services.importing import last_seen
from console.services.opened import OpenStore
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.schedules import (
    ScheduleLine,
    has_schedules,
    list_schedules,
)
from console.services.problems import Misuse
from console.services.registry_slots import as_aliases, pointed
from console.services.secret_references import password_of
from console.services.standing import (
    UnapprovedChange,
    changes_among,
    governed_stages,
)
from store.errors import StoreUnavailable
from store.identifiers import split_key
from store.queries.models import (
    Alias,
    current_aliases,
    current_stages,
    model_sources,
)

Pointed = Mapping[tuple[str, str], str]
"""(model key, alias) -> model version key."""
YES, NO, UNKNOWN = 0, 1, 3


class ReadBy(StrEnum):
    """How the aliases that are compared came to be known."""

    LIVE = "live"
    """The registry was asked for them."""
    IMPORT = "import"
    """They are those of the last import."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One source whose aliases were held against the log."""

    source: str
    by: ReadBy
    at: datetime | None
    """When the aliases that are compared were read."""
    problem: str = ""
    """Why the registry could not be asked now, or empty."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    at: datetime
    exit_code: int
    """0 all as approved, 1 something is not, 3 could not tell."""
    compared: tuple[Compared, ...]
    unapproved_changes: tuple[UnapprovedChange, ...]
    problem: str = ""
    """Why the log itself could not be read on, or empty."""
    schedules: tuple[ScheduleLine, ...] = ()
    """Those that should not run as they do, and those whose place cannot be asked."""


@dataclass(slots=True)
class _Heard:
    """What a registry said last."""

    at: datetime
    aliases: Pointed


@dataclass(slots=True)
class Watch:
    """Looks at one store's registries; remembers what each said last."""

    store: OpenStore
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _heard: dict[str, _Heard] = field(default_factory=dict)
    _since: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    _last: Look | None = None

    def look(self) -> Look:
        """Ask every registry and hold what it says against the log.

        Raises:
            StoreError: the store is damaged; one that does not answer is told of.
        """
        try:
            self.store.catch_up_or_look_back()
            found = self._compared()
        except StoreUnavailable as problem:
            now = self.store.clock()
            before = self._last or Look(now, UNKNOWN, (), ())
            found = replace(before, at=now, exit_code=UNKNOWN, problem=str(problem))
        self._last = found
        return found

    def _compared(self) -> Look:
        store = self.store
        store.projection.catch_up()
        with store.projection.reading() as connection:
            imported = current_aliases(connection)
            imported += as_aliases(current_stages(connection))
            names = _watched(store, model_sources(connection))
        compared = tuple(self._ask(name) for name in names)
        now = store.clock()
        changes = tuple(changes_among(store, self._aliases(imported, names, now)))
        problem, schedules = _log_problem(store), _schedules(store)
        code = max(
            (_exit_code(changes, compared, problem), _exit_code_of(schedules)),
            key=(YES, UNKNOWN, NO).index,
        )
        return Look(now, code, compared, changes, problem, schedules)

    def _ask(self, source: str) -> Compared:
        """Ask one registry, or tell what is compared in its place."""
        problem = ""
        try:
            registry = _registry(self.store, source, self.environment)
            if registry is not None:
                self._hear(source, _everything_in(self.store, registry))
        except (ConnectorError, Misuse) as cause:
            problem = str(cause)
        heard = self._heard.get(source)
        if heard is not None:
            return Compared(source, ReadBy.LIVE, heard.at, problem)
        return Compared(source, ReadBy.IMPORT, last_seen(self.store, source), problem)

    def _hear(self, source: str, aliases: Pointed) -> None:
        """Keep what a registry said, and when each alias was first seen to move."""
        now, before = self.store.clock(), self._heard.get(source)
        for pair, version in aliases.items() if before else ():
            if before and before.aliases.get(pair) != version:
                self._since[(*pair, version)] = now
        self._heard[source] = _Heard(now, aliases)

    def _aliases(
        self, imported: list[Alias], names: list[str], now: datetime
    ) -> list[Alias]:
        """What registries said last, and imports where none ever answered."""
        known = {(alias.model, alias.name): alias for alias in imported}
        found = [a for a in imported if _source_of(a.model) not in self._heard]
        for source in names:
            heard = self._heard.get(source)
            for (model, name), version in heard.aliases.items() if heard else ():
                found.append(self._alias(model, name, version, known, now))
        seen = {(a.model, a.name, a.version_key) for a in found}
        self._since = {key: at for key, at in self._since.items() if key in seen}
        return found

    def _alias(
        self,
        model: str,
        name: str,
        version: str,
        known: Mapping[tuple[str, str], Alias],
        now: datetime,
    ) -> Alias:
        """An alias as a registry says it, since it was first seen so."""
        imported, since = known.get((model, name)), (model, name, version)
        is_seen_moving = since in self._since
        if imported and imported.version_key == version and not is_seen_moving:
            return imported
        moved = self._since.setdefault(since, now)
        return Alias(model, name, split_key(version)[1][-1], version, None, moved)


def _everything_in(store: OpenStore, registry: ShowsAliases) -> Pointed:
    """What a registry's aliases point at, and its legacy stages where any counts."""
    found = registry.aliases_now()
    settings = store.configuration.environments.values()
    is_staged = any(setting.stages for setting in settings)
    if is_staged and isinstance(registry, ShowsStages):
        found |= pointed(registry.stages_now())
    return found


def _watched(store: OpenStore, known: list[str]) -> list[str]:
    """Sources that environments name; all with models where one names none."""
    settings = store.configuration.environments.values()
    named = {setting.source for setting in settings}
    everything = set(known) if not named or "" in named else set()
    return sorted((named - {""}) | everything)


def _registry(
    store: OpenStore, source: str, environment: Mapping[str, str]
) -> ShowsAliases | None:
    """The registry of a source, if this machine knows one that can be asked.

    Raises:
        ConnectorError: what is known of it cannot be opened.
        Misuse: the password that it is to be read with is not there.
    """
    from connectors.opening import open_sources

    setting = store.sources().get(source) or _of_environment(store, source)
    if setting is None:
        return None
    opened = open_sources(
        setting.address,
        name=source,
        environment=environment,
        password=password_of(setting, environment),
    )
    found = next((one for one in opened if one.name == source), None)
    if found is None:
        raise ConnectorUnavailable(f"{setting.address} holds no {source} now")
    return found if isinstance(found, ShowsAliases) else None


def _of_environment(store: OpenStore, source: str) -> SourceSetting | None:
    for setting in store.configuration.environments.values():
        if setting.source == source and setting.registry:
            return SourceSetting(setting.registry)
    return None


def _log_problem(store: OpenStore) -> str:
    if not store.is_answering:
        return f"{store.address} does not answer; the log may have grown"
    if not governed_stages(store) and not has_schedules(store):
        return "no policy in force names a stage, so nothing can be compared"
    return ""


def _schedules(store: OpenStore) -> tuple[ScheduleLine, ...]:
    """Schedules that somebody should look at."""
    found = (
        list_schedules(store, launcher_of_all(store)) if has_schedules(store) else []
    )
    return tuple(line for line in found if line.is_objected_to or line.problem)


def _exit_code_of(schedules: tuple[ScheduleLine, ...]) -> int:
    """One that should not run is no; one that cannot be looked at may be."""
    if any(line.is_objected_to for line in schedules):
        return NO
    return UNKNOWN if schedules else YES


def _exit_code(
    changes: tuple[UnapprovedChange, ...],
    compared: tuple[Compared, ...],
    problem: str,
) -> int:
    """What is certain decides; a registry that is silent leaves the rest open."""
    silent = tuple(f"{one.source}/" for one in compared if one.problem)
    if not problem and any(not c.model.startswith(silent) for c in changes):
        return NO
    return UNKNOWN if problem or silent else YES


def _source_of(key: str) -> str:
    return split_key(key)[1][0]
