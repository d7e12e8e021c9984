"""YAML as MLflow writes it: safe types only, and no aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.errors import MalformedInput
from connectors.parsing import well_formed

if TYPE_CHECKING:
    import yaml

DEEPEST = 100
"""Levels of lists and mappings within each other."""


def parse_mapping(data: bytes, what: str) -> dict[str, Any]:
    """Parse a YAML mapping.

    Raises:
        MalformedInput: it is not YAML, no mapping, nested deeper than anybody writes,
            or uses aliases, which could expand a small file beyond memory.
    """
    import yaml

    try:
        with well_formed(what):
            document = yaml.load(data, Loader=_loader())  # noqa: S506 - a safe loader
    except yaml.YAMLError as cause:
        raise MalformedInput(f"{what} is not YAML") from cause
    if not isinstance(document, dict):
        raise MalformedInput(f"{what} is not a mapping")
    return document


def parse_mappings(data: bytes, what: str) -> list[dict[str, Any]]:
    """Parse the YAML mappings that follow one another in a file; see `parse_mapping`.

    Raises:
        MalformedInput: as there.
    """
    import yaml

    try:
        with well_formed(what):
            documents = list(yaml.load_all(data, Loader=_loader()))
    except yaml.YAMLError as cause:
        raise MalformedInput(f"{what} is not YAML") from cause
    if not documents or not all(isinstance(one, dict) for one in documents):
        raise MalformedInput(f"{what} is not a mapping")
    return documents


def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class Bounded(yaml.SafeLoader):
        """Refuses aliases, and endless nesting, where they stand."""

        depth = 0

        def compose_node(
            self, parent: yaml.Node | None, index: int
        ) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases are not read")
            if self.depth >= DEEPEST:
                raise yaml.YAMLError("it is nested too deeply")
            self.depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

    return Bounded
