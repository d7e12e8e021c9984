"""What every source of facts has in common: a name, and a tally of what it read."""

from __future__ import annotations

from connectors.protocols import Tally


class NamedSource:
    """The part of FactSource that does not depend on what is read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tally = Tally()

    @property
    def name(self) -> str:
        """Its name in every key and reference."""
        return self._name

    @property
    def tally(self) -> Tally:
        """What was taken and what was refused; filled while `facts` is read."""
        return self._tally
