"""A changed policy against the decisions that were made: what turns, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli import main
from console.services.backtesting import Backtest, Retried, Span, backtest
from console.services.demonstration import Demonstrated
from console.services.founding import activate_policy
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.reviewing import find_request, review_sheet
from console.services.signing import Acting, act_as_person
from console.services.signoff import answer_request, request_transition, withdraw
from policies.document_reading import read_policy
from policies.evidence_reading import read_manifest
from policies.predicates import Decision
from policies.turning import Turn
from policies.verdict import Verdict
from tests.conftest import REPOSITORY

POLICY = (REPOSITORY / "sample_data/policies/diabetes-production.toml").read_text()
STRICTER = POLICY.replace("version = 1", "version = 2").replace(
    'largest_gap = "3.0"', 'largest_gap = "1.0"'
)
UNCOLLECTED = POLICY + (
    '\n[[rules]]\nid = "calibrated"\nkind = "metric"\n'
    'metric = "calibration"\nat_most = "1.0"\n'
)


def tried(store: OpenStore, text: str, span: Span | None = None) -> Backtest:
    return backtest(store, read_policy(text.encode()), span)


def turns(found: Backtest) -> dict[str, Turn]:
    return {r.version.rpartition("@")[2]: r.turn for r in found.retried}


def test_the_policy_of_the_time_changes_nothing(demo_store: OpenStore) -> None:
    found = tried(demo_store, POLICY)
    assert set(turns(found)) == {"2", "5", "6"}
    assert set(turns(found).values()) == {Turn.SAME}
    assert (found.promoted, found.exit_code, found.by_rule()) == (2, 0, [])


def test_a_new_version_of_the_same_rules_makes_no_answer_stale(
    demo_store: OpenStore,
) -> None:
    found = tried(demo_store, POLICY.replace("version = 1", "version = 2"))
    assert set(turns(found).values()) == {Turn.SAME}


def test_a_stricter_rule_names_the_promotion_it_refuses_and_by_how_much(
    demo_store: OpenStore,
) -> None:
    found = tried(demo_store, STRICTER)
    assert turns(found) == {"2": Turn.REFUSED, "5": Turn.SAME, "6": Turn.SAME}
    (rule,) = found.retried[0].rules
    assert (rule.rule, rule.before, rule.after) == (
        "sexes-served-alike",
        Verdict.YES,
        Verdict.NO,
    )
    assert "at most 1.0" in rule.wanted
    assert rule.observed.startswith("1.34799")
    assert found.exit_code == 1


def test_a_metric_that_was_not_collected_could_not_be_told(
    demo_store: OpenStore,
) -> None:
    found = tried(demo_store, UNCOLLECTED)
    assert turns(found) == {"2": Turn.UNTOLD, "5": Turn.SAME, "6": Turn.UNTOLD}
    assert [(c.rule, c.could_not_tell) for c in found.by_rule()] == [("calibrated", 2)]
    assert found.exit_code == 3


def test_a_policy_that_no_longer_covers_its_requests_refuses_them(
    demo_store: OpenStore,
) -> None:
    found = tried(demo_store, POLICY.replace('["diabetes-*"]', '["other"]'))
    assert turns(found)["6"] is Turn.REFUSED
    assert "a policy in force" in {c.rule for c in found.by_rule()}


def test_requests_that_another_policy_decides_are_left_out(
    demo_store: OpenStore,
) -> None:
    wider = POLICY.replace('"diabetes-production"', '"everything"')
    found = tried(demo_store, wider.replace('["diabetes-*"]', '["*"]'))
    assert found.retried == ()
    assert found.exit_code == 0


def test_only_requests_of_the_time_asked_for_are_judged(demo_store: OpenStore) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert tried(demo_store, STRICTER, Span(until=long_ago)).retried == ()
    assert len(tried(demo_store, STRICTER, Span(since=long_ago)).retried) == 3


def test_a_policy_put_in_force_later_judges_the_past_as_it_was(
    demo_store: OpenStore,
) -> None:
    before = tried(demo_store, STRICTER)
    activate_policy(demo_store, act(demo_store, "dana"), STRICTER.encode())
    assert turns(tried(demo_store, STRICTER)) == turns(before)


def test_nothing_is_written_and_evidence_is_read_once(
    demo_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(data: bytes) -> object:
        read.append("")
        return read_manifest(data)

    monkeypatch.setattr("console.services.judging.read_manifest", counted)
    size = demo_store.index.size
    assert len(tried(demo_store, STRICTER).retried) == len(read)
    assert demo_store.catch_up() == size


def act(store: OpenStore, name: str) -> Acting:
    path = str(store.places.keys / f"{name}.pem")
    return act_as_person(store, store.state(), path, lambda _: None)


def asked_in_europe(store: OpenStore) -> str:
    """A request that is open, in an environment of its own."""
    version = find_version(store, "model:diabetes-progression@2")
    made = request_transition(
        store, act(store, "ana"), version, "production", "eu", "because"
    )
    return made.appended.statement_id


def approve(store: OpenStore, request: str, *names: str) -> None:
    for name in names:
        sheet = review_sheet(
            store, find_request(store, request, store.state()), store.state()
        )
        answer_request(store, act(store, name), sheet, Decision.APPROVE, "read it")


def in_europe(found: Backtest) -> Retried:
    (only,) = [r for r in found.retried if r.transition.endswith("in eu")]
    return only


WITHOUT_RISK = POLICY.replace("version = 1", "version = 2").partition(
    '[[approvals]]\nrole = "risk"'
)[0]


def test_an_approval_fewer_lets_a_waiting_request_pass(demo_store: OpenStore) -> None:
    approve(demo_store, asked_in_europe(demo_store), "vera")
    found = tried(demo_store, WITHOUT_RISK)
    assert in_europe(found).turn is Turn.PASSES
    assert [(c.rule, c.passes) for c in found.by_rule()] == [
        ("approval by 1 x risk", 1)
    ]
    assert found.exit_code == 0


def test_a_withdrawn_request_is_judged_with_the_answers_it_had(
    demo_store: OpenStore,
) -> None:
    request = asked_in_europe(demo_store)
    approve(demo_store, request, "vera")
    text = f"request:{request[:12]}"
    withdraw(demo_store, act(demo_store, "ana"), text, "another time")
    withdrawn = demo_store.index.size - 1
    found = in_europe(tried(demo_store, WITHOUT_RISK))
    assert (found.position, found.turn) == (withdrawn, Turn.PASSES)


def test_an_approval_nobody_was_asked_for_is_a_refusal(demo_store: OpenStore) -> None:
    more = POLICY + '\n[[approvals]]\nrole = "legal"\ncount = 1\n'
    found = tried(demo_store, more + "expires_after_days = 30\n")
    assert turns(found)["6"] is Turn.REFUSED
    assert [c.rule for c in found.by_rule()] == ["approval by 1 x legal"]


def test_answers_that_were_stale_for_a_changed_policy_count_under_the_one_tried(
    demo_store: OpenStore,
) -> None:
    request = asked_in_europe(demo_store)
    approve(demo_store, request, "vera", "rik")
    activate_policy(demo_store, act(demo_store, "dana"), STRICTER.encode())
    changed = demo_store.index.size
    found = in_europe(tried(demo_store, POLICY))
    assert found.position < changed
    assert found.turn is Turn.SAME
    assert found.after.verdict is Verdict.YES


@pytest.fixture
def run(
    demo: Demonstrated,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """The command on some document: exit code, stdout and stderr."""
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))

    def command(text: str, *options: str) -> tuple[int, str, str]:
        (tmp_path / "policy.toml").write_text(text)
        code = main(["policy", "backtest", str(tmp_path / "policy.toml"), *options])
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_the_command_says_what_turns_within_eighty_columns(
    run: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, _ = run(STRICTER)
    assert code == 1
    assert "sexes-served-alike  1        0          0" in out
    assert "would be refused: diabetes-progression@2" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "diabetes-progression@6" not in out
    assert "diabetes-progression@6" in run(STRICTER, "--each")[1]


def test_json_and_markdown_carry_the_same_answer(
    run: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, _ = run(STRICTER, "--format", "json", "--each")
    answer = json.loads(out)
    assert code == answer["exit_code"] == 1
    assert answer["counts"]["refused"] == 1
    assert len(answer["requests"]) == 3
    assert "| sexes-served-alike | 1 | 0 | 0 |" in run(
        STRICTER, "--format", "markdown"
    )[1].replace("&#95;", "_")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", ()),
        ("id = 3.5", ()),
        (POLICY.replace("slice_gap", "slice_gaps"), ()),
        (POLICY, ("--since", "yesterday")),
        (POLICY, ("--until", "9999-99-99")),
    ],
)
def test_what_is_no_policy_or_no_time_is_misuse(
    run: Callable[..., tuple[int, str, str]], text: str, options: tuple[str, ...]
) -> None:
    code, out, err = run(text, *options)
    assert (code, out) == (2, "")
    assert err.startswith("countersign: ")
