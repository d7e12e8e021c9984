"""What is fuzzed: each reader of strangers' bytes, and what must hold of its answer.

A target says `accepted` or `refused`. Any error but the reader's own is a finding, and
so is an accepted input that does not survive being written and read again.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Callable

from connectors.errors import ConnectorError, MalformedInput
from connectors.git_facts import commit_facts
from connectors.openlineage_received import ReceivedEvents, Reception
from connectors.pipelines.mlproject import command_line, read_project
from connectors.pipelines.plans import read_plan
from connectors.protocols import KnownState
from connectors.signers.ssh_keygen import read_public_line
from console.reports.members import members_of
from console.services.problems import Refusal
from policies.authoring.case_reading import read_cases
from policies.authoring.case_running import run_case
from policies.authoring.case_writing import write_cases
from policies.authoring.cases import open_cases
from policies.authoring.changes import policy_changes
from policies.authoring.lint import lint
from policies.authoring.plain_words import policy_in_words
from policies.authoring.remarks import Linted
from policies.checkpoint import read_checkpoint
from policies.commit_signature import verify_commit
from policies.document_reading import read_policy
from policies.dsse import PAYLOAD_TYPE, pre_authentication_encoding, read_envelope
from policies.errors import MalformedStatement, PolicyError
from policies.evidence_reading import read_manifest
from policies.keys import public_key
from policies.log_proofs import read_consistency_proof, read_inclusion_proof
from policies.statements import Statement, read_statement
from policies.strict_json import encode, parse
from policies.trust_root import read_trust_root
from store.facts import Fact
from store.git_commit import commit_id, read_headers, read_signature
from store.identifiers import repository_key
from store.projection.admission import admit_batch
from store.projection.batches import batch_schema, batch_writer
from store.projection.fact_checks import UnusableBatch
from tests.conftest import REPOSITORY
from tests.fuzz.launch_targets import (
    check_launch_evidence,
    check_python_env,
    check_schedule,
    check_verdict,
)
from tests.worlds import NOON

FOR_CASES = read_policy(
    (REPOSITORY / "sample_data/policies/diabetes-production.toml").read_bytes()
)
"""The policy that fuzzed cases are about."""
ACCEPTED, REFUSED = "accepted", "refused"
Target = Callable[[bytes], None]


def check_json(data: bytes) -> None:
    """The strict reader agrees with the standard one on all that it accepts."""
    value = parse(data, what="fuzzed")
    assert value == json.loads(data)
    assert parse(encode(value), what="fuzzed", at_most=2**20) == value


def check_envelope(data: bytes) -> None:
    """An envelope is read back as it was written; its payload is read or refused."""
    envelope = read_envelope(data)
    assert read_envelope(envelope.to_bytes()) == envelope
    assert envelope.signed_bytes == pre_authentication_encoding(
        PAYLOAD_TYPE, envelope.payload
    )
    try:
        check_statement(envelope.payload)
    except MalformedStatement:
        return


def check_statement(data: bytes) -> None:
    """A statement is read back as it was written."""
    statement = read_statement(data)
    if isinstance(statement, Statement):
        assert read_statement(statement.to_payload()) == statement


def check_checkpoint(data: bytes) -> None:
    """What a checkpoint says is what stands in its first lines."""
    checkpoint = read_checkpoint(data)
    assert data.startswith(checkpoint.body + b"\n")
    assert read_checkpoint(checkpoint.to_bytes()) == checkpoint
    key = public_key(bytes.fromhex("302a300506032b6570032100") + b"\x05" * 32)
    assert not checkpoint.is_signed_by([key])


def check_inclusion(data: bytes) -> None:
    """A proof is read back as it was written."""
    proof = read_inclusion_proof(data)
    assert proof.to_bytes() == read_inclusion_proof(proof.to_bytes()).to_bytes()


def check_consistency(data: bytes) -> None:
    """A proof is read back as it was written."""
    proof = read_consistency_proof(data)
    assert proof.to_bytes() == read_consistency_proof(proof.to_bytes()).to_bytes()


def check_public_line(data: bytes) -> None:
    """A line of an authorized_keys file gives a key or is refused."""
    assert read_public_line(data, "fuzzed").kind


def check_trust_root(data: bytes) -> None:
    """A trust root is read back as it was written, and could change itself."""
    root = read_trust_root(data)
    assert read_trust_root(root.to_bytes()) == root
    holders = [p for p in root.people if p.keys and p.holds("root")]
    assert len(holders) >= root.root_threshold >= 1


def check_policy(data: bytes) -> None:
    """A policy that is read can be said, looked over, and given cases that pass."""
    policy = read_policy(data, path="fuzzed")
    assert policy.rules
    assert policy.quorums or policy.applies.is_for_launches
    assert policy_in_words(policy).startswith(f"# {policy.id}, version ")
    assert policy_changes(policy, policy) == ()
    lint(Linted(policy, data.decode(), "fuzzed"), NOON)
    cases = read_cases(open_cases(write_cases(policy, "fuzzed.toml").encode()), policy)
    assert all(run_case(case, policy).has_passed for case in cases)


def check_policy_cases(data: bytes) -> None:
    """Cases that are read can be run, and none is both met and not."""
    for case in read_cases(open_cases(data, path="fuzzed"), FOR_CASES):
        result = run_case(case, FOR_CASES)
        assert result.has_passed is not bool(result.differences)


def check_project(data: bytes) -> None:
    """Every entry point that is read gives a command, or says what it cannot put in."""
    project = read_project(data)
    assert project.entry_points
    for entry in project.entry_points.values():
        with contextlib.suppress(MalformedInput):
            command_line(entry, {p.name: "a b'c$(d)" for p in entry.parameters})


def check_launch_plan(data: bytes) -> None:
    """A plan is written byte for byte as it was read."""
    plan = read_plan(data)
    assert plan.to_bytes() == data
    assert all(isinstance(value, str) for _, value in plan.parameters)


def check_manifest(data: bytes) -> None:
    """A list of evidence is read back as it was written."""
    manifest = read_manifest(data)
    assert read_manifest(manifest.to_bytes()) == manifest


def check_key(data: bytes) -> None:
    """A key that is read verifies nothing that nobody signed, without an error."""
    key = public_key(data)
    assert not key.verifies(b"", b"")
    assert not key.verifies(data, data)
    assert not key.verifies(bytes(64), data)


def check_audit_file(data: bytes) -> None:
    """The members of a zip have plain names and lie in it whole."""
    for name, member in members_of(data).items():
        assert ".." not in name.split("/")
        assert not name.startswith("/")
        assert len(member) <= len(data)


def check_batch(data: bytes) -> None:
    """What is admitted as a batch of facts has its columns, and whole rows."""
    table = admit_batch(data, None)
    table.validate(full=True)
    assert table.schema == batch_schema()


def check_commit(data: bytes) -> None:
    """Any bytes are told as a commit; a signature that is good covers what it shows."""
    sha = commit_id(data, "0" * 40)
    told = list(commit_facts(sha, data, repository_key("fuzzed")))
    assert told[0].digest == sha
    good = verify_commit(sha, base64.b64encode(data).decode())
    assert told[1].actor == good.fingerprint
    signature = read_signature(data, sha)
    assert signature is not None
    assert read_signature(signature.payload, sha) is None
    assert read_headers(signature.payload) == read_headers(data)


def check_event(data: bytes) -> None:
    """An event that is taken says the same once it was kept, and makes a batch."""
    kept = Reception().accepted_event(data)
    assert Reception().accepted_event(kept) == kept
    assert _facts(data) == _facts(kept)
    target = io.BytesIO()
    with batch_writer(target) as writer:
        for table in ReceivedEvents("fuzzed", [data]).tables(KnownState(NOON)):
            writer.write_table(table)
    admit_batch(target.getvalue(), None)


def _facts(data: bytes) -> set[Fact]:
    """What one event says."""
    source = ReceivedEvents("fuzzed", [data])
    told = set(source.facts(KnownState(NOON)))
    assert not source.tally.refused
    return told


TARGETS: dict[str, Target] = {
    "json": check_json,
    "envelope": check_envelope,
    "statement": check_statement,
    "checkpoint": check_checkpoint,
    "inclusion-proof": check_inclusion,
    "consistency-proof": check_consistency,
    "public-line": check_public_line,
    "trust-root": check_trust_root,
    "policy": check_policy,
    "policy-cases": check_policy_cases,
    "manifest": check_manifest,
    "mlproject": check_project,
    "launch-plan": check_launch_plan,
    "launch-evidence": check_launch_evidence,
    "python-env": check_python_env,
    "schedule": check_schedule,
    "verdict": check_verdict,
    "key": check_key,
    "audit-file": check_audit_file,
    "batch": check_batch,
    "commit": check_commit,
    "event": check_event,
}


def verdict(target: str, data: bytes) -> str:
    """`accepted` or `refused`; whatever else happens is a finding and is raised."""
    try:
        TARGETS[target](data)
    except (PolicyError, ConnectorError, Refusal, UnusableBatch):
        return REFUSED
    return ACCEPTED
