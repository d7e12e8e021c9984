"""Rules about the rows of a dataset: yes, no and unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.errors import MalformedPolicy
from policies.evidence import DatasetUse, Evidence
from policies.evidence_data import DataItem, DataProfile
from policies.verdict import Verdict
from tests.unit.policies.test_rules import GOOD
from tests.unit.policies.test_slice_rules import judged

YES, NO, UNKNOWN = Verdict.YES, Verdict.NO, Verdict.UNKNOWN
TRAINING = 'dataset = "training"\n'
COLUMNS = '"id:int64", "age:double", "tags:list<item: string>"'
PROFILE = GOOD.data.profiles[0]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ('check = "null_rate"\ncolumn = "age"\nat_most = "0.02"', YES),
        ('check = "null_rate"\ncolumn = "age"\nat_most = "0.01999"', NO),
        ('check = "null_rate"\ncolumn = "gone"\nat_most = "1"', UNKNOWN),
        ('check = "row_count"\nat_least = "100"\nat_most = "100"', YES),
        ('check = "row_count"\nat_least = "101"', NO),
        ('check = "range"\ncolumn = "age"\nat_least = "18"\nat_most = "90"', YES),
        ('check = "range"\ncolumn = "age"\nat_most = "89.9"', NO),
        ('check = "range"\ncolumn = "tags"\nat_most = "9"', UNKNOWN),
        ('check = "unique"\ncolumn = "age"', NO),
        ('check = "unique"\ncolumn = "tags"', UNKNOWN),
        (f'check = "columns"\ncolumns = [{COLUMNS}]', YES),
        ('check = "columns"\ncolumns = ["id:int64", "age:int64"]', NO),
        ('check = "columns"\nsame_as = "train"', YES),
        ('check = "columns"\nsame_as = "evaluation"', UNKNOWN),
        ('check = "columns"\nsame_as = "nothing"', UNKNOWN),
        ('check = "assertion"\nname = "not_null"\ncolumn = "id"', YES),
        ('check = "assertion"\nname = "not_null"', UNKNOWN),
        ('check = "assertion"\nname = "fresh"', NO),
    ],
)
def test_each_check_says_yes_no_and_unknown(fields: str, wanted: Verdict) -> None:
    assert judged("data_check", TRAINING + fields, GOOD).verdict is wanted


def with_uses(*uses: DatasetUse) -> Evidence:
    return replace(GOOD, lineage=replace(GOOD.lineage, datasets=uses))


def with_profile(profile: DataProfile) -> Evidence:
    return replace(GOOD, data=DataItem((profile,)))


@pytest.mark.parametrize(
    "evidence",
    [
        replace(GOOD, data=DataItem()),
        with_uses(),
        with_uses(DatasetUse("train", "mlflow-md5-8:11111111", "training", "declared")),
        with_uses(replace(GOOD.lineage.datasets[0], strength="inferred")),
        with_uses(
            *GOOD.lineage.datasets, DatasetUse("more", "sha256:9", "", "declared")
        ),
        with_profile(replace(PROFILE, columns=PROFILE.columns[1:])),
    ],
)
def test_data_that_nobody_counted_is_unknown(evidence: Evidence) -> None:
    fields = TRAINING + 'check = "unique"\ncolumn = "id"'
    assert judged("data_check", fields, evidence).verdict is UNKNOWN


@pytest.mark.parametrize("extreme", ["", "inf", "-inf", "nan", "x", "\u0663x"])
def test_an_extreme_that_is_no_number_is_unknown(extreme: str) -> None:
    column = replace(PROFILE.columns[1], most=extreme)
    fields = TRAINING + 'check = "range"\ncolumn = "age"\nat_least = "1"'
    evidence = with_profile(replace(PROFILE, columns=(column,)))
    assert judged("data_check", fields, evidence).verdict is UNKNOWN


def test_a_rate_of_no_rows_is_unknown() -> None:
    fields = TRAINING + 'check = "null_rate"\ncolumn = "age"\nat_most = "1"'
    evidence = with_profile(replace(PROFILE, rows=0))
    assert judged("data_check", fields, evidence).verdict is UNKNOWN


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ('check = "null_rate"\nat_most = "0"', "needs column"),
        ('check = "row_count"', "needs at_least or at_most"),
        ('check = "unique"\ncolumn = "id"\nat_most = "1"', "takes no at_most"),
        ('check = "columns"', "needs columns or same_as"),
        ('check = "assertion"', "needs name"),
        ('check = "guess"', "must be"),
        ('column = "id"', "needs 'check'"),
    ],
)
def test_a_check_with_the_wrong_fields_is_refused(fields: str, complaint: str) -> None:
    with pytest.raises(MalformedPolicy, match=complaint):
        judged("data_check", TRAINING + fields, GOOD)
