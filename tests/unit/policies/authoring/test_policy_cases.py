"""Cases beside a policy: read closed and typed, run, compared, and written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from console.cli import main
from console.services.policy_cases import find_cases, run_file
from policies.authoring.case_reading import read_cases
from policies.authoring.case_running import CaseResult, never_refused, run_case
from policies.authoring.case_schema import cases_schema
from policies.authoring.case_writing import write_cases
from policies.authoring.cases import open_cases
from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.rules.kinds import RULE_KINDS
from tests.conftest import REPOSITORY
from tests.unit.policies.test_rules import HEAD as HEAD_OF_POLICY
from tests.unit.policies.test_rules import QUORUMS, RULES, policy

SAMPLE = REPOSITORY / "sample_data" / "policy_cases"
POLICY = policy("metric", "provenance", "run_finished")
HEAD = """\
schema = "countersign/policy-cases/v1"
policy = "p.toml"

[good.metrics]
"rmse" = "52"

[good.samples]
"rmse" = 142

[[cases]]
name = "one"
verdict = "yes"
"""


def results(text: str) -> tuple[CaseResult, ...]:
    cases = read_cases(open_cases(text.encode(), path="c.toml"), POLICY)
    return tuple(run_case(case, POLICY) for case in cases)


def complaint(text: str) -> str:
    with pytest.raises(MalformedPolicy) as caught:
        results(text)
    return str(caught.value)


def test_the_sample_cases_pass() -> None:
    for path in find_cases(SAMPLE):
        file = run_file(path)
        assert len(file.cases) >= 10
        assert all(case.has_passed for case in file.cases), path


def test_a_case_that_is_met_passes() -> None:
    assert results(HEAD)[0].differences == ()


LOGGED = """
schema = "countersign/policy/v1"
id = "logged"
version = 1
description = "d"
[applies]
models = ["*"]
to = ["production"]
[[rules]]
id = "ran"
kind = "run_finished"
[[rules]]
id = "record"
kind = "model_record"
require = ["owner", "tier", "review_by"]
[[rules]]
id = "findings"
kind = "findings"
severities = ["high"]
[[rules]]
id = "observed"
kind = "observation"
metric = "errors"
environment = "staging"
at_most = "0.01"
unit = "ratio"
days = 3
window_hours = 24
[[rules]]
id = "signed"
kind = "signed_commit"
by = "author"
[[rules]]
id = "canary"
kind = "canary"
metric = "errors"
environment = "production"
target = "blue"
better = "lower"
days = 3
[[approvals]]
role = "validator"
count = 1
exclude = ["owner"]
"""


@pytest.mark.parametrize(
    ("more", "unmet"),
    [
        ("", set()),
        ("no_record = true", {"record", "approval by 1 x validator"}),
        ('record.review_by = "2029-12-31T00:00:00Z"', {"record"}),
        ("record.is_owner_in_force = false", {"record"}),
        ('record.owner_id = "validator-1-1"', {"approval by 1 x validator"}),
        ('findings = [{ severity = "high" }]', {"findings"}),
        ('findings = [{ severity = "low" }]', set()),
        ('observed = { errors = "0.011" }', {"observed", "canary"}),
        ('beside = { errors = "0.009" }', {"canary"}),
        ('observed_until = "2029-12-28T00:00:00Z"', {"observed", "canary"}),
        ("empty_stage = true", {"canary"}),
        ('commits_signed = "stranger"', {"signed"}),
        ('commits_signed = "none"', {"signed"}),
        ('commits_signed_by = "author"', set()),
        ('commits_signed_by = "somebody"', {"signed"}),
        ('context.authors = ["other"]\ncommits_signed_by = "author"', {"signed"}),
        ("evidence.lineage.commits = []", {"signed"}),
    ],
)
def test_a_case_says_what_the_log_holds(more: str, unmet: set[str]) -> None:
    decided = read_policy(LOGGED.encode())
    text = write_cases(decided, "p.toml").partition("[[cases]]")[0]
    text += f'[[cases]]\nname = "one"\nverdict = "yes"\n{more}\n'
    (case,) = read_cases(open_cases(text.encode(), path="c.toml"), decided)
    found = run_case(case, decided).differences
    assert {one.rule for one in found} - {"the whole"} == unmet
    assert bool(unmet) == bool(found)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ('findings = [{ due = "2030-01-01T00:00:00Z" }]', "'severity' is missing"),
        ('findings = [{ severity = "dire" }]', "severity must be"),
        ('findings = "none"', "findings"),
        ('record.tiers = "x"', "unknown field 'tiers'"),
        ('observed = { errors = "many" }', "errors"),
        ('observed_until = "2029-02-30T00:00:00Z"', "is no day"),
    ],
)
def test_what_the_log_cannot_hold_is_refused(more: str, what: str) -> None:
    assert what in complaint(f"{HEAD}{more}\n")


@pytest.mark.parametrize(
    ("more", "differing"),
    [
        ('metrics = { rmse = "56" }', {"the whole", "metric"}),
        ('without = ["rmse"]', {"the whole", "metric"}),
        ("samples = { rmse = 99 }", {"the whole", "metric"}),
        ("evidence.lineage.is_dirty = true", {"the whole", "provenance"}),
        ('unrecorded = ["lineage.run_status"]', {"the whole", "run_finished"}),
        (
            "votes = []",
            {"the whole", "approval by 1 x validator", "approval by 1 x risk"},
        ),
        (
            'context.trainers = ["validator-1-1"]',
            {"the whole", "approval by 1 x validator"},
        ),
        ('at = "2031-01-01T00:00:00Z"', set()),
        ('rules = { metric = "no" }', {"metric"}),
        ('rules = { metrics = "no" }', {"metrics"}),
        (
            'evidence.lineage.datasets = [{ name = "t", digest = "md5:1" }]',
            {"the whole", "provenance"},
        ),
    ],
)
def test_each_override_changes_the_verdict_it_is_about(
    more: str, differing: set[str]
) -> None:
    found = results(HEAD + more)[0]
    assert {difference.rule for difference in found.differences} == differing


def test_a_vote_lapses_by_the_policy_after_it_was_signed() -> None:
    votes = """
at = "2030-06-01T00:00:00Z"
votes = [
    { person = "vera", role = "validator", signed = "2030-03-03T00:00:01Z" },
    { person = "rik", role = "risk", signed = "2030-03-03T00:00:00Z" },
]
rules = { "approval by 1 x risk" = "no" }
"""
    text = HEAD.replace('verdict = "yes"', 'verdict = "no"')
    assert results(text + votes)[0].has_passed


def test_evidence_ages_with_the_time_of_a_case_and_not_with_that_of_all() -> None:
    rules = '[[rules]]\nid = "age"\nkind = "evidence_age"\ndays = 7\n'
    rules += '[[rules]]\nid = "done"\nkind = "run_finished"\n'
    fresh = read_policy((HEAD_OF_POLICY + rules + QUORUMS).encode())
    head, case = HEAD.split("[good.metrics]")[0], '[[cases]]\nname = "{}"\n'
    text = head + '[good]\nat = "2031-06-01T00:00:00Z"\n'
    text += case.format("soon") + 'verdict = "yes"\nat = "2031-06-07T00:00:00Z"\n'
    text += case.format("late") + 'verdict = "no"\nat = "2031-06-09T00:00:00Z"\n'
    text += 'rules = { age = "no" }\n'
    cases = read_cases(open_cases(text.encode()), fresh)
    assert [run_case(one, fresh).differences for one in cases] == [(), ()]


def test_a_waiver_lets_a_rule_be_until_it_ends() -> None:
    terms = '[waivers]\nrules = ["run_finished"]\nrole = "risk"\ncount = 1\n'
    body = '[[rules]]\nid = "run_finished"\nkind = "run_finished"\n'
    waivable = read_policy(
        (HEAD_OF_POLICY + body + QUORUMS + terms + "longest_days = 7\n").encode()
    )
    case = """
schema = "countersign/policy-cases/v1"
policy = "p.toml"
[[cases]]
name = "waived"
verdict = "yes"
at = "2030-01-08T00:00:00Z"
evidence.lineage.run_status = "FAILED"
[[cases.waivers]]
person = "rik"
rules = ["run_finished"]
signed = "2030-01-01T00:00:01Z"
"""
    later = case.replace("2030-01-08", "2030-01-09")

    def differing(text: str) -> list[str]:
        (one,) = read_cases(open_cases(text.encode()), waivable)
        return [d.rule for d in run_case(one, waivable).differences]

    assert differing(case) == []
    assert differing(later) == ["the whole", "run_finished"]
    assert differing(case.replace('"rik"', '"requester"')) != []
    assert VALIDATOR.is_valid(tomllib.loads(case))
    with pytest.raises(MalformedPolicy, match="lets nobody waive"):
        read_cases(open_cases(case.encode()), POLICY)
    with pytest.raises(MalformedPolicy, match="rules must be a list"):
        read_cases(open_cases(case.replace("rules", "rule").encode()), waivable)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("cases/v1", "cases/v2", "c.toml:1: schema must be"),
        ("[[cases]]", "[[case]]", "unknown field 'case'; did you mean 'cases'?"),
        ('verdict = "yes"', 'verdict = "true"', "c.toml:12: verdict must be"),
        ('verdict = "yes"', "", "c.toml:10: a case needs 'verdict'"),
        ('name = "one"', 'nam = "one"', "c.toml:11: unknown field 'nam'"),
        ("142", "0", "c.toml:8: rmse must be a whole number"),
        ('"52"', "52.0", "c.toml:5: rmse must be a decimal string"),
        ('"rmse" = 142', '"mae" = 142', "c.toml:8: samples of 'mae'"),
        ('policy = "p.toml"', "", "'policy' is missing"),
        ("[good.metrics]", "[good.metric]", "did you mean 'metrics'?"),
        ("[good.metrics]", "[[good.metrics]]", "metrics must be a table"),
    ],
)
def test_a_malformed_file_is_told_with_its_line(old: str, new: str, what: str) -> None:
    assert old in HEAD
    assert what in complaint(HEAD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("evidence.lineag.is_dirty = true", "did you mean 'lineage'?"),
        ("evidence.lineage.dirty = true", "did you mean 'is_dirty'?"),
        ('evidence.lineage.is_dirty = "no"', "is not of its form"),
        ("evidence.lineage.is_dirty = 1.5", "is not of its form"),
        ("evidence.lineage.is_dirty = 2030-01-01", "is not of its form"),
        ("evidence.lineage = 1", "must be a table"),
        ('evidence.lineage.datasets = [{ nam = "x" }]', "is not of its form"),
        ("evidence.lineage.datasets = [1]", "is not of its form"),
        ('evidence.model.manifest = "short"', "is not of its form"),
        ('unrecorded = ["lineage.nothing"]', "is no field of lineage"),
        ('unrecorded = ["nothing"]', "is no item of evidence"),
        ('context.requestr = "x"', "did you mean 'requester'?"),
        ('context.now = "yesterday"', "must be a time"),
        ('at = "2030-02-31T00:00:00Z"', "is no day"),
        ('context.now = "2030-02-31T00:00:00Z"', "is not possible"),
        ('votes = [{ role = "risk" }]', "'person' is missing"),
        ('votes = [{ person = "x", role = "risk", dec = "a" }]', "unknown field"),
        ('votes = [{ person = "x", role = "risk", decision = "a" }]', "must be"),
        ('votes = "none"', "must be written as"),
        ('rules = { metric = "maybe" }', 'must be "yes" or "no" or "unknown"'),
        ('[[cases]]\nname = "one"\nverdict = "no"', "two cases have the name"),
    ],
)
def test_a_malformed_case_is_told_where_it_stands(more: str, what: str) -> None:
    told = complaint(HEAD + more)
    assert what in told
    assert told.startswith("c.toml:1")


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"x" * 2_000_000, b"a = " + b"[" * 9999, b"cases = 1"]
)
def test_what_is_no_file_of_cases_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedPolicy):
        open_cases(data, path="c.toml")


@pytest.mark.parametrize("kind", RULES)
def test_the_first_cases_of_every_kind_of_rule_pass_as_written(kind: str) -> None:
    kinds = (kind,) if RULE_KINDS[kind].on_evidence else (kind, "run_finished")
    written = policy(*kinds)
    text = write_cases(written, "p.toml")
    cases = read_cases(open_cases(text.encode(), path="c.toml"), written)
    assert len(cases) >= 3
    assert all(run_case(case, written).has_passed for case in cases)


def test_names_that_need_quoting_are_written_so_that_they_read_back() -> None:
    hostile = 'rmse "q" \\\\ \\u007f \U0001f600 é'
    body = (REPOSITORY / "docs/policy-vectors/good-smallest.toml").read_text()
    document = body.replace('"rmse"', '"' + hostile.replace('"q"', '\\"q\\"') + '"')
    strange = read_policy(document.encode())
    text = write_cases(strange, "p.toml")
    cases = read_cases(open_cases(text.encode()), strange)
    assert cases[0].verdict.value == "yes"


def test_the_command_says_yes_no_and_malformed_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = (REPOSITORY / "docs/policy-vectors/good-smallest.toml").read_text()
    path, cases = tmp_path / "p.toml", tmp_path / "p.cases.toml"
    path.write_text(body)
    assert main(["policy", "test", str(path)]) == 2
    assert "--init" in capsys.readouterr().err
    assert main(["policy", "test", "--init", str(path)]) == 0
    assert main(["policy", "test", "--init", str(path)]) == 2
    assert main(["policy", "test", str(path)]) == 0
    assert main(["policy", "test", str(tmp_path)]) == 0
    capsys.readouterr()
    path.write_text(body.replace('"60.0"', '"59.0"'))
    assert main(["policy", "test", str(path)]) == 1
    out = capsys.readouterr().out
    assert "FAIL  everything is as it should be" in out
    assert "small-error: no, not yes (60.0)" in out
    cases.write_text(cases.read_text().replace("verdict", "verdikt", 1))
    assert main(["policy", "test", str(path)]) == 2
    path.write_text("nothing")
    assert main(["policy", "test", str(path)]) == 2
    assert main(["policy", "test", str(tmp_path / "nowhere")]) == 2


def test_junit_is_whole_xml_whatever_a_case_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.toml").write_text(
        (REPOSITORY / "docs/policy-vectors/good-smallest.toml").read_text()
    )
    name = '<![CDATA[ & \\u001b]0; \\uffff \\"'
    (tmp_path / "p.cases.toml").write_text(
        HEAD.replace('"one"', f'"{name}"').replace('"52"', '"61"')
    )
    assert main(["policy", "test", str(tmp_path), "--format", "junit"]) == 1
    root = ElementTree.fromstring(capsys.readouterr().out)  # noqa: S314 - our own
    assert root.tag == "testsuites"
    suites = root.findall("testsuite")
    assert [suite.get("tests") for suite in suites] == ["1"]
    assert [suite.get("failures") for suite in suites] == ["1"]
    case = suites[0].findall("testcase")[0]
    assert str(case.get("name")).startswith("<![CDATA[ & <U+001B>]0;")
    assert {"name", "classname", "time"} <= set(case.keys())
    failures = case.findall("failure")
    assert len(failures) == 1
    assert failures[0].get("message", "").startswith("the whole: no, not yes")


PUBLISHED = REPOSITORY / "docs" / "policy-cases.schema.json"
VALIDATOR = jsonschema.Draft7Validator(cases_schema())


def test_the_published_schema_of_cases_is_the_one_the_program_makes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["policy", "schema", "--cases"]) == 0
    assert PUBLISHED.read_text() == capsys.readouterr().out, "run: make policy-schema"
    jsonschema.Draft7Validator.check_schema(cases_schema())


def test_sample_and_written_cases_are_valid_by_the_schema() -> None:
    for path in find_cases(SAMPLE):
        VALIDATOR.validate(tomllib.loads(path.read_text()))
    for kind in RULES:
        kinds = (kind,) if RULE_KINDS[kind].on_evidence else (kind, "run_finished")
        VALIDATOR.validate(tomllib.loads(write_cases(policy(*kinds), "p.toml")))


@pytest.mark.parametrize(
    "more",
    [
        "evidence.lineag.is_dirty = true",
        "evidence.lineage.dirty = true",
        'evidence.lineage.is_dirty = "no"',
        'evidence.lineage.datasets = [{ nam = "x" }]',
        'context.requestr = "x"',
        'votes = [{ role = "risk" }]',
        'votes = [{ person = "x", role = "risk", decision = "a" }]',
        'rules = { metric = "maybe" }',
        "metrics = { rmse = 1.5 }",
        "samples = { rmse = 0 }",
        "surprise = 1",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(more: str) -> None:
    assert VALIDATOR.is_valid(tomllib.loads(HEAD))
    assert not VALIDATOR.is_valid(tomllib.loads(HEAD + more))
    assert complaint(HEAD + more)


@pytest.mark.parametrize("name", ["diabetes-production", "screening-production"])
def test_the_first_cases_show_every_rule_of_the_sample_to_refuse(name: str) -> None:
    path = REPOSITORY / "sample_data" / "policies" / f"{name}.toml"
    sample = read_policy(path.read_bytes())
    cases = read_cases(open_cases(write_cases(sample, path.name).encode()), sample)
    assert cases[0].verdict.value == "yes"
    found = [run_case(case, sample) for case in cases]
    assert all(result.has_passed for result in found)
    assert never_refused(found) == ()
