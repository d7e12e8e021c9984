"""Whether a commit's signature is good, and by which key: from its bytes alone.

Only OpenSSH signatures by keys that could sign statements are verified. Whose key it
is, and whether it counts, is for others to say.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from policies.errors import MalformedStatement
from policies.keys import PublicKey, public_key
from store.errors import MalformedCommit, MalformedWire
from store.git_commit import (
    LARGEST_SIGNED_BYTES,
    SignatureForm,
    commit_id,
    read_signature,
)
from store.key_algorithms import sshsig_algorithm
from store.ssh_wire import named_key_blob, read_key_blob, unarmoured

NOT_VERIFIABLE = {
    SignatureForm.OPENPGP: "signed with OpenPGP, which is not verified here",
    SignatureForm.X509: "signed with an X.509 certificate, which is not verified here",
    SignatureForm.UNKNOWN: "signed in a form that is not known",
}
"""What is said of signatures that are only told."""


@dataclass(frozen=True, slots=True)
class GoodSignature:
    """A signature that verifies over a commit which has the id it is known by."""

    key: PublicKey

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it."""
        return self.key.ssh.fingerprint


def verify_commit(sha: str, whole: str) -> GoodSignature:
    """Verify a commit's SSH signature by the key that it names.

    `whole` is the commit in base64.

    Raises:
        MalformedStatement: these are not the bytes of that commit, it is not signed in
            SSH's form, or the signature is not good.
    """
    data = commit_bytes(sha, whole)
    try:
        signature = read_signature(data, sha)
        if signature is None:
            raise MalformedStatement("the commit is not signed")
        if signature.form is not SignatureForm.SSH:
            raise MalformedStatement(NOT_VERIFIABLE[signature.form])
        blob = unarmoured(signature.text)
        named = read_key_blob(named_key_blob(blob))
    except (MalformedCommit, MalformedWire) as cause:
        raise MalformedStatement(f"not a good signature: {cause}") from cause
    key = public_key(named.spki, sshsig_algorithm(named))
    key.check_commit(blob, signature.payload)
    return GoodSignature(key)


def commit_bytes(sha: str, whole: str) -> bytes:
    """A commit from its base64.

    Raises:
        MalformedStatement: these are not the bytes of that commit.
    """
    data = _decoded(whole)
    if commit_id(data, sha) != sha:
        raise MalformedStatement(
            "the signature is of another commit: the bytes have another id"
        )
    return data


def _decoded(whole: str) -> bytes:
    if len(whole) > 2 * LARGEST_SIGNED_BYTES:
        raise MalformedStatement("the commit is too large")
    try:
        return base64.b64decode(whole, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise MalformedStatement("the commit is not base64") from cause
