"""Rules about slices, units and versions of datasets: yes, no and unknown."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.evidence import DatasetUse, Evidence, Metric, MetricsItem
from policies.rules import evaluate_facts
from policies.verdict import Node, Verdict
from tests.unit.policies.test_rules import GOOD, HEAD, QUORUMS

HOLDOUT = "sha256:" + "2" * 64
FIFTHS = 'metric = "rate"\ncolumn = "sex"\nat_least = "0.8"'
YES, NO, UNKNOWN = Verdict.YES, Verdict.NO, Verdict.UNKNOWN


def judged(kind: str, fields: str, evidence: Evidence) -> Node:
    text = f'{HEAD}[[rules]]\nid = "r"\nkind = "{kind}"\n{fields}\n{QUORUMS}'
    return evaluate_facts(read_policy(text.encode()), evidence).children[0]


def rates(samples: int | None = 50, **by_slice: str) -> Evidence:
    metrics = [
        Metric("rate", value, f"sex:{name}", samples)
        for name, value in by_slice.items()
    ]
    random.Random(7).shuffle(metrics)  # noqa: S311 - a repeatable order, no secret
    return replace(GOOD, measured=MetricsItem(tuple(metrics), ()))


@pytest.mark.parametrize(
    ("more", "evidence", "wanted"),
    [
        ("", rates(a="0.40", b="0.50"), YES),
        ("", rates(a="0.39999999999999999999999999999999999", b="0.5"), NO),
        ("", rates(a="0", b="0.5"), NO),
        ("", rates(a="0", b="0"), UNKNOWN),
        ("", rates(a="-0.1", b="0.5"), UNKNOWN),
        ("", rates(a="nan", b="0.5"), UNKNOWN),
        ("", rates(a="0.5"), UNKNOWN),
        ("", rates(), UNKNOWN),
        ("", rates(a="1e999999", b="1e-999999"), NO),
        ('reference = "a"', rates(a="0.40", b="0.50", c="0.36"), YES),
        ('reference = "b"', rates(a="0.40", b="0.50", c="0.36"), NO),
        ('reference = "a"', rates(a="0", b="0.5"), UNKNOWN),
        ('reference = "z"', rates(a="0.5", b="0.5"), UNKNOWN),
        ('slices = ["a", "b"]', rates(a="0.5", b="0.5"), YES),
        ('slices = ["a", "z"]', rates(a="0.5", b="0.5"), UNKNOWN),
        ('slices = ["a", "b"]', rates(a="0.5", b="0.5", c="0.1"), NO),
        ("minimum_samples = 50", rates(a="0.5", b="0.5"), YES),
        ("minimum_samples = 51", rates(a="0.5", b="0.5"), NO),
        ("minimum_samples = 1", rates(None, a="0.5", b="0.5"), UNKNOWN),
    ],
)
def test_four_fifths_is_exact_and_never_passes_what_is_not_known(
    more: str, evidence: Evidence, wanted: Verdict
) -> None:
    assert judged("slice_ratio", f"{FIFTHS}\n{more}", evidence).verdict is wanted


@pytest.mark.parametrize(
    ("slices", "wanted"), [('["1"]', YES), ('["1", "3"]', UNKNOWN)]
)
def test_a_named_slice_must_be_there_for_a_gap(slices: str, wanted: Verdict) -> None:
    fields = f'metric = "rmse"\ncolumn = "sex"\nlargest_gap = "3"\nslices = {slices}'
    found = judged("slice_gap", fields, GOOD)
    assert found.verdict is wanted
    assert ("sex:3" in found.observed) is (wanted is UNKNOWN)


@pytest.mark.parametrize(
    ("units", "wanted"),
    [((("rmse", "percent"),), YES), ((("rmse", "ratio"),), NO), ((), UNKNOWN)],
)
def test_a_unit_must_be_the_recorded_one(
    units: tuple[tuple[str, str], ...], wanted: Verdict
) -> None:
    evidence = replace(GOOD, measured=replace(GOOD.measured, units=units))
    found = judged(
        "metric", 'metric = "rmse"\nat_most = "55"\nunit = "percent"', evidence
    )
    assert found.verdict is wanted


def with_holdout(*digests: str) -> Evidence:
    uses = tuple(DatasetUse("holdout", d, "evaluation", "declared") for d in digests)
    return replace(GOOD, lineage=replace(GOOD.lineage, datasets=uses))


@pytest.mark.parametrize(
    ("pin", "evidence", "wanted"),
    [
        (HOLDOUT[:19], GOOD, YES),
        (HOLDOUT, GOOD, YES),
        ("sha256:" + "3" * 12, GOOD, NO),
        (HOLDOUT[:19], with_holdout(), UNKNOWN),
        (HOLDOUT[:19], with_holdout("mlflow-md5-8:22222222"), UNKNOWN),
        (HOLDOUT[:19], with_holdout(HOLDOUT, HOLDOUT[:-1] + "3"), UNKNOWN),
    ],
)
def test_a_dataset_can_be_pinned_to_one_version(
    pin: str, evidence: Evidence, wanted: Verdict
) -> None:
    fields = f'metric = "rmse"\nat_most = "55"\ndataset = "holdout@{pin}"'
    assert judged("metric", fields, evidence).verdict is wanted


@pytest.mark.parametrize(
    ("by", "wanted"), [("0.4", YES), ("0.40000000001", NO), ("0", YES)]
)
def test_better_by_asks_to_beat_the_incumbent(by: str, wanted: Verdict) -> None:
    fields = f'metric = "rmse"\nbetter = "lower"\nbetter_by = "{by}"'
    assert judged("comparison", fields, GOOD).verdict is wanted


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("metric", 'metric = "m"\nat_least = "1"\ndataset = "d@sha256:ab12"'),
        (
            "comparison",
            'metric = "m"\nbetter = "lower"\ntolerance = "1"\nbetter_by = "1"',
        ),
        ("slice_ratio", 'metric = "m"\ncolumn = "c"\nat_least = "0"'),
        ("slice_ratio", 'metric = "m"\ncolumn = "c"\nat_least = "1.2"'),
        ("slice_ratio", 'metric = "m"\ncolumn = "c"\nat_least = "1"\nslices = []'),
    ],
)
def test_fields_that_make_no_sense_are_refused(kind: str, fields: str) -> None:
    with pytest.raises(MalformedPolicy):
        judged(kind, fields, GOOD)
