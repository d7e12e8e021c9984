"""What one version of a policy changes over another, in terms of its rules."""

from __future__ import annotations

import pytest

from policies.authoring.changes import policy_changes
from policies.document_reading import read_policy
from tests.conftest import REPOSITORY

BASE = (REPOSITORY / "docs" / "policy-vectors" / "good-smallest.toml").read_text()
RULE = '\n[[rules]]\nid = "done"\nkind = "run_finished"\n'


def told(old: str, new: str) -> list[str]:
    one, two = read_policy(old.encode()), read_policy(new.encode())
    return [str(change) for change in policy_changes(one, two)]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("60.0", "50", "small-error stricter: rmse at most 60.0 -> rmse at most 50"),
        ("60.0", "70", "small-error laxer: rmse at most 60.0 -> rmse at most 70"),
        (
            "at_most",
            "at_least",
            "small-error changed: rmse at most 60.0 -> rmse at least 60.0",
        ),
        (
            '"rmse"',
            '"mae"',
            "small-error changed: rmse at most 60.0 -> mae at most 60.0",
        ),
        (
            '["*"]',
            '["fraud"]',
            "applies changed: When a version of every model is to go",
        ),
        ("it takes", "we want", "description changed: What it takes. -> What we want."),
        (
            'at_most = "60.0"',
            'at_most = "60.0"\nwhy = "Because."',
            "small-error changed: why:  -> why: Because.",
        ),
        ("count = 1", "count = 2", "approval by risk changed: 1 person who holds"),
    ],
)
def test_each_change_is_one_sentence(old: str, new: str, wanted: str) -> None:
    assert old in BASE
    found = told(BASE, BASE.replace(old, new))
    assert len(found) == 1
    assert found[0].startswith(wanted)


def test_what_is_added_and_dropped_is_told_both_ways() -> None:
    asks = "the run that produced the version ended well"
    assert told(BASE, BASE + RULE) == [f"done added: {asks}"]
    assert told(BASE + RULE, BASE) == [f"done dropped: {asks}"]
    more = BASE + '\n[[approvals]]\nrole = "validator"\ncount = 1\n'
    assert told(BASE, more)[0].startswith("approval by validator added: 1 person")
    assert told(more, BASE)[0].startswith("approval by validator dropped: 1 person")


def test_order_comments_and_version_change_nothing() -> None:
    moved = BASE.replace("version = 1", "version = 2") + "# the end\n"
    assert told(BASE, moved) == []
    head, quorum = moved.split("[[approvals]]")
    assert told(
        BASE, head.replace("[[rules]]", RULE + "[[rules]]") + "[[approvals]]" + quorum
    ) == ["done added: the run that produced the version ended well"]


WAIVERS = (
    '\n[waivers]\nrules = ["small-error"]\nrole = "risk"\ncount = 1\nlongest_days = 9\n'
)


def test_waivers_and_how_decisions_count_are_told() -> None:
    may = "1 person who holds the role `risk`, not whoever asked, may answer by name"
    assert told(BASE, BASE + WAIVERS)[0].startswith(
        f"waivers laxer: no rule may be waived -> {may}"
    )
    assert told(BASE + WAIVERS, BASE)[0].startswith(f"waivers stricter: {may}")
    outvoted = BASE + '\n[decisions]\nrejection = "outvoted"\n'
    assert told(BASE, outvoted)[0].startswith("rejections changed: A rejection by")
    same = BASE + "\n[decisions]\ndifferent_people = false\n"
    assert told(BASE, same)[0].startswith("people changed: Nobody counts in two")
