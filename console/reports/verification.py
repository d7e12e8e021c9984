"""Verifying an auditor's file: no store, no network, nothing of its maker trusted.

The log in it is judged from its first byte against the pinned anchor, every promotion
is judged again, and the whole file is made again and compared byte by byte.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from console.reports.audit_report import Scope, UnusableBatch
from console.reports.bundle import (
    CHECKPOINT,
    PARAMETERS,
    Parameters,
    bundle_files,
    write_zip,
)
from console.reports.demands import (
    Demands,
    Witnessed,
    check_extends,
    check_witnesses,
    size_of,
    witnessed,
)
from console.reports.launches import (
    check_launches,
    ended_schedules,
    launch_doubts,
)
from console.reports.members import MemberBackend, members_of, read_zip
from console.reports.whole_log import WholeLog
from console.services.checkpoints import checked_checkpoint
from console.services.configuration import Configuration
from console.services.opened import OpenStore, read_origin
from console.services.places import Places
from console.services.problems import Refusal
from console.services.words import missing_objects
from policies.checkpoint import read_checkpoint
from policies.errors import PolicyError
from policies.predicates import PredicateType
from policies.strict_json import Fields, parse
from policies.verdict import Verdict
from store.errors import StoreError
from store.judgement import Judgement, Standing
from store.objects import sha256_hex


@dataclass(frozen=True, slots=True)
class Verified:
    """What verification found."""

    problems: tuple[str, ...]
    origin: str
    size: int
    root: str
    first_root: str
    promotions: int
    void_entries: int
    is_head_pinned: bool
    witnessed: tuple[Witnessed, ...] = ()
    extends: int | None = None
    """Entries of the earlier file, when one was given."""
    new_promotions: int = 0
    launches: int = 0
    doubts: tuple[str, ...] = ()
    """Launches that were allowed, and would not have been with what is known now."""
    ended_schedules: tuple[str, ...] = ()
    """Schedules that the log says are over, with who says so and when."""

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


_NO_DEMANDS = Demands()


def verify_file(path: Path, anchor: str, demands: Demands = _NO_DEMANDS) -> Verified:
    """Verify an auditor's file against the fingerprint of the first trust root.

    Raises:
        Refusal: it cannot be read at all, so nothing can be said of its parts.
    """
    data = read_zip(path)
    members = members_of(data)
    with tempfile.TemporaryDirectory() as folder:
        backend = MemberBackend(members)
        try:
            origin = read_origin(backend)
            places = Places(Path(folder), Path(folder))
            store = OpenStore(backend, origin, places, Configuration())
            store.catch_up()
        except (StoreError, PolicyError) as cause:
            raise Refusal(f"its log cannot be read: {cause}") from cause
        try:
            return _judge(store, members, data, anchor, demands)
        finally:
            store.close()


def _judge(
    store: OpenStore,
    members: dict[str, bytes],
    data: bytes,
    anchor: str,
    demands: Demands,
) -> Verified:
    problems: list[str] = []
    whole = cache(lambda: WholeLog(store))
    checkpoint = members.get(CHECKPOINT, b"")
    if store.first_root != anchor.strip().lower():
        problems.append(
            f"anchor: the log begins with the trust root {store.first_root or 'none'}, "
            f"not with {anchor}"
        )
    steps: tuple[Callable[[], list[str]], ...] = (
        lambda: _check_manifest(members),
        lambda: _check_checkpoint(store, members),
        lambda: _check_head(store, demands.head),
        lambda: check_witnesses(checkpoint, demands.witnesses),
        lambda: check_extends(store, demands.since),
        lambda: missing_objects(store, batches=False),
        lambda: _check_promotions(whole()),
        lambda: check_launches(whole()),
        lambda: _check_bytes(whole(), members, data),
    )
    for step in steps:
        try:
            problems += step()
        except (StoreError, PolicyError, Refusal, ValueError) as problem:
            problems.append(str(problem))
    judgements = [entry.judgement for entry in store.index.entries()]
    extends = None if demands.since is None else size_of(demands.since)
    found = store.log.head()
    return Verified(
        problems=tuple(dict.fromkeys(problems)),
        origin=store.origin,
        size=found.size,
        root=found.root,
        first_root=store.first_root,
        promotions=_promotions(judgements),
        void_entries=sum(j.standing.value == "void" for j in judgements),
        is_head_pinned=demands.head is not None,
        witnessed=witnessed(checkpoint, demands.witnesses),
        extends=extends,
        new_promotions=_promotions(judgements[extends or 0 :]),
        launches=0 if problems else len(whole().launches),
        doubts=()
        if problems
        else launch_doubts(whole(), _parameters(members).created_at),
        ended_schedules=() if problems else ended_schedules(whole()),
    )


def _promotions(judgements: list[Judgement]) -> int:
    """How many were carried out: what is launched or deployed is counted elsewhere."""
    return sum(
        j.predicate_type == PredicateType.PROMOTION_OUTCOME.value
        and j.standing is Standing.ACCEPTED
        for j in judgements
    )


def _check_manifest(members: dict[str, bytes]) -> list[str]:
    """Name every member that is not as its own list says, before anything else."""
    try:
        listed = json.loads(members.get("MANIFEST.json", b"{}"))["files"]
        recorded = {str(f["path"]): str(f["sha256"]) for f in listed}
    except (ValueError, KeyError, TypeError):
        return ["MANIFEST.json is missing or was changed"]
    return [
        f"{path} was changed"
        for path, data in sorted(members.items())
        if path != "MANIFEST.json" and recorded.get(path) != sha256_hex(data)
    ]


def _check_checkpoint(store: OpenStore, members: dict[str, bytes]) -> list[str]:
    data = members.get(CHECKPOINT)
    if data is None:
        return [f"{CHECKPOINT} is missing"]
    checked_checkpoint(store, data)
    size = read_checkpoint(data).size
    if size != store.index.size:
        return [f"{CHECKPOINT} is over {size} entries; there are {store.index.size}"]
    return []


def _check_head(store: OpenStore, head: bytes | None) -> list[str]:
    if head is not None:
        checked_checkpoint(store, head)
    return []


def _check_promotions(log: WholeLog) -> list[str]:
    problems = []
    for history in log.models.values():
        for slot, held in history.record.holders.items():
            for holder in held:
                judged = history.judged(holder, as_recorded=True)
                if judged.tree.verdict is not Verdict.YES:
                    wrong = next(
                        leaf
                        for leaf in judged.tree.leaves()
                        if leaf.verdict is not Verdict.YES
                    )
                    problems.append(
                        f"the promotion at entry {holder.intent.index} into {slot[1]} "
                        f"was not allowed: {wrong.rule}: {wrong.observed}"
                    )
    return problems


def _check_bytes(log: WholeLog, members: dict[str, bytes], data: bytes) -> list[str]:
    """Make the file again from its log, objects and parameters, and compare."""
    expected = bundle_files(log, _parameters(members), members.get(CHECKPOINT, b""))
    problems = [
        f"{path} is missing" for path in sorted(expected.keys() - members.keys())
    ]
    problems += [
        f"{path} does not belong in the file"
        for path in sorted(members.keys() - expected.keys())
    ]
    problems += [
        f"{path} was changed"
        for path in sorted(expected.keys() & members.keys())
        if expected[path] != members[path]
    ]
    if not problems and write_zip(expected) != data:
        problems.append("the zip container was changed around its members")
    return problems


def _unusable_batch(fields: Fields) -> UnusableBatch:
    batch = UnusableBatch(
        fields.integer("entry"), fields.digest("digest"), fields.text("reason")
    )
    fields.end()
    return batch


def _parameters(members: dict[str, bytes]) -> Parameters:
    fields = Fields(
        parse(members.get(PARAMETERS, b""), what=PARAMETERS), what=PARAMETERS
    )
    fields.text("schema", 64)
    parameters = Parameters(
        generator=fields.text("generator", 64),
        created_at=fields.filled_text("created_at", 64),
        scope=Scope(
            fields.text("model"), fields.text("since", 64), fields.text("until", 64)
        ),
        unusable_batches=tuple(
            _unusable_batch(batch) for batch in fields.objects("unusable_batches")
        ),
    )
    fields.end()
    return parameters
