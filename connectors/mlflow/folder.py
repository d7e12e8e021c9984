"""MLflow's old file store, `mlruns/`: one small file for everything logged."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from connectors.errors import ConnectorUnavailable, MalformedInput
from connectors.mlflow.rows import (
    DatasetInputRow,
    ExperimentRow,
    MetricRow,
    ModelRow,
    RunRow,
    VersionRow,
)
from connectors.mlflow.yaml_text import parse_mapping

_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
LARGEST_FILE_BYTES = 16 * 1024**2


class MlflowFolder:
    """One `mlruns` folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def experiments(self) -> Iterator[ExperimentRow]:
        """See MlflowReader."""
        for folder in self._experiment_folders():
            meta = _meta(folder)
            yield ExperimentRow(
                str(meta.get("experiment_id", folder.name)), str(meta.get("name", ""))
            )

    def runs(self) -> Iterator[RunRow]:
        """See MlflowReader."""
        for experiment in self._experiment_folders():
            for folder in _folders(experiment):
                if (folder / "meta.yaml").is_file() and (folder / "tags").is_dir():
                    yield _run(folder, experiment)

    def models(self) -> Iterator[ModelRow]:
        """See MlflowReader."""
        for folder in _folders(self._path / "models"):
            if (folder / "meta.yaml").is_file():
                meta = _meta(folder)
                yield ModelRow(
                    name=str(meta.get("name", folder.name)),
                    description=str(meta.get("description") or ""),
                    aliases={k: v.strip() for k, v in _texts(folder / "aliases")},
                    tags=dict(_texts(folder / "tags")),
                )

    def versions(self) -> Iterator[VersionRow]:
        """See MlflowReader."""
        for model in _folders(self._path / "models"):
            for folder in _folders(model):
                if not folder.name.startswith("version-"):
                    continue
                meta = _meta(folder)
                source = meta.get("storage_location") or meta.get("source") or ""
                is_deleted = meta.get("current_stage") == "Deleted_Internal"
                yield VersionRow(
                    name=str(meta.get("name", model.name)),
                    version=str(meta.get("version", folder.name[8:])),
                    created_ms=_integer(meta.get("creation_timestamp")),
                    status=str(meta.get("status", "")),
                    stage=str(meta.get("current_stage") or ""),
                    location="" if is_deleted else self._here(str(source)),
                    run_id=str(meta.get("run_id") or ""),
                    tags=dict(_texts(folder / "tags")),
                    is_deleted=is_deleted,
                )

    def _here(self, location: str) -> str:
        """A location as it is now, when the folder was moved since it was written."""
        parts = PurePosixPath(location.removeprefix("file://")).parts
        if ".." in parts or location.startswith(("models:", "runs:")):
            return location
        for start in range(1, len(parts) - 1):
            moved = self._path.joinpath(*parts[start:])
            if (self._path / parts[start] / "meta.yaml").is_file() and moved.is_dir():
                return str(moved.resolve())
        return location

    def _experiment_folders(self) -> Iterator[Path]:
        for top in (self._path, self._path / ".trash"):
            for folder in _folders(top):
                if folder.name != "models" and (folder / "meta.yaml").is_file():
                    yield folder


def is_mlruns(path: Path) -> bool:
    """Whether a folder looks like MLflow's file store."""
    return path.is_dir() and any(
        b"artifact_location:" in _beginning(folder / "meta.yaml")
        for folder in _folders(path)
    )


def _beginning(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(4096)
    except OSError:
        return b""


def _run(folder: Path, experiment: Path) -> RunRow:
    meta = _meta(folder)
    status = meta.get("status", "")
    return RunRow(
        id=str(meta.get("run_id", folder.name)),
        experiment_id=str(meta.get("experiment_id", experiment.name)),
        name=str(meta.get("run_name") or ""),
        user=str(meta.get("user_id") or ""),
        status=_STATUS.get(status, str(status)) if isinstance(status, int) else status,
        start_ms=_integer(meta.get("start_time")),
        end_ms=_integer(meta.get("end_time")),
        lifecycle=str(meta.get("lifecycle_stage") or ""),
        artifact_uri=str(meta.get("artifact_uri") or ""),
        params=_texts(folder / "params"),
        metrics=[_metric(name, text) for name, text in _texts(folder / "metrics")],
        tags=dict(_texts(folder / "tags")),
        inputs=[_input(i, experiment) for i in _folders(folder / "inputs")],
    )


def _metric(name: str, text: str) -> MetricRow:
    """The line with the largest step, time and value holds the latest value."""
    found = [_metric_line(name, line) for line in text.splitlines()]
    if not found:
        raise MalformedInput(f"metric {name!r} has no value")
    step, stamp, value = max(found, key=lambda at: (at[0], at[1], _rank(at[2])))
    return MetricRow(name, value, stamp, step)


def _metric_line(name: str, line: str) -> tuple[int, int, float]:
    parts = line.split(" ")
    try:
        step = int(parts[2]) if len(parts) > 2 else 0
        return step, int(parts[0]), float(parts[1])
    except (ValueError, IndexError) as cause:
        raise MalformedInput(
            f"metric {name!r} has an odd line: {line[:80]!r}"
        ) from cause


def _rank(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _input(folder: Path, experiment: Path) -> DatasetInputRow:
    meta = _meta(folder)
    dataset = _meta(experiment / "datasets" / str(meta.get("source_id", "")))
    tags = meta.get("tags") or {}
    context = tags.get("mlflow.data.context", "") if isinstance(tags, dict) else ""
    return DatasetInputRow(
        str(dataset.get("name", "")),
        str(dataset.get("digest", "")),
        str(dataset.get("source", "")),
        str(dataset.get("schema") or ""),
        str(context),
    )


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    try:
        return sorted(p for p in path.iterdir() if p.is_dir() and not p.is_symlink())
    except OSError as cause:
        raise _unreadable(path, cause) from cause


def _texts(folder: Path) -> list[tuple[str, str]]:
    """Files below a folder by their path in it: MLflow allows slashes in names."""

    def fail(cause: OSError) -> None:
        raise _unreadable(folder, cause) from cause

    if not folder.is_dir():
        return []
    files = [
        Path(place) / name
        for place, _, names in os.walk(folder, onerror=fail)
        for name in names
        if not (Path(place) / name).is_symlink()
    ]
    return [(_name(path, folder), _text(path)) for path in sorted(files)]


def _name(path: Path, folder: Path) -> str:
    relative = path.relative_to(folder).as_posix()
    return relative.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _unreadable(path: Path, cause: OSError) -> ConnectorUnavailable:
    return ConnectorUnavailable(f"cannot read {path}: {cause.strerror}")


def _text(path: Path) -> str:
    return _data(path).decode("utf-8", "replace")


def _data(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            data = stream.read(LARGEST_FILE_BYTES + 1)
    except OSError as cause:
        raise _unreadable(path, cause) from cause
    if len(data) > LARGEST_FILE_BYTES:
        raise MalformedInput(f"{path} is larger than {LARGEST_FILE_BYTES} bytes")
    return data


def _meta(folder: Path) -> dict[str, Any]:
    path = folder / "meta.yaml"
    return parse_mapping(_data(path), str(path)) if path.is_file() else {}


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) else None
