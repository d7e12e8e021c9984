"""The file with the signature over a model: kept as it is, and judged by others."""

from __future__ import annotations

from connectors.errors import ConnectorError
from connectors.protocols import ArtifactReader
from store.facts import Fact, FactKind
from store.identifiers import EntityKey
from store.manifest import MODEL_SIGNATURE_FILE

LARGEST_BYTES = 4 * 1024**2


def told_signature(key: EntityKey, artifacts: ArtifactReader, location: str) -> Fact:
    """The signature of a model version, or why it cannot be told."""
    try:
        data = artifacts.read(location, MODEL_SIGNATURE_FILE, at_most=LARGEST_BYTES)
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        problem = f"{MODEL_SIGNATURE_FILE} is not UTF-8"
    except ConnectorError as refused:
        problem = str(refused)
    else:
        return Fact(kind=FactKind.MODEL_SIGNATURE, subject=key, text=text)
    return Fact(
        kind=FactKind.VIOLATION,
        subject=key,
        name="model signature not readable",
        text=problem,
    )
