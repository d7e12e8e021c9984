"""The MLmodel file: its signature and how files are loaded, never the model itself."""

from __future__ import annotations

import json

from connectors.mlflow.yaml_text import parse_mapping


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


_UNPICKLED = ("pickled_model", "python_model")
"""Fields of a flavour that name a file to unpickle; of a script they name its code."""
_PICKLE = "pickle"
