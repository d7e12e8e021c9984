"""Lint: what a well-formed policy says that cannot be meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from console.cli import main
from policies.authoring.known import Record
from policies.authoring.lint import implies, lint
from policies.authoring.lint_record import lint_against, overlaps
from policies.authoring.remarks import Linted, Remark, Severity
from policies.document_reading import read_policy
from policies.predicates import Grant
from policies.rules.kinds import RULE_KINDS
from policies.trust_root import Person
from tests.conftest import REPOSITORY
from tests.unit.policies.sample_statements import public
from tests.unit.policies.test_rules import RULES, policy
from tests.worlds import NOON

BASE = (REPOSITORY / "docs" / "policy-vectors" / "good-smallest.toml").read_text()
"""Its rule stands on lines 11 to 15, its quorum on 17 to 19."""
RECORD = Record(
    models=frozenset({"loans", "fraud"}),
    metrics=frozenset({"rmse", "auc"}),
    slices=frozenset({"sex:1", "sex:2"}),
    datasets=frozenset({"holdout"}),
    environments=frozenset({"default"}),
    people=(),
    trainers={},
    authors={},
    in_force=(),
)


def linted(text: str) -> Linted:
    return Linted(read_policy(text.encode(), path="p"), text, "p")


def told(remarks: list[Remark]) -> list[str]:
    return [f"{r.line} {r.severity.value}: {r.text}" for r in remarks]


def alone(text: str) -> list[str]:
    return told(lint(linted(text), NOON))


def against(text: str, record: Record = RECORD) -> list[str]:
    return told(lint_against(linted(text), record))


def rule(name: str, kind: str, fields: str) -> str:
    return f'\n[[rules]]\nid = "{name}"\nkind = "{kind}"\n{fields}\n'


def person(name: str, *roles: str, models: tuple[str, ...] = ("*",)) -> Person:
    grants = tuple(Grant(role, models=models) for role in roles)
    return Person(name, "0" * 64, (public(),), (), grants)


def test_there_is_nothing_to_say_about_a_plain_policy() -> None:
    assert alone(BASE) == []


SAMPLES = sorted((REPOSITORY / "sample_data" / "policies").glob("*.toml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_there_is_nothing_to_say_about_the_sample_policies(path: Path) -> None:
    assert alone(path.read_text()) == []


MAE = rule("other", "metric", 'metric = "mae"\nat_most = "1"')


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            BASE.replace('at_most = "60.0"', 'at_most = "60.0"\nat_least = "70"'),
            "16 problem: small-error: nothing is at least 70 and at most 60.0",
        ),
        (
            BASE + rule("large", "metric", 'metric = "rmse"\nat_least = "65"'),
            "25 problem: large: wants at least 65, and small-error asks the contrary",
        ),
        (
            BASE + rule("lax", "metric", 'metric = "rmse"\nat_most = "61"'),
            "22 remark: lax: whatever meets small-error meets this too",
        ),
        (
            BASE + rule("hard", "metric", 'metric = "rmse"\nat_most = "59"'),
            "12 remark: small-error: whatever meets hard meets this too",
        ),
        (
            BASE + rule("same", "metric", 'metric = "rmse"\nat_most = "60.0"'),
            "22 remark: same: whatever meets small-error meets this too",
        ),
        (
            BASE.replace("at_most", 'dataset = "a"\nat_most')
            + rule("b", "metric", 'metric = "auc"\ndataset = "b"\nat_least = "0"'),
            "26 problem: b: wants what was measured on b, and small-error asks the "
            "contrary",
        ),
        (
            BASE.replace("at_most", 'slice = "old"\nat_most'),
            "15 problem: small-error: no slice is called 'old'",
        ),
        (
            BASE.replace('"rmse"', '"rmse/sex:1"'),
            "14 problem: small-error: 'rmse/sex:1' is a metric on a slice",
        ),
        (
            BASE
            + rule("gap", "slice_gap", 'metric="m"\ncolumn="a:b"\nlargest_gap="1"'),
            "25 problem: gap: 'a:b' is a slice, not a column",
        ),
        (
            BASE + rule("c", "comparison", 'metric = "rmse"\nbetter = "lower"'),
            "23 remark: c: no version can ever enter an empty stage under this rule",
        ),
        (
            BASE + '\n[[approvals]]\nrole = "risk"\ncount = 2\n',
            "22 remark: a second quorum of the role risk",
        ),
        (
            BASE.replace('["*"]', '["a-*", "a-b-*"]'),
            "8 remark: 'a-*' covers 'a-b-*' already",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(text: str, wanted: str) -> None:
    assert wanted in alone(text)


@pytest.mark.parametrize(
    "text",
    [
        BASE + MAE,
        BASE + rule("lax", "metric", 'metric = "rmse"\nslice = "a:b"\nat_most = "61"'),
        BASE + rule("bound", "metric", 'metric = "rmse"\nat_least = "60"'),
        BASE + rule("rows", "metric", 'metric="rmse"\nat_most="61"\nminimum_samples=9'),
        BASE.replace('["*"]', '["a-b", "a-*"]'),
    ],
)
def test_what_may_well_be_meant_is_left_alone(text: str) -> None:
    assert alone(text) == []


@pytest.mark.parametrize("kind", RULES)
def test_every_rule_implies_itself(kind: str) -> None:
    written = policy(kind, *(() if RULE_KINDS[kind].on_evidence else ("run_finished",)))
    assert implies(written.rules[0], written.rules[0])


def test_names_that_no_run_has_are_told_with_the_nearest() -> None:
    text = BASE.replace('"rmse"', '"rsme"').replace("at_most", 'dataset="x"\nat_most')
    assert against(text)[:2] == [
        "14 problem: small-error: no run has a metric 'rsme'; did you mean 'rmse'?",
        "15 problem: small-error: there is no dataset 'x'",
    ]
    gap = rule("gap", "slice_gap", 'metric="auc"\ncolumn="age"\nlargest_gap="1"')
    assert "25 problem: gap: no metric is sliced by 'age'" in against(BASE + gap)


def test_an_empty_record_says_nothing_about_names() -> None:
    nothing = replace(RECORD, models=frozenset(), metrics=frozenset())
    assert [t for t in against(BASE, nothing) if "metric" in t] == []


@pytest.mark.parametrize(
    ("people", "wanted"),
    [
        ((), "1 of the role risk are wanted for fraud in default, and 0 hold it"),
        ((person("a", "risk"),), ""),
        (
            (person("a", "risk", models=("loans",)),),
            "1 of the role risk are wanted for fraud in default, and 0 hold it",
        ),
        ((person("a", "risk", "requester"), person("b", "requester")), ""),
        (
            (person("a", "risk", "requester"),),
            "1 of the role risk are wanted for fraud in default, and whoever may ask "
            "for it is needed among them",
        ),
        (
            (person("t", "risk"),),
            "1 of the role risk are wanted for fraud in default, and 0 of the 1 who "
            "hold it made none of the newest version",
        ),
    ],
)
def test_a_quorum_larger_than_those_who_could_sign_is_a_problem(
    people: tuple[Person, ...], wanted: str
) -> None:
    text = BASE.replace("count = 1", 'count = 1\nexclude = ["trainer"]')
    record = replace(RECORD, people=people, trainers={"fraud": frozenset({"t"})})
    found = [t for t in against(text, record) if "role" in t]
    assert found == ([f"19 problem: {wanted}"] if wanted else [])


TWO_ROLES = BASE + '[[approvals]]\nrole = "validator"\ncount = 1\n'


@pytest.mark.parametrize(
    ("people", "is_told"),
    [
        ((person("a", "risk", "validator"), person("q", "requester")), True),
        ((person("a", "risk"), person("b", "validator")), False),
        ((person("a", "risk", "validator"), person("b", "risk")), False),
    ],
)
def test_quorums_that_only_the_same_people_could_fill_are_a_problem(
    people: tuple[Person, ...], is_told: bool
) -> None:
    told_so = "2 different people are wanted for fraud in default, and at most 1"
    found = against(TWO_ROLES, replace(RECORD, people=people))
    assert any(told_so in line for line in found) == is_told
    same = TWO_ROLES + "[decisions]\ndifferent_people = false\n"
    assert not any("different people" in t for t in against(same, RECORD))


def test_a_role_that_only_the_owner_holds_is_short_where_owners_are_barred() -> None:
    text = BASE.replace("count = 1", 'count = 1\nexclude = ["owner"]')
    owned = replace(
        RECORD, people=(person("o", "risk"),), owners={"fraud": frozenset({"o"})}
    )
    assert any("0 of the 1 who hold it" in line for line in against(text, owned))


def test_signers_of_models_whom_nobody_enrolled_are_remarked() -> None:
    fields = 'people = ["p-1", "p-2"]\nkeys = ["' + "a" * 64 + '"]'
    text = BASE + rule("signed", "model_signed", fields)
    record = replace(RECORD, signers=frozenset({"p-1"}))
    found = [line for line in against(text, record) if "nobody enrolled" in line]
    assert len(found) == 2
    assert any("has the id 'p-2'" in line for line in found)
    assert any("has the key 'aaaa" in line for line in found)


def test_signers_of_commits_whom_nobody_enrolled_are_remarked() -> None:
    text = BASE + rule("signed", "signed_commit", 'people = ["p-1", "p-2"]')
    record = replace(RECORD, signers=frozenset({"p-1"}))
    (found,) = [line for line in against(text, record) if "nobody enrolled" in line]
    assert "has the id 'p-2'" in found


def test_a_number_that_is_observed_where_it_runs_need_be_no_metric_of_a_run() -> None:
    fields = 'metric = "errors"\nenvironment = "eu"\ndays = 1\nat_most = "1"'
    text = BASE + rule("watched", "observation", fields)
    assert not any("no run has a metric 'errors'" in t for t in against(text))


def test_a_version_that_is_not_the_next_one_is_a_problem() -> None:
    current = read_policy(BASE.encode())
    in_force = replace(RECORD, in_force=(current,))
    assert "4 remark: it is in force already" in against(BASE, in_force)
    changed = BASE.replace("60.0", "61.0")
    assert "4 problem: version 1, but version 1 is in force" in against(
        changed, in_force
    )
    skipped = changed.replace("version = 1", "version = 3")
    assert "4 problem: version 3, but version 1 is in force" in against(
        skipped, in_force
    )
    following = changed.replace("version = 1", "version = 2")
    assert not [t for t in against(following, in_force) if t.startswith("4 ")]
    assert "4 problem: version 2, but it is new" in against(following)


def test_two_policies_that_are_equally_specific_are_told_with_the_transition() -> None:
    one = linted(BASE)
    other = linted(BASE.replace('id = "production"', 'id = "other"'))
    assert told(overlaps([one, other], ())) == [
        "7 problem: as specific as production for any to production in any: "
        "that means no"
    ]
    assert overlaps([one], [read_policy(BASE.encode())]) == []
    assert len(overlaps([other], [one.policy])) == 1
    narrower = linted(BASE.replace('["*"]', '["fraud-*"]'))
    assert overlaps([narrower], [other.policy]) == []
    staging = linted(BASE.replace('["production"]', '["staging"]'))
    assert overlaps([staging], [other.policy]) == []


def test_the_command_exits_by_the_gravest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(BASE)
    assert main(["policy", "lint", str(path)]) == 0
    path.write_text(BASE.replace('["*"]', '["a-*", "a-b-*"]'))
    assert main(["policy", "lint", str(path)]) == 0
    path.write_text(BASE.replace("at_most", 'slice = "old"\nat_most'))
    assert main(["policy", "lint", str(path)]) == 1
    bad = tmp_path / "q.toml"
    bad.write_text("\x1b]0;x = 1")
    capsys.readouterr()
    assert main(["policy", "lint", str(path), str(bad)]) == 2
    out = capsys.readouterr().out
    assert "p.toml:15: problem: " in out
    assert "q.toml:1: malformed: " in out
    assert "\x1b" not in out
    assert main(["policy", "lint", str(tmp_path / "nothing.toml")]) == 2
    path.write_text(BASE)
    assert main(["policy", "test", "--init", str(path)]) == 0
    cases = tmp_path / "p.cases.toml"
    assert main(["policy", "lint", str(path), str(cases)]) == 0
    cases.write_text(cases.read_text().replace("verdict", "verdikt"))
    assert main(["policy", "lint", str(path), str(cases)]) == 2
    assert Severity("remark") is Severity.REMARK
