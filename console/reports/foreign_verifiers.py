"""How a statement is verified with OpenSSL, OpenSSH, cosign and @sigstore/verify.

The exact commands that READMEs give. It runs none of them and knows no store.
"""

from __future__ import annotations

from store.key_algorithms import Algorithm
from store.ssh_wire import STATEMENT_NAMESPACE

ALLOWED_SIGNERS = "allowed_signers"
"""The file in which OpenSSH looks up who signs with which key."""

SIGSTORE_JS_PROGRAM = """\
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { bundleFromJSON } from "@sigstore/bundle";
import { Verifier, toSignedEntity, toTrustMaterial } from "@sigstore/verify";

const [bundle, pem] = process.argv.slice(2).map((path) => readFileSync(path));
const none = {
  certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
};
const key = { publicKey: createPublicKey(pem), validFor: () => true };
const verifier = new Verifier(toTrustMaterial(none, () => key), {
  ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0,
});
verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle))));
console.log("verified");
"""
"""A whole program for node, with @sigstore/bundle and @sigstore/verify installed."""


def openssl_command(algorithm: Algorithm, stem: str, pem: str) -> str:
    """The command that verifies a signature with OpenSSL 3."""
    if algorithm is Algorithm.P256:
        return (
            f"openssl dgst -sha256 -verify {pem} \\\n"
            f"    -signature {stem}.sig {stem}.pae"
        )
    return (
        f"openssl pkeyutl -verify -pubin -inkey {pem} -rawin \\\n"
        f"    -in {stem}.pae -sigfile {stem}.sig"
    )


def cosign_command(stem: str, predicate_type: str, digest: str, pem: str) -> str:
    """The command that verifies a bundle with cosign 3.0.4 or newer."""
    return (
        f"cosign verify-blob-attestation --key {pem} \\\n"
        f"    --bundle {stem}.sigstore.json \\\n"
        f"    --type {predicate_type} \\\n"
        f"    --digest {digest} \\\n"
        "    --digestAlg sha256 --insecure-ignore-tlog"
    )


def ssh_keygen_command(stem: str, person: str) -> str:
    """The command that verifies a signature in OpenSSH's form with OpenSSH 8.2."""
    return (
        f"ssh-keygen -Y verify -f {ALLOWED_SIGNERS} -n {STATEMENT_NAMESPACE} \\\n"
        f"    -I {person} -s {stem}.sshsig < {stem}.pae"
    )


def indented(text: str, spaces: int = 6) -> str:
    """Text moved to the right, for a README."""
    lines = text.rstrip().split("\n")
    return "\n".join(f"{' ' * spaces}{line}".rstrip() for line in lines)


def bundle_readme() -> str:
    """What the auditor's file says about its statements and other people's tools."""
    stem, pem = "statements/NUMBER-TYPE", "keys/KEY.pem"
    return f"""\
  Each accepted statement lies in statements/ as NUMBER-TYPE.json with the bytes that
  were signed (.pae), the signature (.sig) and the id of the key (.key). With OpenSSL 3:

{indented(openssl_command(Algorithm.ED25519, stem, pem))}

  and for ECDSA keys:

{indented(openssl_command(Algorithm.P256, stem, pem))}

  A key that signs in OpenSSH's form leaves NUMBER-TYPE.sshsig in place of .sig, and
  stands in allowed_signers. With OpenSSH 8.2, where PERSON is "by" in .json:

{indented(ssh_keygen_command(stem, "PERSON"))}

  (It does not ask whether a FIDO token was touched; countersign verify does.)

  .sigstore.json is the same as a Sigstore bundle. With cosign 3.0.4 or newer, where
  PREDICATE and DIGEST are the predicateType and the subject's sha256 in .json:

{indented(cosign_command(stem, "PREDICATE", "DIGEST", pem))}

  (--insecure-ignore-tlog: no public transparency log has seen it; log/ has.) With
  @sigstore/bundle and @sigstore/verify from npm: node verify.mjs BUNDLE KEY.pem, where
  verify.mjs is

{indented(SIGSTORE_JS_PROGRAM)}

  log/proof/NUMBER.tlog-proof shows, in the form of c2sp.org/tlog-proof, that the
  entry is in the tree whose root log/checkpoint signs with the key in log/vkey;
  golang.org/x/mod/sumdb/note and sumdb/tlog verify both. An object's name is its
  SHA-256: sha256sum object/*"""
