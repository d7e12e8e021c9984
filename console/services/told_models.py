"""What a version's MLmodel file and its files tell a person, in a few short lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from policies.evidence import FileDigest

_PYTHON = "python_function"
_ENVIRONMENT = ("conda.yaml", "python_env.yaml", "requirements.txt")
_MOST_COLUMNS = 8


def told_of_model(
    flavours: Iterable[tuple[str, str]], signature: str, files: Sequence[FileDigest]
) -> dict[str, str]:
    """Flavours, Python, inputs, outputs, parameters, environment and size, if told."""
    versions = dict(flavours)
    columns = _columns(signature)
    environment = [f.path for f in files if f.path in _ENVIRONMENT]
    size = sum(file.size for file in files)
    return {
        "flavours": ", ".join(
            name if name == _PYTHON else f"{name} {version}".strip()
            for name, version in sorted(versions.items())
        ),
        "python": versions.get(_PYTHON, ""),
        "inputs": columns.get("inputs", ""),
        "outputs": columns.get("outputs", ""),
        "inference parameters": columns.get("params", ""),
        "environment": ", ".join(environment),
        "size": f"{_counted(size, 'byte')} in {_counted(len(files), 'file')}"
        if files
        else "",
    }


def _columns(signature: str) -> dict[str, str]:
    """Each side of a signature in words; what is in no known form is left out."""
    try:
        told = json.loads(signature or "{}")
        return {
            side: _in_words(json.loads(value) if isinstance(value, str) else value)
            for side, value in told.items()
            if value
        }
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _in_words(columns: Any) -> str:
    words = [_column(column) for column in columns[:_MOST_COLUMNS]]
    more = len(columns) - _MOST_COLUMNS
    listed = ", ".join(words)
    return f"{listed} and {more} more" if more > 0 else listed


def _column(column: Any) -> str:
    kind = str(column.get("type", ""))
    tensor = column.get("tensor-spec")
    if isinstance(tensor, dict):
        shape = ", ".join(str(size) for size in tensor.get("shape", ()))
        kind = f"{tensor.get('dtype', '')}[{shape}]"
    name = column.get("name")
    optional = "" if column.get("required", True) else " (optional)"
    return (f"{name}: {kind}" if name else kind) + optional


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
