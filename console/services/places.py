"""Where this machine keeps things: projections, heads, anchors, keys, configuration."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of one person on one machine."""

    data: Path
    config: Path

    def of_store(self, origin: str) -> Path:
        """Folder for what this machine knows of one log."""
        return self.data / hashlib.sha256(origin.encode()).hexdigest()[:16]

    def of_address(self, address: str) -> Path:
        """File that names the log last found at the address of a store."""
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        return self.data / "addresses" / digest

    @property
    def keys(self) -> Path:
        """Folder of private keys."""
        return self.config / "keys"


def standard_places(environment: Mapping[str, str] = os.environ) -> Places:
    """By `$COUNTERSIGN_DATA`, `$COUNTERSIGN_HOME` and the XDG variables."""
    home = Path(environment.get("HOME", "~")).expanduser()
    own = environment.get("COUNTERSIGN_HOME")
    data_home = environment.get("XDG_DATA_HOME") or home / ".local" / "share"
    config_home = environment.get("XDG_CONFIG_HOME") or home / ".config"
    data = Path(own) / "data" if own else Path(data_home) / "countersign"
    config = Path(own) / "config" if own else Path(config_home) / "countersign"
    return Places(Path(environment.get("COUNTERSIGN_DATA") or data), config)
