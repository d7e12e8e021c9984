"""How strong provenance is, the branch of a commit, and data shared further up."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.evidence import Evidence, Metric, MetricsItem
from policies.evidence_origins import (
    STRENGTHS,
    Account,
    CommitBranches,
    DatasetName,
    Derivation,
    Known,
    OriginsItem,
)
from policies.rules import evaluate_facts
from policies.rules.origins import PROVENANCE
from policies.verdict import Node, Verdict
from tests.unit.policies.test_rules import DATASETS, GOOD, HEAD, QUORUMS, WEAK, lineage

TRAIN, TEST = (use.digest for use in DATASETS)
RAW, OTHER, CLEAN = (f"sha256:{digit * 64}" for digit in "abc")


def judged(kind: str, fields: str, evidence: Evidence = GOOD) -> Node:
    rule = f'[[rules]]\nid = "r"\nkind = "{kind}"\n{fields}\n'
    policy = read_policy((HEAD + rule + QUORUMS).encode())
    return evaluate_facts(policy, evidence).children[0]


def origins(**changes: object) -> Evidence:
    return replace(GOOD, origins=replace(GOOD.origins, **changes))  # type: ignore[arg-type]  # names checked by the dataclass


@pytest.mark.parametrize(("known", "wanted"), list(itertools.product(Known, STRENGTHS)))
def test_an_account_meets_its_own_strength_and_every_weaker_one(
    known: Known, wanted: Known
) -> None:
    order = list(Known)
    evidence = origins(accounts=(Account("lock", "l", known),))
    found = judged("provenance", f'require = ["lock"]\nstrength = "{wanted}"', evidence)
    enough = wanted is Known.DECLARED or order.index(known) >= order.index(wanted)
    assert found.verdict is (Verdict.YES if enough else Verdict.NO)


def test_the_weakest_of_several_accounts_decides_and_is_named() -> None:
    evidence = origins(
        accounts=(
            Account("dataset_version", "train", Known.REREAD),
            Account("dataset_version", "extra", Known.DECLARED),
        )
    )
    found = judged(
        "provenance", 'require = ["dataset_version"]\nstrength = "reread"', evidence
    )
    assert found.verdict is Verdict.NO
    assert found.children[0].observed == "extra: declared"


def test_without_any_account_a_strength_is_unknown() -> None:
    fields = 'require = ["commit_known"]\nstrength = "observed"'
    assert judged("provenance", fields, origins(accounts=())).verdict is Verdict.UNKNOWN


def test_a_missing_fact_stays_unknown_whatever_its_strength() -> None:
    fields = 'require = ["lock"]\nstrength = "reread"'
    assert judged("provenance", fields, lineage(lock_digest="")).verdict is (
        Verdict.UNKNOWN
    )


@pytest.mark.parametrize(
    ("branches", "wanted"),
    [
        ((CommitBranches("c" * 40, ("main",), ("main",)),), Verdict.YES),
        ((CommitBranches("c" * 40, ("release/2",), ("release/2",)),), Verdict.YES),
        ((CommitBranches("c" * 40, ("develop",), ("develop", "main")),), Verdict.NO),
        ((CommitBranches("c" * 40, (), ("main",)),), Verdict.NO),
        ((CommitBranches("c" * 40, ("develop",), ("develop",)),), Verdict.UNKNOWN),
        ((CommitBranches("d" * 40, ("main",), ("main",)),), Verdict.UNKNOWN),
        ((), Verdict.UNKNOWN),
    ],
)
def test_a_commit_is_on_a_branch_only_where_an_import_recorded_it(
    branches: tuple[CommitBranches, ...], wanted: Verdict
) -> None:
    fields = 'require = ["commit_known"]\nbranches = ["main", "release/*"]'
    assert judged("provenance", fields, origins(branches=branches)).verdict is wanted


@pytest.mark.parametrize(
    ("metrics", "wanted"),
    [
        ((Metric("rmse", "5", "", 10),), Verdict.YES),
        ((Metric("rmse", "5", "", None),), Verdict.UNKNOWN),
        ((Metric("rmse", "5", "", 0),), Verdict.UNKNOWN),
        ((), Verdict.UNKNOWN),
    ],
)
def test_metrics_count_with_the_rows_they_were_measured_on(
    metrics: tuple[Metric, ...], wanted: Verdict
) -> None:
    evidence = replace(GOOD, measured=MetricsItem(metrics, ()))
    assert judged("provenance", 'require = ["metrics"]', evidence).verdict is wanted


SPLIT = Derivation("split", (RAW,), (TRAIN, TEST))
NAMES = (DatasetName(RAW, "raw-2025"), DatasetName(TRAIN, "train"))
UPSTREAM = 'upstream = "recorded"'
REQUIRED = 'upstream = "required"'
ALLOWED = f'{REQUIRED}\nallow_shared = ["raw-*"]'


@pytest.mark.parametrize(
    ("fields", "derivations", "wanted"),
    [
        (UPSTREAM, (SPLIT,), Verdict.YES),
        (UPSTREAM, (), Verdict.YES),
        (REQUIRED, (), Verdict.UNKNOWN),
        (REQUIRED, (SPLIT,), Verdict.YES),
        (REQUIRED, (Derivation("a", (RAW,), (TRAIN,)),), Verdict.UNKNOWN),
        (UPSTREAM, (SPLIT, Derivation("b", (OTHER,), (RAW,))), Verdict.YES),
        (UPSTREAM, (Derivation("a", (TEST,), (TRAIN,)),), Verdict.NO),
        (UPSTREAM, (Derivation("a", (TRAIN,), (TEST,)),), Verdict.NO),
        (
            UPSTREAM,
            (Derivation("a", (RAW,), (TRAIN,)), Derivation("b", (RAW,), (TEST,))),
            Verdict.NO,
        ),
        (
            ALLOWED,
            (Derivation("a", (RAW,), (TRAIN,)), Derivation("b", (RAW,), (TEST,))),
            Verdict.YES,
        ),
        (UPSTREAM, (SPLIT, Derivation("b", (RAW,), (TEST,))), Verdict.NO),
        (
            UPSTREAM,
            (
                Derivation("split", (RAW,), (CLEAN, TEST)),
                Derivation("features", (CLEAN,), (TRAIN,)),
            ),
            Verdict.YES,
        ),
        (
            UPSTREAM,
            (
                Derivation("split", (RAW,), (CLEAN, TEST)),
                Derivation("features", (CLEAN, TEST), (TRAIN,)),
            ),
            Verdict.NO,
        ),
        (
            UPSTREAM,
            (Derivation("a", (TRAIN,), (RAW,)), Derivation("b", (RAW,), (TRAIN,))),
            Verdict.YES,
        ),
    ],
    ids=[
        "one run split a source",
        "nothing recorded and nothing required",
        "nothing recorded but required",
        "a split where it is required",
        "one side without a maker",
        "what lies behind the split",
        "trained on what came from the test set",
        "measured on what came from the training set",
        "two runs drew from one source",
        "two runs drew from an allowed source",
        "a split and another way beside it",
        "work on one side after the split",
        "the test set leaks into features",
        "a circle",
    ],
)
def test_data_shared_upstream_is_refused_unless_one_run_split_it(
    fields: str, derivations: tuple[Derivation, ...], wanted: Verdict
) -> None:
    for order in (derivations, derivations[::-1]):
        evidence = origins(derivations=order, names=NAMES)
        assert judged("independence", fields, evidence).verdict is wanted


def test_a_source_without_versions_may_be_shared_and_that_is_unknown() -> None:
    source = "lake/raw@none:unversioned"
    made = (Derivation("a", (source,), (TRAIN,)), Derivation("b", (source,), (TEST,)))
    names = (*NAMES, DatasetName(source, "lake/raw"))
    found = judged("independence", UPSTREAM, origins(derivations=made, names=names))
    assert found.verdict is Verdict.UNKNOWN
    assert found.observed == "both sides read some version of lake/raw"
    allowed = f'{UPSTREAM}\nallow_shared = ["lake/*"]'
    assert judged(
        "independence", allowed, origins(derivations=made, names=names)
    ).verdict is (Verdict.YES)


def test_a_walk_that_was_cut_short_is_unknown_unless_it_found_something() -> None:
    assert judged("independence", UPSTREAM, origins(is_cut=True)).verdict is (
        Verdict.UNKNOWN
    )
    leak = (Derivation("a", (TEST,), (TRAIN,)),)
    assert judged(
        "independence", UPSTREAM, origins(is_cut=True, derivations=leak)
    ).verdict is (Verdict.NO)


def test_a_dataset_of_either_side_without_its_bytes_makes_independence_unknown() -> (
    None
):
    assert judged("independence", "", lineage(datasets=(*DATASETS, WEAK))).verdict is (
        Verdict.UNKNOWN
    )


def test_evidence_without_origins_is_never_strong() -> None:
    bare = replace(GOOD, origins=OriginsItem())
    for name in PROVENANCE:
        if name not in ("clean_tree", "metrics"):
            fields = f'require = ["{name}"]\nstrength = "observed"'
            assert judged("provenance", fields, bare).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("provenance", 'require = ["lock"]\nbranches = ["main"]', "commit_known"),
        ("provenance", 'require = ["lock"]\nstrength = "rereed"', "reread"),
        (
            "provenance",
            'require = ["clean_tree"]\nstrength = "reread"',
            "only ever declared",
        ),
        ("independence", 'allow_shared = ["raw"]', "needs upstream"),
        ("independence", 'upstream = "yes"', "recorded"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(
    kind: str, fields: str, said: str
) -> None:
    with pytest.raises(MalformedPolicy, match=said):
        judged(kind, fields)
