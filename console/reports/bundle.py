"""The auditor's file: one deterministic zip, made from a log and its objects.

Everything in it but the log, the objects, the checkpoint and four parameters can be
made again from those, so verification makes the whole file again and compares bytes.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from console.reports.audit_html import render_html
from console.reports.audit_report import Scope, build_report
from console.services.opened import OpenStore
from console.services.proofs import inclusion_text
from console.services.words import named_objects
from console.version import VERSION
from policies.dsse import Envelope, read_envelope
from policies.evidence_reading import read_manifest
from policies.keys import PublicKey
from policies.predicates import (
    Endorsement,
    Request,
)
from policies.statements import Statement
from policies.strict_json import encode
from policies.trust_root import read_trust_root
from policies.trust_state import TrustState
from store.backend import entry_path
from store.objects import sha256_hex

GENERATOR = f"countersign {VERSION}"
PARAMETERS = "export.json"
CHECKPOINT = "log/checkpoint"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What an export was asked for; not secured, and shown as such."""

    created_at: str
    scope: Scope
    generator: str = GENERATOR

    def to_bytes(self) -> bytes:
        """As they stand in the file."""
        return encode(
            {
                "schema": "countersign/export/v1",
                "generator": self.generator,
                "created_at": self.created_at,
                "model": self.scope.model,
                "since": self.scope.since,
                "until": self.scope.until,
            }
        )


def bundle_files(
    store: OpenStore, parameters: Parameters, checkpoint: bytes
) -> dict[str, bytes]:
    """Every member of the file by its path.

    Raises:
        StoreError: an entry is missing or damaged.
    """
    report = build_report(store, parameters.scope, parameters.created_at)
    files: dict[str, bytes] = {
        PARAMETERS: parameters.to_bytes(),
        CHECKPOINT: checkpoint,
        "report.json": _pretty(report),
        "report.html": render_html(report),
        "README.txt": _readme(report),
    }
    wanted = set(named_objects(store, batches=False))
    state = store.state()
    for entry in store.index.entries():
        data = store.log.entry_bytes(entry.index)
        files[f"log/{entry_path(entry.index)}"] = data
        files[f"log/proof/{entry.index:06d}.tlog-proof"] = inclusion_text(
            store, entry.index, checkpoint
        )
        if entry.judgement.standing.value != "accepted":
            continue
        envelope = read_envelope(data)
        _, statement = store.entry(entry.index)
        stem = f"statements/{entry.index:06d}-{statement.type.short}"
        files[f"{stem}.json"] = envelope.payload
        files[f"{stem}.pae"] = envelope.signed_bytes
        files[f"{stem}.sig"] = envelope.signature
        key = _key_of(state, entry.index, statement, envelope)
        files[f"{stem}.key"] = (key + "\n").encode()
    wanted |= _evidence_items(store, wanted)
    for digest in sorted(wanted):
        found = store.objects.find(digest)
        if found is not None:
            files[f"object/{digest}"] = found
    for public in sorted(state.keys_ever(), key=lambda key: key.id):
        files[f"keys/{public.id}.pem"] = _pem(public)
    files["MANIFEST.json"] = _manifest(files)
    return files


def write_zip(files: dict[str, bytes]) -> bytes:
    """The members as one zip with fixed times, sorted and uncompressed."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            member = zipfile.ZipInfo(path, _FIXED_TIME)
            member.create_system = 3
            member.external_attr = 0o100644 << 16
            archive.writestr(member, files[path])
    return target.getvalue()


def export_audit(store: OpenStore, scope: Scope, checkpoint: bytes) -> bytes:
    """The auditor's file for a store as it is now."""
    created = store.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    return write_zip(bundle_files(store, Parameters(created, scope), checkpoint))


def _pretty(value: dict[str, Any]) -> bytes:
    return (
        json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    ).encode()


def _evidence_items(store: OpenStore, digests: set[str]) -> set[str]:
    """Items of the evidence manifests, and profiles of the trust roots, named."""
    found: set[str] = set()
    for entry in store.index.entries():
        if entry.judgement.standing.value != "accepted":
            continue
        _, statement = store.entry(entry.index)
        if isinstance(statement.predicate, Request):
            data = store.objects.find(statement.predicate.evidence)
            if data is not None:
                found |= {item.digest for item in read_manifest(data).items}
        elif isinstance(statement.predicate, Endorsement) and not (
            statement.predicate.name
        ):
            root = store.objects.find(statement.predicate.digest)
            if root is not None:
                found |= {p.profile for p in read_trust_root(root).people}
    return found - digests


def _key_of(
    state: TrustState, index: int, statement: Statement, envelope: Envelope
) -> str:
    """Id of the key that made a signature, whatever the envelope's hint says."""
    keys = state.keys_at(statement.by, index)
    if len(keys) == 1:
        return keys[0].id
    return next(
        (k.id for k in keys if k.verifies(envelope.signature, envelope.signed_bytes)),
        "",
    )


def _pem(key: PublicKey) -> bytes:
    text = base64.b64encode(key.spki).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join(
        ["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]
    ).encode()


def _manifest(files: dict[str, bytes]) -> bytes:
    return _pretty(
        {
            "schema": "countersign/manifest/v1",
            "files": [
                {"path": path, "size": len(data), "sha256": sha256_hex(data)}
                for path, data in sorted(files.items())
            ],
        }
    )


def _readme(report: dict[str, Any]) -> bytes:
    log = report["log"]
    return f"""AUDIT FILE OF {log["origin"]}

It holds the whole log ({log["size"]} entries), the documents the log names, every
public key, and a report made from them (report.html for people, report.json for
programs).

VERIFY IT
  Obtain the fingerprint of the first trust root from the owner of the log by another
  way than this file, then, without network and without their store:

      countersign verify THIS.zip --anchor FINGERPRINT

  Add --head FILE to hold it against a checkpoint you were given earlier. Exit code 0
  means: every byte is as it was exported, every signature verifies, every promotion
  judged again from its own evidence, policy and people comes out as recorded.

VERIFY IT WITHOUT US
  Each accepted statement lies in statements/ as NUMBER-TYPE.json with the bytes that
  were signed (.pae), the signature (.sig) and the id of the key (.key):

      openssl pkeyutl -verify -pubin -inkey keys/KEY.pem -rawin \\
          -in statements/NUMBER-TYPE.pae -sigfile statements/NUMBER-TYPE.sig

  (OpenSSL 3; for ECDSA keys: openssl dgst -sha256 -verify keys/KEY.pem -signature
  statements/NUMBER-TYPE.sig statements/NUMBER-TYPE.pae)
  log/proof/NUMBER.tlog-proof shows, in the form of c2sp.org/tlog-proof, that the
  entry is in the tree whose root log/checkpoint signs. An object's name is its
  SHA-256: sha256sum object/*

WHAT IT DOES NOT CLAIM
{chr(10).join("  - " + claim for claim in report["non_claims"])}
""".encode()
