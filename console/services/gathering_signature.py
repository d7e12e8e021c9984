"""Gathering the signature that came with a model, as one item of evidence.

The file is taken as an import kept it and checked against the manifest, so that whoever
gathers again needs no access to the artifact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.services.opened import OpenStore
from policies.errors import MalformedStatement
from policies.evidence import ModelItem
from policies.evidence_signature import EnrolledSigner, ModelSignatureItem
from policies.model_signature import (
    MODEL_SIGNATURE_FILE,
    SignedModel,
    is_signed_by,
    read_model_signature,
    spelled,
)
from policies.trust_state import Signer
from store.objects import sha256_hex
from store.queries.models import model_signatures_of

if TYPE_CHECKING:
    import duckdb

_LONGEST_PROBLEM = 500
_MOST_NAMED = 100


def model_signature_of(
    connection: duckdb.DuckDBPyConnection, store: OpenStore, model: ModelItem
) -> ModelSignatureItem:
    """What a model's signature covers, and which enrolled keys made it."""
    files = {file.path: file.sha256 for file in model.files}
    registered = files.pop(MODEL_SIGNATURE_FILE, "")
    if not registered:
        return ModelSignatureItem()
    data = next(
        (
            text.encode()
            for text in model_signatures_of(connection, model.version_key)
            if sha256_hex(text.encode()) == registered
        ),
        b"",
    )
    if not data:
        problem = f"no import kept {MODEL_SIGNATURE_FILE} as it was registered"
        return ModelSignatureItem(is_there=True, problem=problem)
    try:
        signed = read_model_signature(data)
    except MalformedStatement as problem:
        return ModelSignatureItem(
            is_there=True, problem=str(problem)[:_LONGEST_PROBLEM]
        )
    return ModelSignatureItem(
        is_there=True,
        signed_sha256=signed.signed_sha256,
        signature=spelled(signed.signature),
        differing=_differing(files, signed),
        absent=tuple(sorted(signed.files.keys() - files.keys()))[:_MOST_NAMED],
        enrolled=_enrolled(store, signed),
    )


def _differing(files: dict[str, str], signed: SignedModel) -> tuple[str, ...]:
    return tuple(
        path for path in sorted(files) if signed.files.get(path) != files[path]
    )[:_MOST_NAMED]


def _enrolled(store: OpenStore, signed: SignedModel) -> tuple[EnrolledSigner, ...]:
    """Who, of those whose keys count now, made the signature."""
    state = store.state()
    owners: list[Signer] = [*state.people.values(), *state.services.values()]
    found = {
        EnrolledSigner(key.id, owner.id)
        for owner in owners
        for key in owner.keys
        if is_signed_by(key, signed.signed_sha256, signed.signature)
    }
    return tuple(sorted(found, key=lambda signer: (signer.key, signer.owner)))
