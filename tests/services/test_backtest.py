"""A changed policy against the decisions that were made: what turns, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli import main
from console.services.backtesting import Backtest, Span, backtest
from console.services.demonstration import Demonstrated
from console.services.founding import activate_policy
from console.services.opened import OpenStore
from console.services.signing import act_as_person
from policies.document_reading import read_policy
from policies.evidence_reading import read_manifest
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
    dana = act_as_person(
        demo_store,
        demo_store.state(),
        str(demo_store.places.keys / "dana.pem"),
        lambda _: None,
    )
    before = tried(demo_store, STRICTER)
    activate_policy(demo_store, dana, STRICTER.encode())
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
