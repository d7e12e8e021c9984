"""Random policies, facts and votes, from the declarations: repeatable by their seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

from policies.authoring.good_facts import empty_stage, good_context, good_evidence
from policies.document import Policy
from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.evidence import (
    ArtifactItem,
    CommitUse,
    DatasetUse,
    Evidence,
    FileChange,
    FileDigest,
    Metric,
    MetricsItem,
)
from policies.evidence_origins import (
    CommitBranches,
    Derivation,
    Known,
    OriginsItem,
)
from policies.predicates import Decision
from policies.rules import Context, Vote
from policies.rules.forms import Field, Holds
from policies.rules.kinds import RULE_KINDS
from tests.worlds import NOON

METRICS, COLUMNS, DATASETS = ("rmse", "auc"), ("sex", "age"), ("holdout", "train")
SLICES = ("", "sex:1", "sex:2", "age:old")
NUMBERS = ("0", "0.5", "1", "50", "50.0", "-1", "1e1")
VALUES = (*NUMBERS, "nan", "inf", "many", "")
ROLES = ("risk", "validator")
TEXTS = {
    "metric": METRICS,
    "column": COLUMNS,
    "dataset": DATASETS,
    "slice": SLICES[1:],
}


def random_policy(chance: Random, kinds: Sequence[str]) -> str:
    """The text of a policy with some of the kinds; it may be malformed."""
    rules = [
        _table("[[rules]]", {"id": f"r{n}", "kind": kind, **_fields(chance, kind)})
        for n, kind in enumerate(chance.choices(kinds, k=chance.randint(1, 4)))
    ]
    quorums = [
        _table("[[approvals]]", _quorum(chance, role))
        for role in chance.sample(ROLES, chance.randint(1, 2))
    ]
    if len(quorums) == 2 and chance.random() < 0.4:
        first = "risk" if 'role = "risk"' in quorums[0] else "validator"
        quorums[1] += f'after = ["{first}"]\n'
    if chance.random() < 0.5:
        fields: dict[str, object] = {
            "rejection": chance.choice(("blocks", "outvoted")),
            "different_people": chance.random() < 0.5,
        }
        quorums.append(_table("[decisions]", fields))
    head = (
        'schema = "countersign/policy/v1"\nid = "p"\nversion = 1\ndescription = "d"\n'
        '[applies]\nmodels = ["*"]\nto = ["production"]\n'
    )
    return "\n".join([head, *rules, *quorums])


def read_random(chance: Random, kinds: Sequence[str]) -> tuple[str, Policy]:
    """The text of a random policy that is one, and the policy."""
    while True:
        text = random_policy(chance, kinds)
        try:
            return text, read_policy(text.encode())
        except MalformedPolicy:
            continue


def _quorum(chance: Random, role: str) -> dict[str, object]:
    fields: dict[str, object] = {"role": role, "count": chance.randint(1, 2)}
    exclude = chance.sample(["trainer", "author", "owner"], chance.randint(0, 3))
    return fields | ({"exclude": exclude} if exclude else {})


def _fields(chance: Random, kind: str) -> dict[str, object]:
    return {
        name: _value(chance, name, field)
        for name, field in RULE_KINDS[kind].fields.items()
        if field.is_needed or chance.random() < 0.5
    }


def _value(chance: Random, name: str, field: Field) -> object:
    match field.holds:
        case Holds.NUMBER:
            return chance.choice(NUMBERS)
        case Holds.COUNT | Holds.DAYS:
            return chance.choice((1, 50, 100))
        case Holds.FLAG:
            return chance.random() < 0.5
        case Holds.TIME:
            return f"20{chance.randint(25, 27)}-03-01T12:00:00Z"
        case Holds.LIST:
            choices = field.choices or ("1", "2", "old")
            return chance.sample(choices, chance.randint(1, len(choices)))
        case _:
            return chance.choice(field.choices or TEXTS.get(name, ("a", "b")))


def _table(header: str, fields: dict[str, object]) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    return "\n".join([header, *lines]) + "\n"


def random_evidence(chance: Random) -> Evidence:
    """Facts of which some are good, some bad, some not recorded."""
    good = good_evidence()
    evidence = replace(
        good,
        model=replace(
            good.model,
            has_signature=chance.choice((True, False, None)),
            files=_files(chance),
        ),
        lineage=replace(
            good.lineage,
            run_status=chance.choice(("FINISHED", "COMPLETE", "FAILED", "")),
            datasets=_datasets(chance),
            commits=_commits(chance),
            is_dirty=chance.choice((True, False, False, None)),
            evaluation_dataset=chance.choice((*DATASETS, "")),
            lock_digest=chance.choice(("3" * 64, "")),
            features_digest=chance.choice(("4" * 64, "")),
        ),
        measured=_measured(chance),
        incumbent=replace(
            good.incumbent,
            measured=_measured(chance),
            datasets=_datasets(chance),
            evaluation_dataset=chance.choice((*DATASETS, "")),
        ),
        artifact=_artifact(chance, good.model.manifest),
        origins=_origins(chance, good.origins),
    )
    return empty_stage(evidence) if chance.random() < 0.2 else evidence


def _measured(chance: Random) -> MetricsItem:
    found = [
        Metric(
            name, chance.choice(VALUES[: chance.choice((7, 11))]), slice_name, samples
        )
        for name in METRICS
        for slice_name in SLICES
        if chance.random() < 0.8
        for samples in (chance.choice((None, 10, 50, 1000, 1000)),)
    ]
    return MetricsItem(tuple(found), ())


def _datasets(chance: Random) -> tuple[DatasetUse, ...]:
    kinds = ("training", "training", "evaluation", "")
    return tuple(
        DatasetUse(
            chance.choice(DATASETS),
            chance.choice(("sha256:" + "5" * 64, "sha256:" + "6" * 64, "md5:1")),
            chance.choice(kinds),
            chance.choice(("declared", "observed", "inferred")),
        )
        for _ in range(chance.randint(0, 3))
    )


def _files(chance: Random) -> tuple[FileDigest, ...]:
    names = ("model.onnx", "model.pkl", "weights.bin", "notes.txt", "unheard.of")
    return tuple(
        FileDigest(name, "1" * 64, chance.choice((1, 60, 1000)))
        for name in chance.sample(names, chance.randint(0, 3))
    )


def _origins(chance: Random, good: OriginsItem) -> OriginsItem:
    return replace(
        good,
        accounts=tuple(
            replace(account, known=chance.choice(tuple(Known)))
            for account in good.accounts
            if chance.random() < 0.9
        ),
        branches=tuple(
            CommitBranches(
                str(n) * 40,
                tuple(chance.sample(("1", "2", "old"), chance.randint(0, 2))),
                ("1", "2", "old")[: chance.randint(1, 3)],
            )
            for n in range(chance.randint(0, 2))
        ),
        derivations=tuple(
            Derivation(f"run:{n}", _versions(chance), _versions(chance))
            for n in range(chance.randint(0, 3))
        ),
        is_cut=chance.random() < 0.1,
    )


def _versions(chance: Random) -> tuple[str, ...]:
    digests = [f"sha256:{digit * 64}" for digit in "5689"]
    return tuple(chance.sample(digests, chance.randint(1, 2)))


def _commits(chance: Random) -> tuple[CommitUse, ...]:
    return tuple(
        CommitUse(str(n) * 40, chance.random() < 0.8, ())
        for n in range(chance.randint(0, 2))
    )


def _artifact(chance: Random, manifest: str) -> ArtifactItem:
    changed = (FileChange("model", "1" * 64, "2" * 64),)
    return chance.choice(
        (
            ArtifactItem(True, manifest, ()),
            ArtifactItem(True, manifest, ()),
            ArtifactItem(True, "0" * 64, ()),
            ArtifactItem(True, "0" * 64, changed),
            ArtifactItem(False, "", ()),
        )
    )


def random_context(chance: Random) -> Context:
    """Somebody asked; trainers, authors and owner may be known, or not recorded."""
    good = good_context(NOON)
    owner = chance.choice(("", "owner", "risk-2", "validator-2"))
    return replace(
        good,
        model=good.model and replace(good.model, owner_id=owner),
        requester="risk-0",
        trainers=frozenset(chance.sample(("risk-1", "tom"), chance.randint(0, 2))),
        authors=frozenset(chance.sample(("validator-1", "ann"), chance.randint(0, 2))),
        unknown_trainers=("mlflow:x",) if chance.random() < 0.1 else (),
        unknown_authors=("git:x",) if chance.random() < 0.1 else (),
    )


def random_votes(chance: Random) -> list[Vote]:
    """Decisions of a few people, each in the one role they hold or held."""
    return [
        Vote(
            person=f"{role}-{number}",
            name=f"{role} {number}",
            role=role,
            holds_role=chance.random() < 0.9,
            decision=Decision.REJECT if chance.random() < 0.08 else Decision.APPROVE,
            index=index,
            expires=chance.choice((None, NOON, NOON + timedelta(days=1))),
            stale="" if chance.random() < 0.9 else "the policy changed",
        )
        for index in range(chance.randint(0, 8))
        for role in (chance.choice(ROLES),)
        for number in (chance.randint(0, 3),)
    ]
