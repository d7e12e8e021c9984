"""Where a registry keeps what holds a stage: an alias of the model, or a legacy stage.

Both are put, taken away and read back in one way here, and compared in one form: the
name of an alias, or `stage:` and the stage's, which no alias can be called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.protocols import AliasWriter, StageWriter, TagWriter
from console.services.configuration import EnvironmentSetting
from store.identifiers import model_key, model_version_key, split_key
from store.queries.models import Alias

ARCHIVED = "Archived"
_STAGE = "stage:"


@dataclass(frozen=True, slots=True)
class Slot:
    """A named position in a registry."""

    name: str
    is_stage: bool = False

    @property
    def label(self) -> str:
        """How it is told and compared."""
        return f"{_STAGE}{self.name}" if self.is_stage else self.name


def slot_of(setting: EnvironmentSetting, stage: str) -> Slot:
    """Where an environment's registry keeps a stage."""
    if stage in setting.stages:
        return Slot(setting.stages[stage], is_stage=True)
    return Slot(setting.alias_of(stage))


def held(registry: AliasWriter, slot: Slot, model: str) -> str:
    """The version that is there now, several with commas between them, or empty.

    Raises:
        ConnectorError: the registry does not answer, or has no such position.
    """
    if slot.is_stage:
        return ", ".join(_staged(registry).versions_in(model, slot.name))
    return registry.read_alias(model, slot.name)


def put(registry: AliasWriter, slot: Slot, model: str, version: str) -> None:
    """Put a version there, alone.

    Raises:
        ConnectorError: it was not done, or not known whether.
    """
    if slot.is_stage:
        _staged(registry).set_stage(model, version, slot.name, is_alone=True)
    else:
        registry.set_alias(model, slot.name, version)


def take_out(registry: AliasWriter, slot: Slot, model: str) -> None:
    """Leave nothing there; what was in a legacy stage is archived.

    Raises:
        ConnectorError: it was not done, or not known whether.
    """
    if not slot.is_stage:
        registry.remove_alias(model, slot.name)
        return
    stages = _staged(registry)
    for version in stages.versions_in(model, slot.name):
        stages.set_stage(model, version, ARCHIVED)


def tag_version(
    registry: AliasWriter, model: str, version: str, name: str, text: str
) -> str:
    """Tag a version and read the tag back; what went wrong, or empty."""
    if not isinstance(registry, TagWriter):
        return "this registry has no tags"
    try:
        registry.set_version_tag(model, version, name, text)
        found = registry.read_version_tag(model, version, name)
    except ConnectorError as problem:
        return f"the tag {name} was not written: {problem}"
    return "" if found == text else f"the tag {name} reads {found[:80]!r}"


def pointed(stages: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """(model key, label of a legacy stage) -> model version key.

    Several versions in one stage are none that was ever approved together.
    """
    found: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for key, stage in sorted(stages.items()):
        source, model, version = split_key(key)[1]
        pair = (model_key(source, model), f"{_STAGE}{stage}")
        found.setdefault(pair, []).append((source, model, version))
    return {
        pair: model_version_key(*parts[0][:2], ", ".join(part[2] for part in parts))
        for pair, parts in found.items()
    }


def as_aliases(stages: Mapping[str, str]) -> list[Alias]:
    """Legacy stages as imports told them, in the form of aliases."""
    return [
        Alias(model, label, split_key(version)[1][-1], version, None, None)
        for (model, label), version in pointed(stages).items()
    ]


def _staged(registry: AliasWriter) -> StageWriter:
    if isinstance(registry, StageWriter):
        return registry
    raise ConnectorRefused(
        f"{registry.address} has no stages",
        hint="Map the stage to an alias in [environments.*] of countersign.toml.",
    )
