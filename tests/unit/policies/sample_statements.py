"""One statement of every type, and the published files made from them.

Run as a module it writes docs/statements anew: a schema of each type, and vectors with
the exact payload, statement id and signature by the key of RFC 8032, test 1.
"""

from __future__ import annotations

import json
from pathlib import Path

from policies.dsse import PAYLOAD_TYPE, Envelope, pre_authentication_encoding
from policies.keys import PublicKey, ed25519_public_key
from policies.predicates import (
    Approval,
    Decision,
    DocumentKind,
    Endorsement,
    Enrolment,
    EvidenceCheck,
    Grant,
    KeyText,
    LineageBatch,
    OutcomeKind,
    PredicateType,
    Prefix,
    PromotionIntent,
    PromotionOutcome,
    Request,
    Revocation,
    RevocationCause,
    RevokedKind,
    Transition,
    Withdrawal,
)
from policies.predicates.observations import Observation, ObservedNumber
from policies.predicates.operations import (
    CancelResult,
    DeploymentIntent,
    DeploymentOutcome,
    LaunchCancellation,
    LaunchIntent,
    LaunchOutcome,
    LaunchRelease,
)
from policies.predicates.records import (
    Attachment,
    Comment,
    Demotion,
    Export,
    Finding,
    FindingStatus,
    ModelRecordChange,
    Waiver,
)
from policies.predicates.upkeep import ErasedKind, Erasure, Recovery
from policies.schemas import statement_schema
from policies.statements import Statement

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "statements"
SECRET = bytes.fromhex(
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
)
MODEL, VERSION = "model:mlflow/fraud", "model-version:mlflow/fraud/7"
AT = "2026-03-01T12:00:00Z"
MOVE = Transition("staging", "production", "prod-eu")


def digest(digit: str) -> str:
    return digit * 64


SAMPLES: tuple[object, ...] = (
    Endorsement(DocumentKind.POLICY, "production", 3, digest("1")),
    Enrolment(
        "p-4f2a",
        digest("2"),
        KeyText(
            "ed25519",
            "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        ),
        "c2lnbmF0dXJl",
        ("mlflow:vera", "git:vera@example.org"),
        (Grant("validator", ("fraud*",), ("prod-eu",)),),
    ),
    Revocation(
        RevokedKind.KEY, digest("3"), RevocationCause.COMPROMISED, 41, digest("4")
    ),
    LineageBatch("mlflow", "countersign 0.1", digest("5"), 1200, AT),
    Request(
        "00112233445566778899aabbccddeeff",
        MODEL,
        VERSION,
        digest("6"),
        MOVE,
        digest("1"),
        digest("7"),
        digest("8"),
        digest("9"),
        digest("a"),
    ),
    Approval(
        digest("b"),
        MODEL,
        VERSION,
        digest("6"),
        MOVE,
        digest("1"),
        digest("7"),
        digest("8"),
        digest("9"),
        Decision.APPROVE,
        "validator",
        "approval",
        digest("a"),
        "2026-05-30T12:00:00Z",
        (EvidenceCheck("metrics", digest("c"), "same"),),
    ),
    Withdrawal(digest("b"), MODEL, digest("a")),
    Waiver(
        digest("b"),
        MODEL,
        VERSION,
        digest("6"),
        MOVE,
        digest("1"),
        ("no-group-loses",),
        "risk",
        digest("a"),
        "2026-04-01T00:00:00Z",
    ),
    PromotionIntent(
        digest("b"),
        MODEL,
        VERSION,
        digest("6"),
        MOVE,
        digest("1"),
        digest("7"),
        digest("d"),
        AT,
        "",
        "",
    ),
    PromotionOutcome(
        digest("e"),
        MODEL,
        VERSION,
        MOVE,
        OutcomeKind.DONE,
        "http://mlflow.example:5000",
        "production -> fraud@2",
        "model-version:mlflow-prod/fraud/2",
        "mlflow-artifacts:/countersign/" + digest("6"),
    ),
    Demotion(
        digest("e"),
        MODEL,
        VERSION,
        "prod-eu",
        "production",
        "",
        digest("a"),
        "http://mlflow.example:5000",
        "production -> fraud@6",
        digest("d"),
    ),
    ModelRecordChange(
        MODEL, "p-4f2a", "high", digest("a"), digest("f"), ("xgboost 2.1",), AT
    ),
    Finding(
        "F-12",
        MODEL,
        VERSION,
        FindingStatus.OPEN,
        "major",
        "validator",
        digest("a"),
        "2026-06-01T00:00:00Z",
    ),
    Attachment(MODEL, "", digest("a"), digest("f"), "application/pdf", 81_920),
    Comment(MODEL, digest("b"), digest("a")),
    LaunchIntent(
        "l-77",
        "train-fraud",
        digest("a"),
        digest("f"),
        "dev",
        "schedule nightly",
        digest("1"),
        digest("7"),
        digest("d"),
        AT,
        True,
        "",
        digest("9"),
    ),
    LaunchRelease(
        digest("b"),
        "l-77",
        "train-fraud",
        "dev",
        digest("a"),
        digest("1"),
        Decision.APPROVE,
        "validator",
        digest("c"),
    ),
    LaunchOutcome(digest("b"), "train-fraud", "dev", OutcomeKind.DONE, "r-1", "ok"),
    LaunchCancellation(
        digest("b"),
        "l-77",
        "l-77~20260301T0300Z",
        "train-fraud",
        "dev",
        CancelResult.CANCELLED,
        "kubernetes l-77~20260301T0300Z cancelled",
        digest("c"),
    ),
    DeploymentIntent(
        digest("e"),
        MODEL,
        VERSION,
        digest("6"),
        "prod-eu",
        "isvc/fraud",
        digest("d"),
        AT,
        "",
    ),
    DeploymentOutcome(
        digest("b"), MODEL, VERSION, "prod-eu", OutcomeKind.FAILED, "isvc/fraud", "no"
    ),
    Erasure(digest("2"), ErasedKind.PROFILE, "", digest("a")),
    Recovery(100, digest("1"), 120, digest("2"), digest("a")),
    Export(digest("f"), "mlflow/fraud", "", ""),
    Observation(
        MODEL,
        VERSION,
        digest("6"),
        "staging",
        "fraud-canary",
        "2026-02-27T00:00:00Z",
        "2026-03-01T00:00:00Z",
        (ObservedNumber("error_rate", "0.012", "", 48211, "ratio"),),
        "model-version:mlflow/fraud/6",
        (ObservedNumber("error_rate", "0.013", "", 910344, "ratio"),),
    ),
)


def sample(predicate: object) -> Statement:
    prefix = Prefix("countersign.local/0123456789abcdef", 42, digest("0"))
    return Statement("p-1", AT, prefix, ("fraud@7", digest("6")), predicate)


def vector(predicate: object) -> dict[str, str]:
    """The published vector of a sample."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    payload = sample(predicate).to_payload()
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    signature = Ed25519PrivateKey.from_private_bytes(SECRET).sign(signed)
    envelope = Envelope(payload, signature, public().id)
    return {
        "payload": payload.decode(),
        "statement_id": envelope.statement_id,
        "envelope": envelope.to_bytes().decode(),
    }


def public() -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(SECRET).public_key()
    return ed25519_public_key(key.public_bytes_raw())


def published_files() -> dict[str, str]:
    """Name -> text of everything in docs/statements that is generated."""
    files = {}
    for predicate in SAMPLES:
        kind = sample(predicate).type
        files[f"{kind.short}.schema.json"] = statement_schema(kind)
        files[f"{kind.short}.vector.json"] = vector(predicate)
    assert len(files) == 2 * len(PredicateType)
    return {
        name: json.dumps(value, indent=2, sort_keys=True) + "\n"
        for name, value in files.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in published_files().items():
        (FOLDER / name).write_text(text)
