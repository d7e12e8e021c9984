"""Other people's verifiers, run on files of ours: OpenSSL, Sigstore's, and Go's tlog.

Each function answers with one line a case, `verified` or why not, and skips the test
with a reason that begins with "peer:" where its program is missing.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
INSTALLED = FOLDER.parent.parent / ".peers"
"""Where `make peers` puts them."""
VERIFIED = "verified"
SECONDS = 120


@dataclass(frozen=True, slots=True)
class Exported:
    """The files of one exported statement that a verifier takes."""

    pem: bytes
    pae: bytes
    signature: bytes
    bundle: bytes

    @property
    def is_p256(self) -> bool:
        """Whether the key is on P-256; its PEM is longer than an Ed25519 key's."""
        return len(self.pem) > 150

    @property
    def parsed(self) -> dict[str, str]:
        """Predicate type and subject digest, as the bundle's payload has them."""
        envelope = json.loads(self.bundle)["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"]))
        return {
            "type": statement["predicateType"],
            "digest": statement["subject"][0]["digest"]["sha256"],
        }


def with_changed_payload(exported: Exported) -> Exported:
    """One letter of the signer's claimed time is another one, everywhere."""
    bundle = json.loads(exported.bundle)
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    at = payload.index(b'"at":"2') + 6
    changed = payload[:at] + b"3" + payload[at + 1 :]
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
    return replace(
        exported,
        pae=exported.pae.replace(payload, changed),
        bundle=json.dumps(bundle).encode(),
    )


def with_changed_signature(exported: Exported) -> Exported:
    """The last byte of the signature is another one."""
    signature = exported.signature[:-1] + bytes([exported.signature[-1] ^ 1])
    bundle = json.loads(exported.bundle)
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(
        signature
    ).decode()
    return replace(exported, signature=signature, bundle=json.dumps(bundle).encode())


def with_swapped_payload_type(exported: Exported) -> Exported:
    """The same payload and signature under another payload type."""
    bundle = json.loads(exported.bundle)
    kind = bundle["dsseEnvelope"]["payloadType"]
    other = kind.replace("in-toto", "in-tutu")
    bundle["dsseEnvelope"]["payloadType"] = other
    return replace(
        exported,
        pae=exported.pae.replace(kind.encode(), other.encode(), 1),
        bundle=json.dumps(bundle).encode(),
    )


def run(
    command: Sequence[str], data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a peer to its end."""
    return subprocess.run(
        command, input=data, capture_output=True, check=False, timeout=SECONDS
    )


def openssl(cases: Sequence[Exported]) -> list[str]:
    """What OpenSSL says of the .pae, .sig and .pem files."""
    if shutil.which("openssl") is None:
        pytest.skip("peer: openssl is not installed")
    with tempfile.TemporaryDirectory() as folder:
        return [_openssl(Path(folder), case) for case in cases]


def _openssl(folder: Path, case: Exported) -> str:
    for name, data in (("k", case.pem), ("p", case.pae), ("s", case.signature)):
        (folder / name).write_bytes(data)
    key, pae, signature = (str(folder / name) for name in ("k", "p", "s"))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin"]
    command += ["-in", pae, "-sigfile", signature]
    if case.is_p256:
        command = ["openssl", "dgst", "-sha256", "-verify", key]
        command += ["-signature", signature, pae]
    done = run(command)
    return VERIFIED if done.returncode == 0 else done.stdout.decode() or "refused"


def sigstore_js_folder() -> Path:
    """Where @sigstore/verify is installed."""
    if os.environ.get("COUNTERSIGN_TEST_NO_NODE"):
        pytest.skip("there is no Node.js here to run @sigstore/verify with")
    named = os.environ.get("COUNTERSIGN_TEST_SIGSTORE_JS", "")
    folder = Path(named) if named else INSTALLED / "sigstore-js"
    if shutil.which("node") is None or not (folder / "node_modules").is_dir():
        pytest.skip("peer: @sigstore/verify is not installed; see: make peers")
    return folder


def sigstore_js(cases: Sequence[Exported]) -> list[str]:
    """What @sigstore/verify says of the bundles."""
    folder = sigstore_js_folder()
    asked = [{"bundle": c.bundle.decode(), "pem": c.pem.decode()} for c in cases]
    program = FOLDER / "sigstore-js" / "verify-many.mjs"
    done = run(["node", str(program), str(folder)], json.dumps(asked).encode())
    assert done.returncode == 0, done.stderr.decode()
    answers: list[str] = json.loads(done.stdout)
    return answers


def cosign(cases: Sequence[Exported]) -> list[str]:
    """What cosign says of the bundles; where it is not installed, nobody misses it."""
    program = shutil.which("cosign")
    if program is None:
        pytest.skip("cosign is not installed")
    with tempfile.TemporaryDirectory() as folder:
        return [_cosign(program, Path(folder), case) for case in cases]


def _cosign(program: str, folder: Path, case: Exported) -> str:
    (folder / "key.pem").write_bytes(case.pem)
    (folder / "b.sigstore.json").write_bytes(case.bundle)
    command = [program, "verify-blob-attestation", "--key", str(folder / "key.pem")]
    command += ["--bundle", str(folder / "b.sigstore.json"), "--insecure-ignore-tlog"]
    command += ["--type", case.parsed["type"], "--digest", case.parsed["digest"]]
    command += ["--digestAlg", "sha256"]
    done = run(command)
    return VERIFIED if done.returncode == 0 else done.stderr.decode() or "refused"


@cache
def tlog_program() -> Path | None:
    """The Go program that verifies checkpoints and proofs, built once a session."""
    made = INSTALLED / "tlog"
    if made.is_file():
        return made
    if shutil.which("go") is None:
        return None
    made = Path(tempfile.mkdtemp()) / "tlog"
    done = run(["go", "build", "-C", str(FOLDER / "tlog"), "-o", str(made), "."])
    assert done.returncode == 0, done.stderr.decode()
    return made


def go_tlog(cases: Sequence[Mapping[str, bytes]]) -> list[str]:
    """What Go's note and tlog say of {vkey, proof, entry} or {vkey, checkpoint}."""
    if os.environ.get("COUNTERSIGN_TEST_NO_GO"):
        pytest.skip("there is no Go here to build the verifier of tlog proofs with")
    program = tlog_program()
    if program is None:
        pytest.skip("peer: go is not installed")
    asked = [
        {name: base64.b64encode(data).decode() for name, data in case.items()}
        for case in cases
    ]
    done = run([str(program), "many"], json.dumps(asked).encode())
    assert done.returncode == 0, done.stderr.decode()
    answers: list[str] = json.loads(done.stdout)
    return answers
