"""Signatures of models by the OpenSSF's format: a Sigstore bundle, signed with a key.

Read strictly and verified without a network: a DSSE envelope over an in-toto statement
that lists every file with its SHA-256. Only ECDSA P-256 keys and lists of whole files.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from policies.dsse import PAYLOAD_TYPE, canonical_base64, pre_authentication_encoding
from policies.errors import MalformedStatement
from policies.keys import PublicKey, public_key
from policies.strict_json import Fields, parse
from store.manifest import MODEL_SIGNATURE_FILE as MODEL_SIGNATURE_FILE

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
LARGEST_BYTES = 4 * 1024**2
MOST_FILES = 10_000


@dataclass(frozen=True, slots=True)
class SignedModel:
    """What a signature says, before anybody knows whose it is."""

    files: Mapping[str, str]
    """Path -> SHA-256, as signed."""
    signed_sha256: str
    """SHA-256 of the bytes that the signature covers."""
    signature: bytes


def read_model_signature(data: bytes) -> SignedModel:
    """Read a signature of a model; it is not verified yet.

    Raises:
        MalformedStatement: it is none, is not signed with a key, or lists shards.
    """
    bundle = _fields(data, "the model's signature")
    if bundle.text("mediaType", 128) != BUNDLE_TYPE:
        raise MalformedStatement("the model's signature is no Sigstore bundle 0.3")
    if not bundle.object("verificationMaterial").has("publicKey"):
        raise MalformedStatement(
            "the model's signature is by a certificate, not by a key",
            hint="Sign with a key: model_signing sign key",
        )
    envelope = bundle.object("dsseEnvelope")
    if envelope.text("payloadType", 128) != PAYLOAD_TYPE:
        raise MalformedStatement("the model's signature is over no in-toto statement")
    signatures = envelope.objects("signatures")
    if len(signatures) != 1:
        raise MalformedStatement("a model has exactly one signature in its file")
    payload = canonical_base64(envelope.text("payload", LARGEST_BYTES))
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    return SignedModel(
        files=_signed_files(payload),
        signed_sha256=hashlib.sha256(signed).hexdigest(),
        signature=canonical_base64(signatures[0].text("sig", 1024)),
    )


def _signed_files(payload: bytes) -> dict[str, str]:
    statement = _fields(payload, "the model's statement")
    if statement.text("_type", 128) != STATEMENT_TYPE:
        raise MalformedStatement("the model's statement is no in-toto statement")
    if statement.text("predicateType", 128) != PREDICATE_TYPE:
        raise MalformedStatement("the model's statement is of another kind")
    predicate = statement.object("predicate")
    way = predicate.object("serialization")
    if (way.text("method", 64), way.text("hash_type", 64)) != ("files", "sha256"):
        raise MalformedStatement(
            "the model was not signed by the SHA-256 of whole files",
            hint="Sign it with the defaults: model_signing sign key",
        )
    files: dict[str, str] = {}
    digests = hashlib.sha256()
    for resource in predicate.objects("resources"):
        name, digest = resource.filled_text("name"), resource.digest("digest")
        if resource.text("algorithm", 64) != "sha256" or name in files:
            raise MalformedStatement(f"{name!r} is signed twice, or not by SHA-256")
        files[name] = digest
        digests.update(bytes.fromhex(digest))
    if not 0 < len(files) <= MOST_FILES:
        raise MalformedStatement(f"{len(files)} files are signed")
    subjects = statement.objects("subject")
    told = [s.object("digest").digest("sha256") for s in subjects]
    if told != [digests.hexdigest()]:
        raise MalformedStatement("the statement's digest is not that of its files")
    return files


def is_signed_by(key: PublicKey, signed_sha256: str, signature: bytes) -> bool:
    """Whether a P-256 key made a signature over bytes of that SHA-256."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if key.algorithm.is_ed25519:
        return False
    try:
        loaded = load_der_public_key(key.spki)
        assert isinstance(loaded, ec.EllipticCurvePublicKey)  # noqa: S101 - of a P-256 key
        loaded.verify(
            signature, bytes.fromhex(signed_sha256), ec.ECDSA(Prehashed(SHA256()))
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def read_public_key(text: str) -> PublicKey:
    """Read a P-256 key as a policy spells it: its SubjectPublicKeyInfo in base64.

    Raises:
        MalformedStatement: it is none.
    """
    key = public_key(canonical_base64(text))
    if key.algorithm.is_ed25519:
        raise MalformedStatement("models are signed with ECDSA P-256 keys")
    return key


def spelled(signature: bytes) -> str:
    """A signature as evidence holds it."""
    return base64.b64encode(signature).decode()


def _fields(data: bytes, what: str) -> Fields:
    return Fields(parse(data, what=what, at_most=LARGEST_BYTES), what=what)
