"""The MLmodel file: its signature and how files are loaded, never the model itself."""

from __future__ import annotations

import json
from itertools import islice

from connectors.mlflow.yaml_text import parse_mapping

MOST_FLAVOURS = 50
LONGEST_NAME = 200


def read_signature(data: bytes) -> str:
    """The signature (inputs, outputs, params) as JSON, or empty if there is none.

    Raises:
        MalformedInput: the bytes are no MLmodel file.
    """
    signature = parse_mapping(data, "the MLmodel file").get("signature")
    return json.dumps(signature, sort_keys=True, default=str) if signature else ""


def read_formats(data: bytes) -> dict[str, str]:
    """How the MLmodel file says that files are loaded: path -> format, as told.

    Only what flavours load by unpickling, or say that they load in another way.

    Raises:
        MalformedInput: the bytes are no MLmodel file.
    """
    flavours = parse_mapping(data, "the MLmodel file").get("flavors")
    formats: dict[str, str] = {}
    for flavour in flavours.values() if isinstance(flavours, dict) else ():
        if not isinstance(flavour, dict):
            continue
        for name in _UNPICKLED:
            path = flavour.get(name)
            if isinstance(path, str) and path and not path.endswith(".py"):
                told = str(flavour.get("serialization_format", _PICKLE))
                formats[path] = "skops" if told == "skops" else _PICKLE
    return formats


def read_flavours(data: bytes) -> dict[str, str]:
    """The flavours that the MLmodel file tells, each with its library's version.

    Of `python_function`, which any Python loads, that is the version of Python.

    Raises:
        MalformedInput: the bytes are no MLmodel file.
    """
    flavours = parse_mapping(data, "the MLmodel file").get("flavors")
    if not isinstance(flavours, dict):
        return {}
    return {
        str(name)[:LONGEST_NAME]: _version_in(str(name), told)[:LONGEST_NAME]
        for name, told in islice(flavours.items(), MOST_FLAVOURS)
    }


def _version_in(flavour: str, told: object) -> str:
    """What a flavour says of its library: `sklearn_version`, else its only version."""
    if not isinstance(told, dict):
        return ""
    versions = {
        name: str(value)
        for name, value in told.items()
        if isinstance(name, str) and name.endswith("_version") and value is not None
    }
    named = "python" if flavour == "python_function" else flavour
    only = next(iter(versions.values())) if len(versions) == 1 else ""
    return versions.get(f"{named}_version", only)


_UNPICKLED = ("pickled_model", "python_model")
"""Fields of a flavour that name a file to unpickle; of a script they name its code."""
_PICKLE = "pickle"
