"""A gate's verdict as a SLSA Verification Summary: an in-toto Statement v1.

Its form is https://slsa.dev/verification_summary/v1. That knows PASSED and FAILED
alone, so whatever is not yes is FAILED.
"""

from __future__ import annotations

from urllib.parse import quote

from console.services.judging import Judged
from console.services.opened import OpenStore, rfc3339
from console.services.problems import Refusal
from console.services.signing import key_of, refuse_demonstration_key
from console.version import VERSION
from policies.dsse import PAYLOAD_TYPE, Envelope, pre_authentication_encoding
from policies.evidence import item_bytes
from policies.statements import STATEMENT_TYPE
from policies.strict_json import encode
from policies.verdict import Verdict
from store.identifiers import split_key
from store.objects import sha256_hex

PREDICATE_TYPE = "https://slsa.dev/verification_summary/v1"


def summary_payload(
    store: OpenStore, judged: Judged, to_stage: str, environment: str
) -> bytes:
    """The statement, unsigned.

    Raises:
        Refusal: no evidence was frozen, so there are no bytes it could be about.
    """
    if judged.evidence is None or judged.policy is None:
        raise Refusal(
            "there is no request under a policy, so no bytes to summarise a verdict on",
            hint="Ask first: countersign request; or use --format json.",
        )
    model, policy = judged.evidence.model, judged.policy
    source, name, version = (quote(p, safe="") for p in split_key(model.version_key)[1])
    has_passed = judged.tree.verdict is Verdict.YES
    where = f"{quote(environment, safe='')}/{quote(to_stage, safe='')}"
    home = f"https://{store.origin}"
    predicate = {
        "verifier": {"id": home, "version": {"countersign": VERSION}},
        "timeVerified": rfc3339(judged.judged_at),
        "resourceUri": f"{home}/models/{source}/{name}/{version}",
        "policy": {
            "uri": f"{home}/policies/{quote(policy.id, safe='')}/{policy.version}",
            "digest": {"sha256": policy.digest},
        },
        "inputAttestations": [
            {
                "uri": f"{home}/evidence/{kind}",
                "digest": {"sha256": sha256_hex(item_bytes(item))},
            }
            for kind, item in judged.evidence.items().items()
        ],
        "verificationResult": "PASSED" if has_passed else "FAILED",
        "verifiedLevels": [f"COUNTERSIGN_GATE:{where}" if has_passed else "FAILED"],
    }
    subject = {
        "name": f"{model.model}@{model.version}",
        "digest": {"sha256": model.manifest},
    }
    return encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
    )


def signed_summary(store: OpenStore, payload: bytes, address: str) -> bytes:
    """The statement in a DSSE envelope, signed by the key at some address.

    Raises:
        Refusal: it is a demonstration's key, and the store is not.
    """
    import os

    from connectors.signers.opening import open_signer
    from console.services.signing import passphrase_source

    signer = open_signer(address, passphrase_source(None, os.environ))
    root = store.state().root
    refuse_demonstration_key(signer, is_demo=bool(root and root.is_demo))
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    return Envelope(payload, signer.sign(signed), key_of(signer).id).to_bytes()
