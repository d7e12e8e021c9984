"""A small MLflow file store that a test changes as a registry changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class Registry:
    """An `mlruns` folder with registered models; aliases and stages are files in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        experiment = path / "0"
        experiment.mkdir(parents=True)
        (experiment / "meta.yaml").write_text(
            "experiment_id: '0'\nname: e\nartifact_location: x\n"
        )

    def version(self, model: str, number: int, stage: str = "None") -> None:
        """Register a version, or move it to a stage."""
        folder = self.path / "models" / model / f"version-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / "meta.yaml").write_text(f"name: {model}\n")
        (folder / "meta.yaml").write_text(
            f"name: {model}\nversion: {number}\ncurrent_stage: {stage}\n"
            f"creation_timestamp: 1700000000000\n"
        )

    def point(self, model: str, aliases: Mapping[str, int]) -> None:
        """Let the aliases of a model be these and no others."""
        folder = self.path / "models" / model / "aliases"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for alias, number in aliases.items():
            (folder / alias).write_text(str(number))
