"""Facts that a case starts from: a well recorded version that everybody approved.

Digests, names and times here are made up; a case overrides what it is about.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from policies.document import Policy, Quorum
from policies.evidence import (
    KINDS,
    ArtifactItem,
    CommitUse,
    DatasetUse,
    Evidence,
    FileDigest,
    IncumbentItem,
    LineageItem,
    MetricsItem,
    ModelItem,
)
from policies.evidence_data import DataItem, DataProfile
from policies.evidence_origins import (
    Account,
    Collector,
    CommitBranches,
    DatasetName,
    Derivation,
    Known,
    OriginsItem,
)
from policies.predicates import Decision
from policies.rules.context import Context, ModelStanding
from policies.rules.origins import PROVENANCE
from policies.rules.people import Vote
from policies.rules.readings import Reading
from policies.rules.strength import SAID_BY_THE_RUN

HOLDOUT = "holdout"
_TRAIN, _EVALUATION, _SOURCE = (f"sha256:{digit * 64}" for digit in "568")
_MANIFEST, _EARLIER = "a" * 64, "b" * 64
_FILES = (
    FileDigest("MLmodel", "1" * 64, 512),
    FileDigest("model.onnx", "2" * 64, 4096),
)
_COMMITS = (CommitUse("c" * 40, True, ("git:author@example.org",)),)
_UNMEASURED = MetricsItem((), ())


def good_evidence() -> Evidence:
    """Everything that is looked for is recorded, and nothing is measured yet."""
    return Evidence(
        model=ModelItem(
            "version:2", "cases", "model", "2", "", _MANIFEST, _FILES, True
        ),
        lineage=LineageItem(
            run_key="run:2",
            run_status="FINISHED",
            datasets=_datasets(HOLDOUT),
            commits=_COMMITS,
            is_dirty=False,
            evaluation_dataset=HOLDOUT,
            lock_digest="3" * 64,
            features_digest="4" * 64,
            trainers=("mlflow:trainer",),
            gaps=(),
        ),
        measured=_UNMEASURED,
        incumbent=IncumbentItem(
            version_key="version:1",
            version="1",
            manifest=_EARLIER,
            measured=_UNMEASURED,
            datasets=_datasets(HOLDOUT),
            commits=_COMMITS,
            evaluation_dataset=HOLDOUT,
            files=_FILES,
        ),
        artifact=ArtifactItem(True, _MANIFEST, ()),
        data=DataItem(
            tuple(
                DataProfile(digest, 1_000_000, ()) for digest in (_TRAIN, _EVALUATION)
            )
        ),
        origins=_origins(HOLDOUT),
    )


def evaluated_on(evidence: Evidence, name: str) -> Evidence:
    """The same, with both versions measured on a dataset of that name."""
    return replace(
        evidence,
        lineage=replace(
            evidence.lineage, datasets=_datasets(name), evaluation_dataset=name
        ),
        incumbent=replace(
            evidence.incumbent, datasets=_datasets(name), evaluation_dataset=name
        )
        if evidence.incumbent.exists
        else evidence.incumbent,
        origins=_origins(name),
    )


def empty_stage(evidence: Evidence) -> Evidence:
    """The same, with no version in the stage."""
    return replace(
        evidence,
        incumbent=IncumbentItem("", "", "", _UNMEASURED, (), (), "", ()),
    )


def good_context(now: datetime) -> Context:
    """The requester, trainer and author are three people whom everybody knows."""
    return Context(
        requester="requester",
        trainers=frozenset({"trainer"}),
        authors=frozenset({"author"}),
        unknown_trainers=(),
        unknown_authors=(),
        now=now,
        readings=tuple(
            Reading(kind, "requester", frozenset(), True, now - timedelta(minutes=1))
            for kind in KINDS
        ),
        model=ModelStanding(
            "owner", True, "high", ("none",), now + timedelta(days=365), "owner"
        ),
    )


def good_votes(policy: Policy, now: datetime) -> tuple[Vote, ...]:
    """As many people as each quorum wants approved a minute ago, in its order."""
    signed = now - timedelta(minutes=1)
    wanted = [(q.role, n) for q in in_order(policy) for n in range(1, q.count + 1)]
    return tuple(
        Vote(
            person=f"{role}-{number}-{place}",
            name=f"{role} {number}",
            role=role,
            holds_role=True,
            decision=Decision.APPROVE,
            index=place,
            expires=expiry(policy, role, signed),
        )
        for place, (role, number) in enumerate(wanted, 1)
    )


def in_order(policy: Policy) -> list[Quorum]:
    """The quorums, each behind those that must have approved before it."""
    ordered: list[Quorum] = []
    waiting = list(policy.quorums)
    while waiting:
        roles = {quorum.role for quorum in waiting}
        free = [q for q in waiting if not roles & set(q.after)]
        ordered += free or waiting
        waiting = [q for q in waiting if q not in ordered]
    return ordered


def expiry(policy: Policy, role: str, signed: datetime) -> datetime | None:
    """When an approval in a role lapses by the policy."""
    limits = [
        signed + timedelta(days=quorum.expires_after_days)
        for quorum in policy.quorums
        if quorum.role == role
    ]
    return min(limits, default=None)


def _origins(evaluated: str) -> OriginsItem:
    """A service read everything again; one run split the data from one source."""
    return OriginsItem(
        run_ended="2029-12-31T12:00:00Z",
        image_digest="sha256:" + "7" * 64,
        accounts=tuple(
            Account(requirement, "", Known.BY_SERVICE)
            for requirement in PROVENANCE
            if requirement not in SAID_BY_THE_RUN
        ),
        branches=(CommitBranches(_COMMITS[0].sha, ("main",), ("main",)),),
        derivations=(Derivation("run:split", (_SOURCE,), (_TRAIN, _EVALUATION)),),
        names=(
            DatasetName(_TRAIN, "train"),
            DatasetName(_EVALUATION, evaluated),
            DatasetName(_SOURCE, "source"),
        ),
        collectors=(Collector("service", True),),
    )


def _datasets(evaluated: str) -> tuple[DatasetUse, ...]:
    return (
        DatasetUse("train", _TRAIN, "training", "declared"),
        DatasetUse(evaluated, _EVALUATION, "evaluation", "declared"),
    )
