"""The MLmodel file: only its signature is read, never the model itself."""

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
