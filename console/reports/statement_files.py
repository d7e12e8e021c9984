"""One statement as files that other people's tools verify: OpenSSL, Sigstore, tlog.

It writes what was signed, the signature and the key in published forms. It judges
nothing: whose key it is, and whether that person might say so, only a log can tell.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path

from console.reports.foreign_verifiers import (
    ALLOWED_SIGNERS,
    SIGSTORE_JS_PROGRAM,
    cosign_command,
    indented,
    openssl_command,
    ssh_keygen_command,
)
from console.reports.whole_log import SignedStatement, read_signed
from console.services.checkpoints import log_keys
from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.proofs import inclusion_text
from policies.dsse import PAYLOAD_TYPE, Envelope
from policies.keys import PublicKey
from store.judgement import Standing
from store.ssh_wire import STATEMENT_NAMESPACE, armoured

SIGSTORE_BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def proof_material(signed: SignedStatement) -> dict[str, bytes]:
    """What was signed, the signature, and both in one Sigstore bundle, by file name."""
    stem, envelope = signed.stem, signed.envelope
    files = {
        f"{stem}.json": envelope.payload,
        f"{stem}.pae": envelope.signed_bytes,
    }
    if signed.key.algorithm.is_sshsig:
        return files | {f"{stem}.sshsig": armoured(envelope.signature)}
    return files | {
        f"{stem}.sig": envelope.signature,
        f"{stem}.sigstore.json": sigstore_bundle(envelope, signed.key),
    }


def allowed_signers(owners: Iterable[tuple[str, PublicKey]]) -> dict[str, bytes]:
    """OpenSSH's list of who signs with which key; no file without such keys.

    A person's id is ASCII letters, digits and . _ @ / - alone, so it is no pattern.
    """
    lines = {
        f'{owner} namespaces="{STATEMENT_NAMESPACE}" {key.ssh.line}\n'
        for owner, key in owners
        if key.algorithm.is_sshsig
    }
    return {ALLOWED_SIGNERS: "".join(sorted(lines)).encode()} if lines else {}


def sigstore_bundle(envelope: Envelope, key: PublicKey) -> bytes:
    """The envelope as a Sigstore bundle 0.3 that names its key by a hint.

    Source: dev.sigstore.bundle.v1.Bundle of sigstore/protobuf-specs, as JSON. The
    signature itself has no keyid: Go's DSSE library, and so cosign, passes over one
    whose keyid is not the fingerprint that OpenSSH would give the key.
    """
    bundle = {
        "mediaType": SIGSTORE_BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key.id}},
        "dsseEnvelope": {
            "payload": base64.b64encode(envelope.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(envelope.signature).decode()}],
        },
    }
    return json.dumps(bundle, separators=(",", ":")).encode() + b"\n"


def public_key_pem(key: PublicKey) -> bytes:
    """A public key as PEM (SubjectPublicKeyInfo)."""
    return key.pem.encode()


def log_verifier_keys(store: OpenStore) -> bytes:
    """The log's keys as signed-note verifier keys, one a line."""
    return "".join(f"{key}\n" for key in log_keys(store)).encode()


def statement_files(
    store: OpenStore, index: int, checkpoint: bytes
) -> dict[str, bytes]:
    """Everything with which one statement is verified without us, by file name.

    Raises:
        Misuse: the entry is not an accepted one.
        StoreError: it is missing or damaged.
    """
    indexed = store.index.entry(index)
    if indexed is None or indexed.judgement.standing is not Standing.ACCEPTED:
        why = "" if indexed is None else f": {indexed.judgement.reason}"
        raise Misuse(
            f"entry {index} is no accepted statement{why}",
            hint="Choose one that is; see: countersign log show",
        )
    state = store.state()
    data = store.log.entry_bytes(index)
    signed = read_signed(store, index, state, data)
    files = proof_material(signed) | {
        f"{signed.stem}.entry": data,
        f"{signed.stem}.tlog-proof": inclusion_text(store, index, checkpoint),
        "checkpoint": checkpoint,
        "log.vkey": log_verifier_keys(store),
    }
    files["key.pem"] = public_key_pem(signed.key)
    files |= allowed_signers([(signed.statement.by, signed.key)])
    files["README.txt"] = _readme(store, signed)
    return files


def write_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder that is new or empty.

    Raises:
        Misuse: something is there already, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Misuse(f"{folder} is not empty", hint="Choose another folder.")
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as cause:
        raise Misuse(f"cannot write {folder}: {cause.strerror}") from cause


def _readme(store: OpenStore, signed: SignedStatement) -> bytes:
    stem, statement = signed.stem, signed.statement
    sections = [
        f"STATEMENT {signed.envelope.statement_id}\n"
        f"  Entry {signed.index} of {store.origin}, of the type\n"
        f"  {statement.type.value},\n"
        f"  signed by {statement.by} with the key {signed.key.id}.",
        *_tools(signed),
        "THAT IT IS IN THE LOG\n"
        f"  {stem}.tlog-proof is a c2sp.org/tlog-proof: {stem}.entry\n"
        "  is the leaf, checkpoint the signed head, log.vkey the log's key. Go's\n"
        "  golang.org/x/mod/sumdb/note and sumdb/tlog verify them.",
        "WHAT THIS DOES NOT SAY\n"
        "  Whose key key.pem is, whether that person might sign this, and whether it\n"
        "  was withdrawn or its key revoked. The whole log says so: ask for the\n"
        "  auditor's file, and verify it against the fingerprint of the first trust\n"
        "  root, obtained by another way than these files.",
    ]
    return ("\n\n".join(sections) + "\n").encode()


def _tools(signed: SignedStatement) -> list[str]:
    """The commands for tools that know this kind of signature."""
    stem, statement = signed.stem, signed.statement
    if signed.key.algorithm.is_sshsig:
        command = ssh_keygen_command(stem, statement.by)
        return [
            f"WITH OPENSSH 8.2 OR NEWER\n\n{indented(command)}\n\n"
            f"  {stem}.pae holds the bytes that were signed: the payload\n"
            f"  type and {stem}.json, joined as DSSE says. OpenSSH does not\n"
            "  ask whether a FIDO token was touched; countersign verify does."
        ]
    openssl = openssl_command(signed.key.algorithm, stem, "key.pem")
    cosign = cosign_command(stem, statement.type, statement.subject[1], "key.pem")
    return [
        f"WITH OPENSSL 3\n\n{indented(openssl)}\n\n"
        f"  {stem}.pae holds the bytes that were signed: the payload\n"
        f"  type and {stem}.json, joined as DSSE says.",
        f"WITH COSIGN 3.0.4 OR NEWER\n\n{indented(cosign)}\n\n"
        "  --insecure-ignore-tlog: no public transparency log has seen it. The log\n"
        "  that has proves it below.",
        "WITH @SIGSTORE/BUNDLE AND @SIGSTORE/VERIFY FROM NPM\n\n"
        f"      node verify.mjs {stem}.sigstore.json key.pem\n\n"
        f"  where verify.mjs is\n\n{indented(SIGSTORE_JS_PROGRAM)}",
    ]
