"""Makes the signed model beside it with the signer of the OpenSSF's project.

Run with the program to call: make_vector.py /path/to/model_signing. The private key is
thrown away, so a new run makes another key and another signature.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

HERE = Path(__file__).parent
FILES = {
    "MLmodel": b"flavors: {}\n",
    "data/weights.safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
}


def make(program: str) -> None:
    """Write the model, its signature and the public key."""
    model = HERE / "model"
    shutil.rmtree(model, ignore_errors=True)
    for path, content in FILES.items():
        (model / path).parent.mkdir(parents=True, exist_ok=True)
        (model / path).write_bytes(content)
    key = ec.generate_private_key(ec.SECP256R1())
    with tempfile.TemporaryDirectory() as folder:
        private = Path(folder) / "key.pem"
        private.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        signature = str(model / "model.sig")
        subprocess.run(
            [
                *(program, "sign", "key", str(model)),
                *("--private_key", str(private), "--signature", signature),
            ],
            check=True,
        )
    (HERE / "key.der").write_bytes(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


if __name__ == "__main__":
    make(sys.argv[1])
