"""Which policy decides: the narrowest, by what the log says, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.document import Policy
from policies.document_reading import read_policy
from policies.errors import MalformedPolicy, UnknownSelection
from policies.predicates import Transition
from policies.selection import Asked, covers, select_policy
from policies.verdict import Verdict

TO_PRODUCTION = Transition("", "production", "eu")
ASKED = Asked("fraud-eu", TO_PRODUCTION, frozenset({"staging"}), "high", "p-ana")
UNKNOWN = replace(ASKED, tier="", owner="", stages=frozenset())


def policy(name: str, applies: str = 'models = ["*"]') -> Policy:
    text = f"""
schema = "countersign/policy/v1"
id = "{name}"
version = 1
description = "d"
[applies]
to = ["production"]
{applies}
[[rules]]
id = "ran"
kind = "run_finished"
[[approvals]]
role = "validator"
count = 1
"""
    return read_policy(text.encode())


GENERAL = policy("general")
NARROW = policy("narrow", 'models = ["fraud-*"]')
EXACT = policy("exact", 'models = ["fraud-eu"]')
HIGH = policy("high", 'models = ["*"]\ntiers = ["high"]')
OWNED = policy("owned", 'models = ["*"]\nowners = ["p-ana"]')
STAGED = policy("staged", 'models = ["*"]\nfrom = ["staging"]')


@pytest.mark.parametrize(
    ("model", "chosen"),
    [("loans", "general"), ("fraud-us", "narrow"), ("fraud-eu", "exact")],
)
def test_the_most_specific_policy_is_selected(model: str, chosen: str) -> None:
    asked = replace(ASKED, model=model)
    assert select_policy([GENERAL, NARROW, EXACT], asked).id == chosen


def test_none_and_two_equally_specific_policies_both_refuse() -> None:
    staging = replace(ASKED, transition=Transition("", "staging", "eu"))
    with pytest.raises(MalformedPolicy, match="no policy in force covers"):
        select_policy([GENERAL], staging)
    with pytest.raises(MalformedPolicy, match="none is the narrowest: general, other"):
        select_policy([GENERAL, policy("other")], ASKED)


@pytest.mark.parametrize("narrower", [HIGH, OWNED, STAGED])
def test_a_policy_for_a_tier_an_owner_or_a_stage_comes_before_one_for_all(
    narrower: Policy,
) -> None:
    assert select_policy([GENERAL, narrower], ASKED).id == narrower.id
    other = replace(ASKED, tier="low", owner="p-bo", stages=frozenset({"candidate"}))
    assert select_policy([GENERAL, narrower], other).id == "general"


def test_a_policy_for_a_tier_and_one_for_a_name_are_neither_the_narrower() -> None:
    with pytest.raises(MalformedPolicy, match="none is the narrowest"):
        select_policy([NARROW, HIGH], ASKED)
    both = policy("both", 'models = ["fraud-*"]\ntiers = ["high"]')
    assert select_policy([NARROW, HIGH, both], ASKED).id == "both"


@pytest.mark.parametrize("narrower", [HIGH, OWNED])
def test_an_unknown_tier_or_owner_never_leaves_it_to_a_laxer_policy(
    narrower: Policy,
) -> None:
    assert covers(narrower.applies, UNKNOWN) is Verdict.UNKNOWN
    with pytest.raises(UnknownSelection, match="the model has no record"):
        select_policy([GENERAL, EXACT, narrower], UNKNOWN)
    elsewhere = replace(UNKNOWN, transition=Transition("", "staging", "eu"))
    with pytest.raises(MalformedPolicy, match="no policy in force"):
        select_policy([narrower], elsewhere)


def test_a_version_that_no_promotion_put_anywhere_comes_from_no_stage() -> None:
    with pytest.raises(MalformedPolicy, match="no policy in force"):
        select_policy([STAGED], UNKNOWN)
    claimed = replace(UNKNOWN, transition=Transition("staging", "production", "eu"))
    with pytest.raises(MalformedPolicy, match="no policy in force"):
        select_policy([STAGED], claimed)


_PATTERNS = st.sampled_from(('["*"]', '["fraud-*"]', '["fraud-eu"]', '["high"]'))
_MADE = st.builds(
    lambda models, tiers, owners, stages: (
        f"models = {models}\ntiers = {tiers}\nowners = {owners}\nfrom = {stages}"
    ),
    *[_PATTERNS] * 4,
)
_NAMES = st.sampled_from(("", "fraud-eu", "fraud-us", "high"))
_ASKED = st.builds(
    lambda model, stages, tier, owner: Asked(
        model, TO_PRODUCTION, frozenset(stages), tier, owner
    ),
    _NAMES,
    st.sets(_NAMES, max_size=2),
    _NAMES,
    _NAMES,
)


def chosen(policies: list[Policy], asked: Asked) -> str:
    try:
        return select_policy(policies, asked).id
    except MalformedPolicy as problem:
        return type(problem).__name__


@given(st.lists(_MADE, max_size=4), _ASKED, st.randoms(use_true_random=False))
def test_the_order_of_policies_never_matters_and_a_known_record_never_hides_one(
    made: list[str], asked: Asked, random: object
) -> None:
    policies = [policy(f"p{n}", applies) for n, applies in enumerate(made)]
    shuffled = policies[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    found = chosen(policies, asked)
    assert found == chosen(shuffled, asked)
    forgotten = chosen(policies, replace(asked, tier="", owner=""))
    turning = any(
        covers(p.applies, replace(asked, tier="", owner="")) is Verdict.UNKNOWN
        for p in policies
    )
    assert (forgotten == "UnknownSelection") == turning
