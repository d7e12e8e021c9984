"""The corpus: one file a seed, `accepted-...` or `refused-...` by its verdict.

Run as a module it writes the seeds anew from the published vectors, the sample policy
and keys that are the same in every run. What a fuzzing run found and was mended is
renamed by hand from `found-...` to `accepted-...` or `refused-...`, and stays.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.pipelines.protocols import (
    Code,
    LaunchPlan,
    PlannedFile,
    PlannedStep,
    Resolved,
)
from policies.checkpoint import read_checkpoint, sign_checkpoint
from policies.evidence import EvidenceManifest, ItemReference
from policies.log_proofs import ConsistencyProof, InclusionProof
from policies.predicates import Grant
from policies.strict_json import encode
from policies.trust_root import Person, Service, ServiceKind, TrustRoot
from store.merkle import MemoryTree, consistency_proof, inclusion_proof, leaf_hash
from tests.conftest import REPOSITORY
from tests.fuzz.launch_seeds import launch_seeds
from tests.unit.policies.memory_log import AT, ORIGIN, Holder
from tests.unit.policies.test_commit_signature import EDWARDS, PAYLOAD, with_signature

FOLDER = Path(__file__).resolve().parent / "corpus"
VECTORS = REPOSITORY / "docs" / "statements"
POLICIES = REPOSITORY / "sample_data" / "policies"
CASES = REPOSITORY / "sample_data" / "policy_cases"
_NOT_OURS = "https://example.org/other/v1"


def seeds(target: str) -> list[tuple[str, bytes]]:
    """(name, bytes) of every seed of a target."""
    return [(p.name, p.read_bytes()) for p in sorted((FOLDER / target).iterdir())]


def made() -> dict[str, bytes]:
    """Path below the corpus -> bytes of every seed that is made from something."""
    vectors = {
        path.name.removesuffix(".vector.json"): json.loads(path.read_text())
        for path in sorted(VECTORS.glob("*.vector.json"))
    }
    files: dict[str, bytes] = {}
    for kind, vector in vectors.items():
        files[f"envelope/accepted-{kind}"] = vector["envelope"].encode()
        files[f"statement/accepted-{kind}"] = vector["payload"].encode()
    for path in sorted(POLICIES.glob("*.toml")):
        files[f"policy/accepted-{path.stem}"] = path.read_bytes()
    for path in sorted(CASES.glob("*.toml")):
        files[f"policy-cases/accepted-{path.name.partition('.')[0]}"] = (
            path.read_bytes()
        )
    request = vectors["request"]
    files |= _hostile_envelopes(json.loads(request["envelope"]))
    files |= _hostile_statements(request["payload"].encode())
    files |= _json() | _checkpoints() | _roots() | _policies() | _manifests()
    files |= _cases() | _commits() | _projects() | _plans() | launch_seeds()
    return files | _keys() | _zips() | _proofs() | _public_lines() | _events()


def _events() -> dict[str, bytes]:
    run = {"runId": "3f9c0000-0000-4000-8000-000000000001"}
    job = {"namespace": "n", "name": "j"}
    head = {
        "eventTime": "2026-01-02T03:04:05Z",
        "eventType": "COMPLETE",
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
    }
    good: dict[str, Any] = {**head, "run": run, "job": job}
    column = {"inputFields": [{"namespace": "s3://b", "name": "raw", "field": "a"}]}
    names = [{"namespace": "hive://u:p@h", "name": "db.t", "type": "TABLE"}]
    check = {"assertion": "not_null", "column": "a", "success": True}
    data = {
        "namespace": "s3://b",
        "name": "mart",
        "facets": {
            "version": {"datasetVersion": "v7"},
            "schema": {"fields": [{"name": "a", "type": "INT"}]},
            "symlinks": {"identifiers": names},
            "columnLineage": {"fields": {"a": column}},
            "gone": {"_deleted": True},
        },
        "outputFacets": {"outputStatistics": {"rowCount": 7}},
        "inputFacets": {"dataQualityAssertions": {"assertions": [check]}},
    }
    rich = good | {
        "run": run
        | {
            "facets": {
                "parent": {"run": {"runId": run["runId"][:-1] + "2"}, "job": job},
                "executionParameters": {"parameters": [{"key": "a", "value": 1.5}]},
                "tags": {"tags": [{"key": "api_key", "value": "hunter2"}]},
            }
        },
        "job": job
        | {
            "facets": {
                "sourceCodeLocation": {"version": "ab" * 20},
                "lineage": {"entries": [data | {"type": "DATASET", "inputs": []}]},
            }
        },
        "inputs": [data, {"name": "raw"}],
        "outputs": [data],
    }
    bodies = {
        "accepted-plain": encode(good),
        "accepted-rich": json.dumps(rich).encode(),
        "accepted-job-alone": encode(head | {"job": job}),
        "accepted-dataset-alone": json.dumps(head | {"dataset": data}).encode(),
        "accepted-year-one": encode(
            good | {"eventTime": "0001-01-01T00:00:00+23:59", "eventType": 7}
        ),
        "accepted-wrong-types": encode(
            good | {"eventTime": [1], "producer": {}, "schemaURL": 7, "inputs": None}
        ),
        "accepted-key-twice": encode(good)[:-1] + b',"run":' + encode(run) + b"}",
        "accepted-not-a-number": encode(good)[:-1] + b',"x":[NaN,1e999,-Infinity]}',
        "accepted-a-lone-surrogate": encode(good)[:-1] + b',"x":"\\ud800"}',
        "accepted-facets-of-every-type": json.dumps(
            good | {"run": run | {"facets": {"a": 1, "b": [None], "c": "x", "d": None}}}
        ).encode(),
        "refused-run-is-no-uuid": encode(good | {"run": {"runId": "run_id"}}),
        "refused-no-job": encode(head | {"run": run}),
        "refused-nothing-in-it": encode(head),
        "refused-inputs-are-no-list": encode(good | {"inputs": {"name": "x"}}),
        "refused-deep": encode(good)[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        "refused-raw-surrogate": encode(good)[:-1] + b',"x":"\xed\xa0\x80"}',
        "refused-bad-utf8": encode(good)[:-1] + b',"x":"\xff"}',
        "refused-a-list": b"[]",
        "refused-nothing": b"",
    }
    return {f"event/{name}": body for name, body in bodies.items()}


def _commits() -> dict[str, bytes]:
    signed = with_signature(PAYLOAD, EDWARDS.sshsig(PAYLOAD, b"git"))
    again = signed.partition(b"gpgsig ")[2].partition(b"\n\n")[0]
    return {
        "commit/accepted-signed": signed,
        "commit/accepted-signed-for-both-hashes": signed.replace(
            b"gpgsig ", b"gpgsig-sha256 " + again + b"\ngpgsig ", 1
        ),
        "commit/refused-not-signed": PAYLOAD,
        "commit/refused-signed-twice": signed.replace(
            b"gpgsig ", b"gpgsig " + again + b"\ngpgsig ", 1
        ),
        "commit/refused-changed": signed.replace(b"Ann", b"Eve", 1),
        "commit/refused-for-a-file": with_signature(
            PAYLOAD, EDWARDS.sshsig(PAYLOAD, b"file")
        ),
        "commit/refused-openpgp": PAYLOAD.replace(
            b"\n\n", b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n\n", 1
        ),
        "commit/refused-cut-short": signed[:200],
        "commit/refused-nothing": b"",
    }


def _hostile_envelopes(good: dict[str, Any]) -> dict[str, bytes]:
    signature = good["signatures"][0]
    payload = good["payload"]
    changes: dict[str, dict[str, Any]] = {
        "two-signatures": {"signatures": [signature, signature]},
        "no-signature": {"signatures": []},
        "other-payload-type": {"payloadType": "application/json"},
        "url-safe-base64": {"payload": payload.replace("e", "-", 1)},
        "base64-with-a-line-break": {"payload": payload[:8] + "\n" + payload[8:]},
        "unpadded-base64": {"signatures": [{"keyid": "k", "sig": "QQ"}]},
        "base64-in-a-second-spelling": {"signatures": [{"keyid": "k", "sig": "QR=="}]},
        "payload-is-a-list": {"payload": [payload]},
        "one-field-more": {"extra": 1},
        "long-key-hint": {"signatures": [signature | {"keyid": "k" * 129}]},
    }
    files = {
        f"envelope/refused-{name}": encode(good | change)
        for name, change in changes.items()
    }
    body = encode(good)
    files["envelope/refused-payload-twice"] = body[:-1] + b',"Payload":"QQ=="}'
    files["envelope/refused-trailing-text"] = body + b"{}"
    files["envelope/refused-too-large"] = encode(good | {"payload": "A" * 66_000})
    files["envelope/accepted-no-statement-inside"] = encode(good | {"payload": "QQ=="})
    files["envelope/accepted-hint-with-an-escape"] = encode(
        good | {"signatures": [signature | {"keyid": "\x1b]52;c;"}]}
    )
    return files


def _hostile_statements(good: bytes) -> dict[str, bytes]:
    value = json.loads(good)
    body = value["predicate"]
    changes: dict[str, dict[str, Any]] = {
        "other-outer-type": {"_type": "https://in-toto.io/Statement/v0.1"},
        "two-subjects": {"subject": value["subject"] * 2},
        "no-subject": {"subject": []},
        "type-of-another": {"predicateType": _ours("approval")},
        "unknown-field": {"predicate": body | {"surprise": 1}},
        "signer-with-an-escape": {"predicate": body | {"by": "p-1\x1b[2J"}},
        "signer-in-cyrillic": {"predicate": body | {"by": "\u0440-1"}},
        "digest-in-capitals": {"predicate": body | {"policy": "A" * 64}},
        "negative-size": {"predicate": body | {"log": body["log"] | {"size": -1}}},
        "size-as-truth": {"predicate": body | {"log": body["log"] | {"size": True}}},
        "null-reason": {"predicate": body | {"reason": None}},
    }
    files = {
        f"statement/refused-{name}": encode(value | change)
        for name, change in changes.items()
    }
    unknown = {"predicateType": _NOT_OURS, "predicate": {"anything": 1}}
    files["statement/accepted-of-a-type-not-ours"] = encode(value | unknown)
    later = {"predicateType": _ours("request").replace("/v1", "/v2")}
    files["statement/accepted-of-a-later-version"] = encode(value | later)
    files["statement/accepted-spaced"] = json.dumps(value, indent=2).encode()
    return files


def _ours(short: str) -> str:
    return f"https://countersign.dev/attestation/{short}/v1"


def _json() -> dict[str, bytes]:
    documents = {
        "accepted-plain": b'{"a":[1,"\xc3\xa9",null,true,{"b":-9007199254740992}]}',
        "accepted-minus-nought": b'{"a":-0}',
        "accepted-a-pair-of-surrogates": b'{"a":"\\ud83d\\ude00"}',
        "accepted-brackets-in-text": b'{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[["}',
        "refused-a-list": b"[]",
        "refused-a-lone-surrogate": b'{"a":"\\udc00"}',
        "refused-raw-surrogate": b'{"a":"\xed\xa0\x80"}',
        "refused-overlong-utf8": b'{"a":"\xc0\xaf"}',
        "refused-byte-order-mark": b"\xef\xbb\xbf{}",
        "refused-utf-16": '{"a":1}'.encode("utf-16"),
        "refused-key-twice": b'{"a":1,"\\u0061":2}',
        "refused-key-twice-in-another-case": "{'stra\u00dfe':1,'STRASSE':2}".replace(
            "'", '"'
        ).encode(),
        "refused-float": b'{"a":1e2}',
        "refused-not-a-number": b'{"a":NaN}',
        "refused-large-number": b'{"a":9007199254740993}',
        "refused-very-large-number": b'{"a":' + b"9" * 5_000 + b"}",
        "refused-deep-lists": b'{"a":' + b"[" * 30_000,
        "refused-deep-objects": b'{"a":' * 10_000,
        "refused-control-character": b'{"a":"\n"}',
        "refused-backslashes": b'{"' + b"\\" * 9_999 + b'"}',
        "refused-nothing": b"",
    }
    return {f"json/{name}": data for name, data in documents.items()}


def _checkpoints() -> dict[str, bytes]:
    log = Holder("log", 9)
    good = sign_checkpoint(ORIGIN, 20_852_163, b"\x11" * 32, log.key, log.sign)
    body, _, line = good.partition(b"\n\n")
    size, root = body.split(b"\n")[1:]
    changes = {
        "accepted-one-signature": good,
        "accepted-another-signer-too": good + line.replace(b"countersign", b"witness"),
        "accepted-empty-tree": sign_checkpoint(
            ORIGIN, 0, b"\x22" * 32, log.key, log.sign
        ),
        "refused-no-signature": body + b"\n\n",
        "refused-cut-short": good[:-1],
        "refused-extension-line": body + b"\nextension\n\n" + line,
        "refused-leading-nought": good.replace(size, b"0" + size, 1),
        "refused-negative-size": good.replace(size, b"-" + size, 1),
        "refused-size-in-other-digits": good.replace(size, "\u0661\u0662".encode(), 1),
        "refused-size-of-5000-digits": good.replace(size, b"9" * 5_000, 1),
        "refused-short-root": good.replace(root, base64.b64encode(b"\x11" * 31), 1),
        "refused-hyphen-for-dash": good.replace("\u2014".encode(), b"-"),
        "refused-short-signature": body + "\n\n\u2014 log QUJD\n".encode(),
        "refused-too-large": good + line * 400,
        "refused-carriage-returns": good.replace(b"\n", b"\r\n"),
    }
    return {f"checkpoint/{name}": data for name, data in changes.items()}


def _roots() -> dict[str, bytes]:
    people = tuple(
        Person(holder.id, "0" * 64, (holder.key,), (f"git:{holder.id}@x",), grants)
        for holder, grants in (
            (Holder("ana", 1), (Grant("root"), Grant("policy"))),
            (Holder("ben", 2), (Grant("root"), Grant("enroller", ("fraud*",)))),
        )
    )
    services = (Service("log", ServiceKind.LOG, (Holder("log", 9).key,)),)
    root = TrustRoot(ORIGIN, 1, AT, False, 2, 1, people, services)
    value = json.loads(root.to_bytes())
    ana, ben = value["people"]
    low = base64.b64encode(
        bytes.fromhex("302a300506032b6570032100") + b"\x01" + bytes(31)
    ).decode()
    changes: dict[str, dict[str, Any]] = {
        "accepted-two-people": {},
        "refused-threshold-nobody-meets": {"thresholds": {"root": 3, "policy": 1}},
        "refused-threshold-of-nought": {"thresholds": {"root": 0, "policy": 1}},
        "refused-one-key-for-two": {"people": [ana, ben | {"keys": ana["keys"]}]},
        "refused-ids-alike": {"people": [ana, ben | {"id": "ANA"}]},
        "refused-one-identity-for-two": {
            "people": [ana, ben | {"identities": ["GIT:ana@x"]}]
        },
        "refused-key-of-low-order": {
            "people": [ana, ben | {"keys": [{"algorithm": "ed25519", "spki": low}]}]
        },
        "refused-key-of-another-kind": {
            "people": [
                ana,
                ben | {"keys": [ben["keys"][0] | {"algorithm": "ecdsa-p256-sha256"}]},
            ]
        },
        "refused-nobody": {"people": []},
        "refused-another-schema": {"schema": "countersign/trust-root/v2"},
    }
    return {
        f"trust-root/{name}": encode(value | change) for name, change in changes.items()
    }


def _cases() -> dict[str, bytes]:
    head = 'schema = "countersign/policy-cases/v1"\npolicy = "p.toml"\n'
    case = '[[cases]]\nname = "one"\nverdict = "yes"\n'
    documents = {
        "accepted-one": head + case,
        "accepted-quoted-names": head + '[good.metrics]\n"a/b:c" = "1"\n' + case,
        "accepted-nobody": head + case + "votes = []\ncontext.trainers = []\n",
        "refused-no-case": head,
        "refused-inline-cases": head + "cases = 1\n",
        "refused-unknown-field": head + case + "surprise = 1\n",
        "refused-unknown-item": head + case + "evidence.nothing.at = 1\n",
        "refused-a-date": head + case + "evidence.model.version = 2030-01-01\n",
        "refused-a-huge-number": head + case + f"evidence.model.version = {'9' * 900}",
        "refused-no-day": head + case + 'at = "2030-02-30T00:00:00Z"\n',
        "refused-a-float": head + case + "metrics = { rmse = 1.5 }\n",
        "refused-twice": head + case + case,
    }
    return {f"policy-cases/{name}": text.encode() for name, text in documents.items()}


def _policies() -> dict[str, bytes]:
    good = min(POLICIES.glob("*.toml")).read_bytes()
    documents = {
        "refused-nothing": b"",
        "refused-no-rules": good.partition(b"[[rules]]")[0],
        "refused-unknown-field": b'surprise = "x"\n' + good,
        "refused-float": good.replace(b'at_most = "55.0"', b"at_most = 55.0"),
        "refused-infinite": good.replace(b'"55.0"', b'"Infinity"'),
        "refused-not-toml": b"[[[[",
        "refused-not-utf-8": good.replace(b"diabetes-production", b"\xff\xfe"),
        "refused-deep": b"a = " + b"[" * 3_000,
        "refused-long-number": b"version = " + b"9" * 5_000 + b"\n",
        "refused-deep-table": b"[" + b"a." * 5_000 + b"a]\n",
    }
    return {f"policy/{name}": data for name, data in documents.items()}


def _manifests() -> dict[str, bytes]:
    item = ItemReference("metrics", "0" * 64, "mlflow", "p-1", AT)
    good = json.loads(EvidenceManifest((item,)).to_bytes())
    changes: dict[str, dict[str, Any]] = {
        "accepted-one-item": {},
        "accepted-no-item": {"items": []},
        "refused-no-digest": {"items": [good["items"][0] | {"digest": ""}]},
        "refused-item-is-text": {"items": ["metrics"]},
        "refused-more": {"more": 1},
    }
    return {
        f"manifest/{name}": encode(good | change) for name, change in changes.items()
    }


def _proofs() -> dict[str, bytes]:
    log = Holder("log", 9)
    tree = MemoryTree([leaf_hash(b"%d" % number) for number in range(11)])
    head = read_checkpoint(sign_checkpoint(ORIGIN, 11, tree.root(), log.key, log.sign))
    nodes = tuple(inclusion_proof(3, 11, tree.read))
    inclusion = InclusionProof(3, nodes, head).to_bytes()
    steps = tuple(consistency_proof(6, 11, tree.read))
    consistency = ConsistencyProof(6, steps, head).to_bytes()
    files = {
        "inclusion-proof/accepted-leaf-3-of-11": inclusion,
        "inclusion-proof/refused-one-hash-less": InclusionProof(
            3, nodes[1:], head
        ).to_bytes(),
        "inclusion-proof/refused-index-of-5000-digits": inclusion.replace(
            b"index 3", b"index " + b"9" * 5_000
        ),
        "inclusion-proof/refused-outside-the-tree": inclusion.replace(
            b"index 3", b"index 11"
        ),
        "inclusion-proof/refused-no-checkpoint": inclusion.partition(b"\n\n")[0],
        "consistency-proof/accepted-6-to-11": consistency,
        "consistency-proof/refused-one-hash-more": ConsistencyProof(
            6, (*steps, steps[0]), head
        ).to_bytes(),
        "consistency-proof/refused-an-inclusion-proof": inclusion,
        "consistency-proof/refused-nothing": b"",
    }
    return files


def _public_lines() -> dict[str, bytes]:
    raw = Holder("ana", 1).key.raw_ed25519
    blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + raw
    text = base64.b64encode(blob)
    token = b"sk-ssh-ed25519@openssh.com"
    of_token = b"\x00\x00\x00\x1a" + token + blob[15:] + b"\x00\x00\x00\x04ssh:"
    long = base64.b64encode(b"\xff\xff\xff\xffssh-ed25519")
    lines = {
        "accepted-ed25519": b"ssh-ed25519 " + text + b" ana@example.org\n",
        "accepted-token": token + b" " + base64.b64encode(of_token) + b" ana\n",
        "accepted-comment-with-an-escape": b"ssh-ed25519 " + text + b" \x1b]52;c;\n",
        "refused-length-of-4-gib": b"ssh-ed25519 " + long + b"\n",
        "refused-kinds-that-differ": token + b" " + text + b"\n",
        "refused-rsa": b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== x\n",
        "refused-nothing": b"",
        "refused-cut-short": b"ssh-ed25519 " + text[:40] + b"\n",
    }
    return {f"public-line/{name}": data for name, data in lines.items()}


def _keys() -> dict[str, bytes]:
    prefix = bytes.fromhex("302a300506032b6570032100")
    curve = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
    point = bytes.fromhex(
        "04aaec73635726f213fb8a9e64da3b8632e41495a944d0045b522eba7240fad5"
        "87d9315798aaa3a5ba01775787ced05eaaf7b4e09fc81d6d1aa546e8365d525d"
    )
    keys = {
        "accepted-ed25519": Holder("ana", 1).key.spki,
        "accepted-p256": curve + b"\x04" + point,
        "refused-p256-off-the-curve": curve + b"\x04" + point[:-1] + b"\x00",
        "refused-p256-compressed": curve + b"\x02" + point,
        "refused-p256-infinity": curve + bytes(65),
        "refused-ed25519-identity": prefix + b"\x01" + bytes(31),
        "refused-ed25519-not-canonical": prefix + b"\xee" + b"\xff" * 30 + b"\x7f",
        "refused-one-byte-more": Holder("ana", 1).key.spki + b"\x00",
        "refused-rsa": bytes.fromhex(
            "30820122300d06092a864886f70d01010105000382010f00"
        ),
    }
    return {f"key/{name}": data for name, data in keys.items()}


def _projects() -> dict[str, bytes]:
    sample = REPOSITORY / "sample_data" / "training" / "MLproject"
    head = b"entry_points: {main: {command: "
    files = {
        "accepted-sample": sample.read_bytes(),
        "accepted-braces": head + b"'{{x}} {y', parameters: {y: path}}}",
        "refused-alias": b"a: &a {main: {command: x}}\nentry_points: *a",
        "refused-python-object": head + b"!!python/name:os.system x}}",
        "refused-container": b"docker_env: {image: x}\n" + head + b"x}}",
        "refused-unknown-type": head + b"x, parameters: {y: date}}}",
        "refused-number-as-name": b"entry_points: {1: {command: x}}",
        "refused-nothing": b"",
        "refused-deep": b"[" * 150,
    }
    return {f"mlproject/{name}": data for name, data in files.items()}


def _plans() -> dict[str, bytes]:
    plan = LaunchPlan(
        backend="local",
        place="local/1",
        pipeline="train",
        project="/srv/train",
        code=Code(commit="a" * 40, is_dirty=False),
        steps=(PlannedStep("main", ("sh", "-c", "true"), (("alpha", "0.5"),)),),
        inputs=(PlannedFile("data", "data.csv", "b" * 64, 3),),
    )
    good = plan.to_bytes()
    found = Resolved("TrainingRuntime", "torch", "u-1", 3, "c" * 64)
    leading = replace(plan, manifest=("{}",), resolved=(found,)).to_bytes()
    files = {
        "accepted-one-step": good,
        "accepted-runtime": leading,
        "refused-generation-as-text": leading.replace(b": 3,", b': "3",', 1),
        "refused-runtime-of-nothing": leading.replace(b'"u-1"', b"null"),
        "accepted-no-step": replace(plan, steps=()).to_bytes(),
        "refused-other-spacing": good.replace(b": ", b":  ", 1),
        "refused-other-order": json.dumps(json.loads(good)).encode(),
        "refused-field-too-many": good.replace(b"{", b'{"surprise": 1,', 1),
        "refused-field-of-another-kind": good.replace(b'"/srv/train"', b"7"),
        "refused-flag-as-number": good.replace(b"false", b"0"),
        "refused-other-schema": good.replace(b"launch-plan/v1", b"launch-plan/v2"),
        "refused-list": b"[]",
        "refused-nothing": b"",
    }
    return {f"launch-plan/{name}": data for name, data in files.items()}


def _zips() -> dict[str, bytes]:
    good = _zip({"log/entry/000": b"{}", "export.json": b"{}"})
    files = {
        "accepted-two-members": good,
        "accepted-nothing-in-it": _zip({}),
        "refused-a-way-out": _zip({"../x": b"x"}),
        "refused-an-absolute-name": _zip({"/x": b"x"}),
        "refused-alike-in-another-case": _zip({"x": b"1", "X": b"2"}),
        "refused-compressed": _zip({"x": bytes(9_999)}, zipfile.ZIP_DEFLATED),
        "refused-cut-short": good[:-9],
        "refused-size-that-lies": good.replace(
            b"\x02\x00\x00\x00", b"\xff\xff\xff\x7f"
        ),
        "refused-no-zip": b"not a zip",
    }
    return {f"audit-file/{name}": data for name, data in files.items()}


def _zip(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", how) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = how
            archive.writestr(info, data)
    return target.getvalue()


if __name__ == "__main__":
    for name, data in made().items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_bytes(data)
