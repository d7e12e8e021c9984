"""A model signed in the OpenSSF's format, from its folder to the gate."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from connectors.artifacts import LocalArtifacts
from connectors.mlflow.model_signature import told_signature
from connectors.signers.files import KeyType, create_key_file
from console.services.demonstration import MODEL
from console.services.founding import activate_policy
from console.services.gathering import Incumbent, gather
from console.services.gating import gate
from console.services.hopes import Hopeless
from console.services.importing import import_address
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.signing import act_as_person, act_as_service
from console.services.signoff import request_transition
from policies.dsse import PAYLOAD_TYPE, pre_authentication_encoding
from policies.trust_root import ServiceKind
from policies.verdict import Node, Verdict
from store.facts import Fact, FactKind
from store.identifiers import model_key, model_version_key
from store.queries.models import list_versions
from tests.worlds import World

VERSION = f"model:{MODEL}@2"
KEY = ec.generate_private_key(ec.SECP256R1())
POLICY = f"""
schema = "countersign/policy/v1"
id = "signed"
version = 1
description = "The model is signed."
[applies]
models = ["{MODEL}"]
to = ["production"]
environments = ["eu"]
[[rules]]
id = "signed"
kind = "model_signed"
public_keys = ["{
    base64.b64encode(
        KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
}"]
[[approvals]]
role = "validator"
count = 1
"""


def sign(folder: Path, key: ec.EllipticCurvePrivateKey = KEY) -> None:
    """Put a signature over every file beside them, as the OpenSSF's signer would."""
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    whole = hashlib.sha256(b"".join(d.digest() for d in digests.values()))
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "m", "digest": {"sha256": whole.hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256"},
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": digest.hexdigest()}
                for name, digest in digests.items()
            ],
        },
    }
    payload = json.dumps(statement).encode()
    signature = key.sign(
        pre_authentication_encoding(PAYLOAD_TYPE, payload), ec.ECDSA(SHA256())
    )
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    (folder / "model.sig").write_text(json.dumps(bundle))


def judged(store: OpenStore) -> Node:
    """Import the folder again, ask for the promotion, and see what comes of it."""
    sample = store.folder.parents[2] / "sample"
    service = act_as_service(store, store.state(), ServiceKind.IMPORT)
    import_address(
        store,
        service,
        str(sample / "mlflow.db"),
        name="mlflow",
        artifacts=str(sample / "mlartifacts"),
    )
    dana, ana = (
        act_as_person(
            store,
            store.state(),
            str(store.places.keys / f"{name}.pem"),
            lambda _: None,
        )
        for name in ("dana", "ana")
    )
    activate_policy(store, dana, POLICY.encode())
    version = find_version(store, VERSION)
    try:
        request_transition(store, ana, version, "production", "eu", "because")
    except Hopeless as hopeless:
        return next(n for n in hopeless.facts.children if n.rule == "signed")
    tree = gate(store, VERSION, "production", "eu").tree
    return next(
        n for part in tree.children for n in part.children if n.rule == "signed"
    )


@pytest.fixture
def model(demo_store: OpenStore) -> Path:
    """The folder of the sample's version 2."""
    location = find_version(demo_store, VERSION).location
    below = location.removeprefix("mlflow-artifacts:/")
    return demo_store.folder.parents[2] / "sample" / "mlartifacts" / below


def test_a_model_signed_in_its_folder_is_signed_at_the_gate(
    demo_store: OpenStore, model: Path
) -> None:
    sign(model)
    found = judged(demo_store)
    assert found.verdict is Verdict.YES
    assert found.observed.startswith("all files, by the key ")


def test_a_model_nobody_signed_is_not_and_the_reason_is_told(
    demo_store: OpenStore, model: Path
) -> None:
    assert not (model / "model.sig").exists()
    found = judged(demo_store)
    assert (found.verdict, found.observed) == (
        Verdict.NO,
        "the model has no model.sig",
    )


def test_a_file_that_the_signature_does_not_cover_is_named(
    demo_store: OpenStore, model: Path
) -> None:
    sign(model)
    (model / "added.py").write_text("print('hello')\n")
    found = judged(demo_store)
    assert found.verdict is Verdict.NO
    assert found.observed == "not signed as it is: added.py"


def test_a_signature_that_is_none_is_unknown(
    demo_store: OpenStore, model: Path
) -> None:
    (model / "model.sig").write_bytes(b"\xff\x00 no text")
    assert judged(demo_store).verdict is Verdict.UNKNOWN


def test_a_key_that_somebody_enrolled_is_known_as_theirs(world: World) -> None:
    path = world.places.keys / "sig.pem"
    create_key_file(path, None, kind=KeyType.P256)
    signer = world.hire_with(str(path), "sig", "requester")
    folder = world.folder / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    sign(folder, key)
    version = model_version_key("mlflow", "m", "1")
    reader = LocalArtifacts(None)
    world.tell(
        Fact(
            kind=FactKind.MODEL_VERSION,
            subject=version,
            object=model_key("mlflow", "m"),
            name="1",
        ),
        *(
            Fact(
                kind=FactKind.FILE,
                subject=version,
                name=file.path,
                digest=file.sha256,
                number=float(file.size),
            )
            for file in reader.files(folder.as_uri())
        ),
        told_signature(version, reader, folder.as_uri()),
    )
    with world.store.projection.reading() as connection:
        known = list_versions(connection, key=version)[0]
    item = gather(world.store, known, Incumbent()).model_signature
    assert item.differing == item.absent == ()
    assert [one.owner for one in item.enrolled] == [signer.id]
