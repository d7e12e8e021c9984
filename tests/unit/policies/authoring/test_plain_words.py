"""A policy in plain words says everything that the document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policies.authoring.plain_words import policy_in_words, quoted
from policies.document import Policy
from policies.document_reading import read_policy
from policies.rules.kinds import RULE_KINDS
from tests.conftest import REPOSITORY
from tests.unit.policies.test_rules import HEAD, QUORUMS, RULES, policy

SAMPLES = sorted((REPOSITORY / "sample_data" / "policies").glob("*.toml"))


def read(text: str) -> Policy:
    return read_policy(text.encode())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_rule_reason_pattern_and_role_is_told(path: Path) -> None:
    sample = read(path.read_text())
    words = policy_in_words(sample)
    for rule in sample.rules:
        assert f"**{rule.id}**: " in words
        assert quoted(RULE_KINDS[rule.kind].asks(rule)) in words
        assert quoted(rule.why) in words
    for quorum in sample.quorums:
        assert f"the role `{quorum.role}`" in words
        assert f"lapses after {quorum.expires_after_days} days" in words
    for name in (*sample.applies.models, *sample.applies.to):
        assert f"`{name}`" in words
    assert sample.digest in words


def test_every_kind_of_rule_can_be_said() -> None:
    words = policy_in_words(policy(*RULES))
    numbers = [int(n) for n in re.findall(r"(?m)^(\d+)\. \*\*", words)]
    assert numbers == list(range(1, len(RULES) + 1))


def test_who_is_barred_is_said_in_words() -> None:
    words = policy_in_words(policy("run_finished"))
    assert "not whoever asked, nor whoever ran the training." in words


def test_order_conditions_waivers_and_outvoting_are_said() -> None:
    text = HEAD + '[[rules]]\nid = "r"\nkind = "run_finished"\n' + QUORUMS
    text += 'after = ["validator"]\ncondition = "The *plan* is in place."\n'
    text += '[decisions]\nrejection = "outvoted"\ndifferent_people = false\n'
    text += '[waivers]\nrules = ["r"]\nrole = "risk"\ncount = 2\nlongest_days = 7\n'
    words = policy_in_words(read(text))
    assert "only after `validator` approved. They confirm: The \\*plan\\*" in words
    assert "One person may count in several of these approvals." in words
    assert "A rejection blocks nothing once enough others approve." in words
    assert "2 different people who hold the role `risk`, not whoever asked," in words
    assert "may answer by name for `r` when it is not met, for at most 7 days." in words


def test_text_from_a_document_cannot_become_markup() -> None:
    text = REPOSITORY.joinpath("docs/policy-vectors/good-smallest.toml").read_text()
    text = text.replace('"What it takes."', '"# Approved\\n\\n- [x](http://evil) <b>"')
    words = policy_in_words(read(text))
    assert "\n\\# Approved - \\[x\\](http://evil) \\<b\\>\n" in words
