"""Rules about how a version behaves where it runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.evidence import Evidence, Metric
from policies.rules import evaluate
from policies.rules.context import Context, Observed
from policies.verdict import Node
from tests.unit.policies.test_rules import BOTH, CONTEXT, GOOD, HEAD, QUORUMS
from tests.worlds import NOON

RAN = '[[rules]]\nid = "ran"\nkind = "run_finished"\n'
ERRORS = 'metric = "errors"\nenvironment = "staging"\ndays = 7\nat_most = "0.01"'
CANARY = 'metric = "errors"\nenvironment = "staging"\ndays = 7\nbetter = "lower"'
SEEN = Observed(
    entry=9,
    version=GOOD.model.version_key,
    manifest=GOOD.model.manifest,
    environment="staging",
    target="blue",
    since=NOON - timedelta(days=2),
    until=NOON - timedelta(days=1),
    numbers=(Metric("errors", "0.010", "", 1000), Metric("p95", "210", "", 1000)),
    units=(("p95", "ms"),),
    is_by_service=True,
)
BESIDE = replace(
    SEEN,
    baseline=GOOD.incumbent.version_key,
    baseline_numbers=(Metric("errors", "0.010", "", 9000),),
)


def saying(value: str, **changes: object) -> Observed:
    numbers = (Metric("errors", value, "", 1000),)
    return replace(SEEN, numbers=numbers, **changes)  # type: ignore[arg-type]  # names checked by the dataclass


def judged(kind: str, fields: str, *seen: Observed, evidence: Evidence = GOOD) -> Node:
    text = f'{HEAD}{RAN}[[rules]]\nid = "r"\nkind = "{kind}"\n{fields}\n{QUORUMS}'
    context: Context = replace(CONTEXT, observations=seen)
    whole = evaluate(read_policy(text.encode()), evidence, BOTH, context)
    return next(leaf for leaf in whole.leaves() if leaf.rule == "r")


def verdict(kind: str, fields: str, *seen: Observed) -> str:
    return judged(kind, fields, *seen).verdict.value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (ERRORS, "yes"),
        (ERRORS.replace("0.01", "0.0099"), "no"),
        (ERRORS.replace("errors", "crashes"), "unknown"),
        (ERRORS.replace("staging", "production"), "unknown"),
        (f'{ERRORS}\ntarget = "blue"', "yes"),
        (f'{ERRORS}\ntarget = "green"', "unknown"),
        (f"{ERRORS}\nminimum_samples = 1001", "no"),
        (f"{ERRORS}\nwindow_hours = 24", "yes"),
        (f"{ERRORS}\nwindow_hours = 25", "no"),
        (f'{ERRORS}\nslice = "sex:1"', "unknown"),
        (f'{ERRORS}\nunit = "ratio"', "unknown"),
        (ERRORS.replace("errors", "p95").replace("0.01", "250"), "yes"),
        (f'{ERRORS}\nunit = "s"'.replace("errors", "p95"), "no"),
    ],
)
def test_an_observation_is_within_bounds_on_enough_rows_for_long_enough(
    fields: str, expected: str
) -> None:
    assert verdict("observation", fields, SEEN) == expected


def test_an_observation_that_is_old_does_not_do_and_one_of_the_future_is_unknown() -> (
    None
):
    week, month = timedelta(days=7), timedelta(days=30)
    early = replace(SEEN, since=NOON - month, until=NOON - week)
    assert verdict("observation", ERRORS, early) == "yes"
    late = replace(early, until=NOON - week - timedelta(seconds=1))
    assert verdict("observation", ERRORS, late) == "no"
    ahead = replace(SEEN, until=NOON + timedelta(hours=1))
    assert verdict("observation", ERRORS, ahead) == "unknown"


def test_another_version_or_other_bytes_under_its_name_were_not_observed() -> None:
    assert verdict("observation", ERRORS) == "unknown"
    other = replace(SEEN, version="version:9")
    rebuilt = replace(SEEN, manifest="0" * 64)
    assert verdict("observation", ERRORS, other, rebuilt) == "unknown"


def test_the_newest_window_counts_and_of_two_about_it_the_later_entry() -> None:
    good, bad = saying("0.001"), saying("0.5")
    older = replace(bad, until=SEEN.until - timedelta(hours=1), entry=99)
    assert verdict("observation", ERRORS, older, good) == "yes"
    assert verdict("observation", ERRORS, good, replace(bad, entry=10)) == "no"
    assert verdict("observation", ERRORS, replace(bad, entry=10), good) == "no"
    silent = replace(SEEN, numbers=(SEEN.numbers[1],), until=NOON)
    assert verdict("observation", ERRORS, bad, silent) == "no"


def test_one_deployment_that_does_badly_is_enough_to_refuse() -> None:
    bad, silly = saying("0.5", target="green"), saying("often", target="green")
    assert verdict("observation", ERRORS, SEEN, bad) == "no"
    assert verdict("observation", ERRORS, SEEN, silly) == "unknown"
    node = judged("observation", ERRORS, SEEN, bad)
    assert node.observed == "blue: 0.010 (entry 9); green: 0.5 (entry 9)"


def test_only_what_a_service_measured_counts_where_the_policy_says_so() -> None:
    mine = replace(SEEN, is_by_service=False)
    assert verdict("observation", f"{ERRORS}\nby_service = true", mine) == "unknown"
    assert verdict("observation", f"{ERRORS}\nby_service = true", SEEN) == "yes"


@pytest.mark.parametrize(
    ("fields", "mine", "expected"),
    [
        (CANARY, "0.010", "yes"),
        (CANARY, "0.0101", "no"),
        (f'{CANARY}\ntolerance = "0.001"', "0.011", "yes"),
        (f'{CANARY}\nbetter_by = "0.001"', "0.0091", "no"),
        (CANARY.replace("lower", "higher"), "0.0101", "yes"),
        (f"{CANARY}\nminimum_samples = 1001", "0.010", "no"),
        (CANARY, "few", "unknown"),
    ],
)
def test_a_canary_is_held_against_the_version_in_the_stage(
    fields: str, mine: str, expected: str
) -> None:
    beside = replace(BESIDE, numbers=(Metric("errors", mine, "", 1000),))
    assert verdict("canary", fields, beside) == expected


def test_a_canary_beside_another_version_proves_nothing() -> None:
    assert verdict("canary", CANARY, SEEN) == "unknown"
    assert verdict("canary", CANARY, replace(BESIDE, baseline="version:0")) == "unknown"
    in_other_units = replace(BESIDE, baseline_units=(("errors", "percent"),))
    assert verdict("canary", CANARY, in_other_units) == "unknown"


def test_a_canary_into_an_empty_stage_passes_only_where_the_policy_lets_it() -> None:
    empty = replace(GOOD, incumbent=replace(GOOD.incumbent, version_key=""))
    assert judged("canary", CANARY, evidence=empty).verdict.value == "no"
    allowed = f'{CANARY}\nfirst_promotion = "allow"'
    assert judged("canary", allowed, evidence=empty).verdict.value == "yes"


@pytest.mark.parametrize(
    ("kind", "fields", "complaint"),
    [
        ("observation", ERRORS.partition("\nat_most")[0], "at_least or at_most"),
        ("observation", ERRORS.replace("days = 7", ""), "needs 'days'"),
        ("canary", f'{CANARY}\nbetter_by = "1"\ntolerance = "1"', "not both"),
        ("canary", CANARY.replace('"lower"', '"least"'), "better must be"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(
    kind: str, fields: str, complaint: str
) -> None:
    with pytest.raises(MalformedPolicy, match=complaint):
        judged(kind, fields)


_SEEN = st.builds(
    lambda value, target, hours: saying(
        value,
        target=target,
        since=NOON - timedelta(days=30),
        until=NOON - timedelta(hours=hours),
    ),
    st.sampled_from(("0.001", "0.02", "nonsense")),
    st.sampled_from(("blue", "green")),
    st.integers(-2, 24 * 9),
)


@given(st.lists(_SEEN, max_size=5), _SEEN, st.randoms(use_true_random=False))
def test_a_failing_observation_more_never_turns_a_refusal_into_a_pass(
    seen: list[Observed], failing: Observed, chance: Random
) -> None:
    numbers = (Metric("errors", "0.5", "", 1000),)
    seen = [replace(one, entry=number) for number, one in enumerate(seen)]
    worse = [*seen, replace(failing, numbers=numbers, entry=9)]
    before, after = (verdict("observation", ERRORS, *found) for found in (seen, worse))
    assert after != "yes" or before == "yes"
    chance.shuffle(worse)
    assert verdict("observation", ERRORS, *worse) == after
