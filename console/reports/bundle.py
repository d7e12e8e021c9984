"""The auditor's file: one deterministic zip, made from a log and its objects.

Everything in it but the log, the objects, the checkpoint and its parameters can be
made again from those, so verification makes the whole file again and compares bytes.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from console.reports.audit_html import render_html
from console.reports.audit_report import Scope, UnusableBatch, build_report
from console.reports.foreign_verifiers import bundle_readme
from console.reports.statement_files import (
    allowed_signers,
    log_verifier_keys,
    proof_material,
    public_key_pem,
)
from console.reports.whole_log import WholeLog
from console.services.opened import OpenStore
from console.services.proofs import inclusion_text
from console.services.unusable_batches import unusable_batches
from console.services.words import named_objects
from console.version import VERSION
from policies.checkpoint import read_checkpoint
from policies.errors import PolicyError
from policies.evidence_reading import read_manifest
from policies.predicates import (
    Endorsement,
    Request,
)
from policies.statements import Statement
from policies.strict_json import encode
from policies.trust_root import read_trust_root
from store.backend import entry_path
from store.errors import StoreDamaged
from store.objects import Objects, sha256_hex

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
    unusable_batches: tuple[UnusableBatch, ...] = ()
    """As its maker found them: the file holds no batches to tell it from."""

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
                "unusable_batches": [
                    {"entry": b.entry, "digest": b.digest, "reason": b.reason}
                    for b in self.unusable_batches
                ],
            }
        )


def bundle_files(
    log: WholeLog, parameters: Parameters, checkpoint: bytes
) -> dict[str, bytes]:
    """Every member of the file by its path.

    Raises:
        StoreError: an entry is missing or damaged.
    """
    report = build_report(
        log, parameters.scope, parameters.created_at, parameters.unusable_batches
    )
    files: dict[str, bytes] = {
        PARAMETERS: parameters.to_bytes(),
        CHECKPOINT: checkpoint,
        "report.json": _pretty(report),
        "report.html": render_html(report),
        "README.txt": _readme(report),
        **_log_files(log, checkpoint),
        **_statement_files(log),
        **_object_files(log),
        **allowed_signers((p.owner, p.key) for p in log.state.periods),
    }
    for public in sorted(log.state.keys_ever(), key=lambda key: key.id):
        files[f"keys/{public.id}.pem"] = public_key_pem(public)
    files["MANIFEST.json"] = _manifest(files)
    return files


def _log_files(log: WholeLog, checkpoint: bytes) -> dict[str, bytes]:
    """Every entry as it is stored, its proof, and the key of the log."""
    size = read_checkpoint(checkpoint).size
    if size != len(log.indexed):
        raise StoreDamaged(
            f"{CHECKPOINT} is over {size} entries; there are {len(log.indexed)}",
            hint="Make a new checkpoint: countersign log checkpoint",
        )
    files = {"log/vkey": log_verifier_keys(log.store)}
    for entry in log.indexed:
        files[f"log/{entry_path(entry.index)}"] = log.entry_bytes(entry.index)
        files[f"log/proof/{entry.index:06d}.tlog-proof"] = inclusion_text(
            log.store, entry.index, checkpoint, read_node=log.tree.read
        )
    return files


def _statement_files(log: WholeLog) -> dict[str, bytes]:
    """What other people's tools verify, for every accepted statement."""
    files = {}
    for signed in log.signed():
        for name, content in proof_material(signed).items():
            files[f"statements/{name}"] = content
        files[f"statements/{signed.stem}.key"] = f"{signed.key.id}\n".encode()
    return files


def _object_files(log: WholeLog) -> dict[str, bytes]:
    """The documents that statements name, and those that these name."""
    objects = log.store.objects
    wanted = set(named_objects(log.store, batches=False))
    for signed in log.signed():
        wanted |= _named_in_objects(signed.statement, objects)
    found = ((digest, objects.find(digest)) for digest in sorted(wanted))
    return {f"object/{digest}": data for digest, data in found if data is not None}


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
    unusable = tuple(
        UnusableBatch(batch.entry, batch.digest, batch.reason)
        for batch in unusable_batches(store)
    )
    parameters = Parameters(created, scope, unusable_batches=unusable)
    with store.objects.remembering(), _collector_resting():
        return write_zip(bundle_files(WholeLog(store), parameters, checkpoint))


@contextlib.contextmanager
def _collector_resting() -> Iterator[None]:
    """Nothing made for the file refers to itself; looking for such takes long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _pretty(value: dict[str, Any]) -> bytes:
    """JSON with a line for each field and each item of a list: greps and diffs well."""
    lines = (
        f"{json.dumps(name)}: {_line_each(inner)}"
        for name, inner in sorted(value.items())
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _line_each(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(json.dumps(v, sort_keys=True) for v in value) + "\n]"
    return json.dumps(value, sort_keys=True)


def _named_in_objects(statement: Statement, objects: Objects) -> set[str]:
    """Items of an evidence manifest, profiles of a trust root, that it names.

    What is no such document names nothing: a requester may have put anything there.
    """
    try:
        match statement.predicate:
            case Request(evidence=evidence):
                data = objects.find(evidence)
                if data is not None:
                    return {item.digest for item in read_manifest(data).items}
            case Endorsement(name="", digest=digest):
                root = objects.find(digest)
                if root is not None:
                    return {person.profile for person in read_trust_root(root).people}
    except PolicyError:
        return set()
    return set()


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
  and every launch judged again from its own evidence, policy and people comes out as
  recorded.

VERIFY IT WITHOUT US
{bundle_readme()}

WHAT IT DOES NOT CLAIM
{chr(10).join("  - " + claim for claim in report["non_claims"])}
""".encode()
