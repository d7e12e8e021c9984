"""The identity of a set of files: one digest over every name with its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

MODEL_SIGNATURE_FILE = "model.sig"
"""Where a signed model keeps its signature."""


def manifest_digest(files: Iterable[tuple[str, str]]) -> str:
    """SHA-256 (hex) over the sorted (path, SHA-256 hex) pairs, as compact JSON.

    Names are bound together with contents, so renaming a file changes the identity.
    """
    pairs = sorted([path, digest] for path, digest in files)
    text = json.dumps(pairs, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
