"""Rules: each kind both ways and in doubt, and what no order or omission may change."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest

from policies.document import Policy
from policies.document_reading import read_policy
from policies.errors import MalformedStatement
from policies.evidence import (
    ArtifactItem,
    CommitUse,
    DatasetUse,
    Evidence,
    EvidenceManifest,
    FileChange,
    FileDigest,
    IncumbentItem,
    ItemReference,
    LineageItem,
    Metric,
    MetricsItem,
    ModelItem,
    item_bytes,
    split_metric_name,
)
from policies.evidence_data import ColumnProfile, DataCheck, DataItem, DataProfile
from policies.evidence_origins import (
    Account,
    Collector,
    CommitBranches,
    DatasetName,
    Derivation,
    Known,
    OriginsItem,
)
from policies.evidence_reading import load_evidence, read_manifest
from policies.evidence_signature import EnrolledSigner, ModelSignatureItem
from policies.predicates import Decision, Transition
from policies.review import ReviewSubject, render_review
from policies.rules import Context, Vote, evaluate, evaluate_facts, forms
from policies.rules.kinds import RULE_KINDS
from policies.verdict import Node, Verdict, all_of, exit_code
from store.manifest import manifest_digest
from store.objects import sha256_hex
from tests.worlds import NOON

FILES = (FileDigest("MLmodel", "a" * 64, 10), FileDigest("model.pkl", "b" * 64, 20))
MANIFEST = manifest_digest((f.path, f.sha256) for f in FILES)
DATASETS = (
    DatasetUse("train", "sha256:" + "1" * 64, "training", "declared"),
    DatasetUse("holdout", "sha256:" + "2" * 64, "evaluation", "declared"),
)
COMMITS = (CommitUse("c" * 40, True, ("git:ana@example.org",)),)
METRICS = (
    Metric("rmse", "52.2", "", 142),
    Metric("rmse", "52.1", "sex:1", 73),
    Metric("rmse", "52.3", "sex:2", 69),
)
GOOD = Evidence(
    model=ModelItem("v", "mlflow", "m", "6", "loc", MANIFEST, FILES, True),
    lineage=LineageItem(
        "run",
        "FINISHED",
        DATASETS,
        COMMITS,
        False,
        "holdout",
        "d" * 64,
        "e" * 64,
        ("mlflow:ana",),
        (),
    ),
    measured=MetricsItem(METRICS, (("alpha", "10"),)),
    incumbent=IncumbentItem(
        "old",
        "2",
        "f" * 64,
        MetricsItem(
            (
                Metric("rmse", "52.6", "", 142),
                Metric("rmse", "52.0", "sex:1", 73),
                Metric("rmse", "53.3", "sex:2", 69),
            ),
            (),
        ),
        DATASETS,
        COMMITS,
        "holdout",
        FILES,
    ),
    artifact=ArtifactItem(True, MANIFEST, ()),
    origins=OriginsItem(
        run_ended="2026-02-27T12:00:00Z",
        image_digest="sha256:" + "3" * 64,
        accounts=tuple(
            Account(requirement, "thing", Known.BY_SERVICE)
            for requirement in (
                "dataset_version",
                "evaluation_dataset",
                "commit_known",
                "signature",
                "feature_set",
                "lock",
            )
        ),
        branches=(CommitBranches("c" * 40, ("main",), ("develop", "main")),),
        derivations=(
            Derivation(
                "split",
                ("sha256:" + "4" * 64,),
                ("sha256:" + "1" * 64, "sha256:" + "2" * 64),
            ),
        ),
        names=tuple(
            DatasetName("sha256:" + digit * 64, name)
            for digit, name in (("1", "train"), ("2", "holdout"), ("4", "raw-2025"))
        ),
        collectors=(Collector("s-import", True),),
    ),
    data=DataItem(
        (
            DataProfile(
                "sha256:" + "1" * 64,
                100,
                (
                    ColumnProfile("id", "int64", 0, 100, "1", "100"),
                    ColumnProfile("age", "double", 2, 40, "18.5", "90.0"),
                    ColumnProfile("tags", "list<item: string>", 0, None, "", ""),
                ),
            ),
        ),
        (
            DataCheck("sha256:" + "1" * 64, "not_null", "id", True),
            DataCheck("sha256:" + "1" * 64, "fresh", "", True),
            DataCheck("sha256:" + "1" * 64, "fresh", "", False),
        ),
    ),
    model_signature=ModelSignatureItem(
        is_there=True,
        signed_sha256="5" * 64,
        enrolled=(EnrolledSigner("6" * 64, "p-signer"),),
    ),
)
HEAD = """
schema = "countersign/policy/v1"
id = "p"
version = 1
description = "d"
[applies]
models = ["*"]
to = ["production"]
"""
QUORUMS = """
[[approvals]]
role = "validator"
count = 1
exclude = ["trainer"]
[[approvals]]
role = "risk"
count = 1
"""
RULES = {
    "metric": 'metric = "rmse"\nat_most = "55"\nminimum_samples = 100',
    "comparison": 'metric = "rmse"\nbetter = "lower"\ntolerance = "0.5"',
    "slice_gap": 'metric = "rmse"\ncolumn = "sex"\nlargest_gap = "3"',
    "data_check": 'dataset = "training"\ncheck = "unique"\ncolumn = "id"',
    "slice_ratio": 'metric = "rmse"\ncolumn = "sex"\nat_least = "0.8"',
    "slice_comparison": 'metric = "rmse"\ncolumn = "sex"\nbetter = "lower"\n'
    'tolerance = "0.5"',
    "provenance": 'require = ["dataset_version", "evaluation_dataset", "commit_known",'
    ' "clean_tree", "signature", "feature_set", "lock"]\n'
    'branches = ["main"]',
    "independence": 'upstream = "required"\nallow_shared = ["raw-*"]',
    "artifact_unchanged": "",
    "run_finished": "",
    "files": 'forbid = ["onnx"]\nlargest_bytes = 20',
    "runtime_locked": "",
    "model_signed": f'keys = ["{"6" * 64}"]',
}


def policy(*kinds: str) -> Policy:
    rules = "".join(
        f'[[rules]]\nid = "{kind}"\nkind = "{kind}"\n{RULES[kind]}\n' for kind in kinds
    )
    return read_policy((HEAD + rules + QUORUMS).encode())


def verdict(kind: str, evidence: Evidence) -> Verdict:
    return evaluate_facts(policy(kind), evidence).verdict


def measured(*metrics: Metric) -> Evidence:
    return replace(GOOD, measured=MetricsItem(metrics, ()))


def lineage(**changes: object) -> Evidence:
    return replace(GOOD, lineage=replace(GOOD.lineage, **changes))  # type: ignore[arg-type]  # names checked by the dataclass


@pytest.mark.parametrize("kind", RULES)
def test_good_evidence_meets_every_kind_of_rule(kind: str) -> None:
    assert verdict(kind, GOOD) is Verdict.YES


EMPTY_STAGE = replace(
    GOOD,
    incumbent=IncumbentItem("", "", "", MetricsItem((), ()), (), (), "", ()),
)
WORSE = replace(METRICS[2], value="54.7")
WEAK = DatasetUse("train", "mlflow-md5-8:abcdef01", "training", "declared")
GUESSED = replace(DATASETS[0], strength="inferred")


@pytest.mark.parametrize(
    ("kind", "evidence", "wanted"),
    [
        ("metric", measured(Metric("rmse", "55.01", "", 142)), Verdict.NO),
        ("metric", measured(Metric("rmse", "55", "", 142)), Verdict.YES),
        ("metric", measured(Metric("rmse", "50", "", 99)), Verdict.NO),
        ("metric", measured(Metric("rmse", "50", "", None)), Verdict.UNKNOWN),
        ("metric", measured(Metric("rmse", "nan", "", 142)), Verdict.UNKNOWN),
        ("metric", measured(Metric("rmse", "-inf", "", 142)), Verdict.UNKNOWN),
        ("metric", measured(Metric("rmse", "abc", "", 142)), Verdict.UNKNOWN),
        ("metric", measured(), Verdict.UNKNOWN),
        ("comparison", measured(Metric("rmse", "53.2", "", 142)), Verdict.NO),
        ("comparison", measured(Metric("rmse", "53.1", "", 142)), Verdict.YES),
        ("comparison", EMPTY_STAGE, Verdict.NO),
        ("comparison", lineage(evaluation_dataset="train"), Verdict.NO),
        ("comparison", lineage(evaluation_dataset=""), Verdict.UNKNOWN),
        ("slice_gap", measured(METRICS[1], replace(WORSE, value="58")), Verdict.NO),
        ("slice_gap", measured(METRICS[1]), Verdict.UNKNOWN),
        ("slice_gap", measured(), Verdict.UNKNOWN),
        ("slice_ratio", measured(METRICS[1], replace(WORSE, value="70")), Verdict.NO),
        ("slice_ratio", measured(METRICS[1]), Verdict.UNKNOWN),
        (
            "slice_ratio",
            measured(*(replace(m, value="0") for m in METRICS[1:])),
            Verdict.UNKNOWN,
        ),
        ("slice_ratio", measured(METRICS[1], WORSE), Verdict.YES),
        ("slice_comparison", measured(*METRICS[:2], WORSE), Verdict.NO),
        ("slice_comparison", measured(*METRICS[:2]), Verdict.UNKNOWN),
        ("slice_comparison", EMPTY_STAGE, Verdict.NO),
        ("provenance", lineage(datasets=()), Verdict.NO),
        ("provenance", lineage(datasets=(WEAK, DATASETS[1])), Verdict.NO),
        ("provenance", lineage(datasets=(GUESSED, DATASETS[1])), Verdict.NO),
        ("provenance", lineage(commits=()), Verdict.UNKNOWN),
        ("provenance", lineage(is_dirty=True), Verdict.NO),
        ("provenance", lineage(is_dirty=None), Verdict.UNKNOWN),
        ("provenance", lineage(lock_digest=""), Verdict.UNKNOWN),
        (
            "provenance",
            lineage(commits=(replace(COMMITS[0], is_known=False),)),
            Verdict.NO,
        ),
        (
            "independence",
            lineage(datasets=(DATASETS[0], replace(DATASETS[0], context="evaluation"))),
            Verdict.NO,
        ),
        ("independence", lineage(datasets=DATASETS[:1]), Verdict.UNKNOWN),
        ("run_finished", lineage(run_status="FAILED"), Verdict.NO),
        ("run_finished", lineage(run_status=""), Verdict.UNKNOWN),
        (
            "artifact_unchanged",
            replace(GOOD, artifact=ArtifactItem(False, "", ())),
            Verdict.UNKNOWN,
        ),
        (
            "artifact_unchanged",
            replace(GOOD, artifact=ArtifactItem(True, "0" * 64, ())),
            Verdict.NO,
        ),
    ],
)
def test_each_rule_says_no_or_unknown_for_its_own_reason(
    kind: str, evidence: Evidence, wanted: Verdict
) -> None:
    assert verdict(kind, evidence) is wanted


def test_a_changed_file_is_named() -> None:
    changed = (FileChange("model.pkl", "b" * 64, "9" * 64),)
    evidence = replace(GOOD, artifact=ArtifactItem(True, "0" * 64, changed))
    node = evaluate_facts(policy("artifact_unchanged"), evidence).children[0]
    assert node.verdict is Verdict.NO
    assert "model.pkl" in node.observed


CONTEXT = Context("p-req", frozenset({"p-train"}), frozenset(), (), (), NOON)


def vote(person: str, role: str, **changes: object) -> Vote:
    base = Vote(
        person, person, role, True, Decision.APPROVE, 7, NOON + timedelta(days=1)
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # names checked by the dataclass


BOTH = [vote("p-v", "validator"), vote("p-r", "risk", index=8)]


def whole(votes: list[Vote], context: Context = CONTEXT) -> Node:
    return evaluate(policy(*RULES), GOOD, votes, context)


def test_two_people_in_two_roles_make_it_yes() -> None:
    assert whole(BOTH).verdict is Verdict.YES
    assert exit_code(whole(BOTH)) == 0


@pytest.mark.parametrize(
    "votes",
    [
        [],
        BOTH[:1],
        [vote("p-req", "validator"), BOTH[1]],
        [vote("p-train", "validator"), BOTH[1]],
        [vote("p-v", "validator", holds_role=False), BOTH[1]],
        [vote("p-v", "validator", stale="the policy changed"), BOTH[1]],
        [vote("p-v", "validator", expires=NOON), BOTH[1]],
        [*BOTH, vote("p-r", "risk", decision=Decision.REJECT, index=9)],
        [*BOTH, vote("p-x", "risk", decision=Decision.REJECT, index=9)],
    ],
    ids=[
        "nobody",
        "one missing",
        "the requester",
        "the trainer",
        "role lost",
        "stale",
        "expired",
        "changed their mind",
        "somebody else rejects",
    ],
)
def test_votes_that_do_not_count_leave_it_no(votes: list[Vote]) -> None:
    assert exit_code(whole(votes)) == 1


def test_one_person_in_one_role_counts_once() -> None:
    text = HEAD + '[[rules]]\nid = "r"\nkind = "run_finished"\n'
    text += '[[approvals]]\nrole = "risk"\ncount = 2\n'
    two = read_policy(text.encode())
    same = [vote("p-r", "risk"), vote("p-r", "risk", index=9)]
    assert evaluate(two, GOOD, same, CONTEXT).verdict is Verdict.NO
    other = [*same, vote("p-s", "risk", index=10)]
    assert evaluate(two, GOOD, other, CONTEXT).verdict is Verdict.YES


def test_a_trainer_nobody_knows_makes_it_unknown_and_that_refuses() -> None:
    context = replace(CONTEXT, unknown_trainers=("mlflow:eve",))
    found = whole(BOTH, context)
    assert found.verdict is Verdict.UNKNOWN
    assert exit_code(found) == 1


def test_a_trainer_nobody_recorded_makes_it_unknown_too() -> None:
    found = whole(BOTH, replace(CONTEXT, trainers=frozenset()))
    assert found.verdict is Verdict.UNKNOWN
    assert "not recorded" in str(found.to_json())


def test_an_unreadable_artifact_alone_could_still_be_settled() -> None:
    evidence = replace(GOOD, artifact=ArtifactItem(False, "", ()))
    found = evaluate(policy(*RULES), evidence, BOTH, CONTEXT)
    assert exit_code(found) == 3
    assert exit_code(evaluate(policy(*RULES), evidence, [], CONTEXT)) == 1


def test_nothing_judged_is_no() -> None:
    assert all_of("nothing", []).verdict is Verdict.NO


def test_taking_away_or_worsening_never_helps_and_order_never_matters() -> None:
    chance = random.Random(20260301)  # noqa: S311 - a repeatable test, no secret
    worse: list[Callable[[Evidence], Evidence]] = [
        lambda e: replace(e, measured=MetricsItem((), ())),
        lambda e: replace(e, lineage=replace(e.lineage, is_dirty=True)),
        lambda e: replace(e, lineage=replace(e.lineage, datasets=())),
        lambda e: replace(e, artifact=ArtifactItem(False, "", ())),
        lambda e: replace(e, model=replace(e.model, has_signature=None)),
        lambda e: replace(e, measured=MetricsItem((Metric("rmse", "99", "", 9),), ())),
    ]
    for _ in range(300):
        kinds = chance.sample(sorted(RULES), chance.randint(1, len(RULES)))
        votes = [v for v in BOTH if chance.random() < 0.7]
        evidence = GOOD
        for change in chance.sample(worse, chance.randint(0, 3)):
            evidence = change(evidence)
        found = evaluate(policy(*kinds), evidence, votes, CONTEXT).verdict
        shuffled = replace(
            evidence,
            measured=replace(
                evidence.measured, metrics=evidence.measured.metrics[::-1]
            ),
            lineage=replace(evidence.lineage, datasets=evidence.lineage.datasets[::-1]),
        )
        again = evaluate(policy(*kinds[::-1]), shuffled, votes[::-1], CONTEXT).verdict
        assert found is again
        for poorer in (
            evaluate(policy(*kinds), evidence, votes[1:], CONTEXT),
            evaluate(policy(*kinds), chance.choice(worse)(evidence), votes, CONTEXT),
        ):
            if found is not Verdict.YES:
                assert poorer.verdict is not Verdict.YES


def test_evidence_reads_back_from_its_own_bytes() -> None:
    objects = {sha256_hex(item_bytes(i)): item_bytes(i) for i in GOOD.items().values()}
    manifest = EvidenceManifest(
        tuple(
            ItemReference(kind, sha256_hex(item_bytes(item)), "mlflow", "p", "t")
            for kind, item in GOOD.items().items()
        )
    )
    assert read_manifest(manifest.to_bytes()) == manifest
    assert load_evidence(manifest, objects.__getitem__) == GOOD
    with pytest.raises(MalformedStatement, match="digest differs"):
        load_evidence(manifest, lambda _: b"{}")


@pytest.mark.parametrize(
    ("raw", "name", "slice_name"),
    [
        ("rmse", "rmse", ""),
        ("rmse/sex:1", "rmse", "sex:1"),
        ("val/rmse", "val/rmse", ""),
        ("val/rmse/sex:1", "val/rmse", "sex:1"),
        ("/x:1", "/x:1", ""),
    ],
)
def test_slices_are_read_from_metric_names(
    raw: str, name: str, slice_name: str
) -> None:
    assert split_metric_name(raw) == (name, slice_name)


SUBJECT = ReviewSubject(
    "r1", "p-req", "because", Transition("", "production", "eu"), "9" * 64
)


def test_the_review_text_is_the_same_every_time_and_plain() -> None:
    rules = policy(*RULES)
    text = render_review(SUBJECT, GOOD, rules, evaluate_facts(rules, GOOD))
    assert text == render_review(SUBJECT, GOOD, rules, evaluate_facts(rules, GOOD))
    assert text.startswith("REVIEW OF m VERSION 6\nno stage -> production in eu\n")
    assert "Renderer:     review/v1" in text
    assert "rmse (sex:2)" in text
    assert text.isascii()


def reviewed(evidence: Evidence, now: Policy, earlier: Policy | None) -> str:
    return render_review(SUBJECT, evidence, now, evaluate_facts(now, evidence), earlier)


def test_the_review_says_which_features_and_packages_differ() -> None:
    rules = policy("metric")
    lineage = replace(GOOD.lineage, features_digest="f2", lock_digest="")
    incumbent = replace(GOOD.incumbent, features_digest="f1", lock_digest="l1")
    text = reviewed(replace(GOOD, lineage=lineage, incumbent=incumbent), rules, None)
    assert "features changed:  digest: f1 -> f2" in text
    assert "locked packages removed:  digest l1" in text
    same = replace(incumbent, features_digest="f2", lock_digest="")
    text = reviewed(replace(GOOD, lineage=lineage, incumbent=same), rules, None)
    assert "features: no difference" in text
    assert "locked packages: no difference" in text


def test_the_review_says_what_the_policy_changed_since_the_incumbent() -> None:
    rules, earlier = policy("metric"), policy("metric", "run_finished")
    assert "policy: that of version 2 is not known" in reviewed(GOOD, rules, None)
    assert "policy: no difference" in reviewed(GOOD, rules, rules)
    text = reviewed(GOOD, rules, replace(earlier, digest="e" * 64))
    assert f"version 2 was promoted under {earlier.id} version 1" in text
    assert "dropped: " in text


@pytest.mark.parametrize("hostile", ["\x1b]52;c;x\x07", "\u202egnp", "a\nb", "\u200b"])
def test_hostile_text_stands_escaped_in_the_review(hostile: str) -> None:
    rules = policy("metric")
    subject = replace(SUBJECT, reason=hostile)
    evidence = replace(GOOD, model=replace(GOOD.model, model=hostile))
    text = render_review(subject, evidence, rules, evaluate_facts(rules, evidence))
    assert "<U+" in text
    assert not any(c < " " and c != "\n" for c in text)
    assert "\u202e" not in text
    assert "\u200b" not in text
    assert "\nReason:       " in text


def test_every_kind_is_declared_where_it_is_looked_for() -> None:
    assert {name: kind.name for name, kind in RULE_KINDS.items()} == {
        name: name for name in RULE_KINDS
    }
    declared = {
        kind.name
        for path in Path(forms.__file__).parent.glob("*.py")
        for kind in getattr(import_module(f"policies.rules.{path.stem}"), "KINDS", ())
    }
    assert declared == set(RULE_KINDS)
