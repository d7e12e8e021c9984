"""`pipeline`: what it prints, where, and with which exit code."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from tests.cli.test_json_shapes import shape
from tests.conftest import REPOSITORY
from tests.pipelines import commit_all, make_project

GOLDEN = REPOSITORY / "tests" / "cli" / "pipeline_shapes.json"
SECRET = "tok-3n-of-mine"
Capture = pytest.CaptureFixture[str]
POLICY = """
schema = "countersign/policy/v1"
id = "launches"
version = 1
description = "Somebody else looks first."
[applies]
models = ["pipeline/*"]
to = ["launch"]
[[rules]]
id = "clean"
kind = "provenance"
require = ["clean_tree"]
[[approvals]]
role = "guard"
count = 1
"""


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> Iterator[Path]:
    """A store in the environment, and a project; afterwards nothing runs."""
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--name", "Dana", "--no-passphrase"]) == 0
    yield make_project(tmp_path / "code", "echo started >> {mark}; echo hello")
    capsys.readouterr()
    main(["pipeline", "list", "--format", "json"])
    for line in json.loads(capsys.readouterr().out)["launches"]:
        main(["pipeline", "cancel", line["launch"], "--grace", "0"])


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["pipeline", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def told(capsys: Capture, *words: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = run(capsys, *words, "--format", "json")
    return code, json.loads(out)


def change(project: Path, command: str) -> None:
    (project / "MLproject").write_text(
        f"name: tried\nentry_points: {{main: {{command: '{command}'}}}}\n"
    )


def test_a_dry_run_prints_exactly_what_is_recorded_and_changes_nothing(
    project: Path, capsys: Capture
) -> None:
    code, out, err = run(capsys, "launch", str(project), "--dry-run")
    assert code == 0
    assert hashlib.sha256(out.encode()).hexdigest() in err
    assert "nothing was sent" in err
    assert told(capsys, "list")[1]["launches"] == []
    code, launched = told(capsys, "launch", str(project), "--id", "one", "--wait")
    assert code == 0
    assert launched["plan"] == hashlib.sha256(out.encode()).hexdigest()
    assert run(capsys, "show", "one", "--plan")[1] == out


def test_no_other_plan_is_sent_than_the_one_that_is_named(
    project: Path, capsys: Capture
) -> None:
    plan = told(capsys, "launch", str(project), "--dry-run")[1]["digest"]
    named = ("launch", str(project), "--id", "one", "--plan", plan)
    change(project, "echo other")
    code, out, err = run(capsys, *named)
    assert (code, out) == (1, "")
    assert "no longer what was seen" in err
    assert "Look at the plan again" in err
    assert told(capsys, "list")[1]["launches"] == []
    change(project, "echo hello")
    plan = told(capsys, "launch", str(project), "--dry-run")[1]["digest"]
    code, out, _ = run(capsys, *named[:-1], plan)
    assert (code, out) == (0, "one\n")


def test_a_launch_is_listed_shown_and_logged(project: Path, capsys: Capture) -> None:
    code, out, err = run(capsys, "launch", str(project), "--id", "one", "--wait")
    assert (code, out) == (0, "one\n")
    assert "Intent: entry 1. Outcome: entry 2." in err
    assert "succeeded  steps 1/1" in err
    [line] = told(capsys, "list")[1]["launches"]
    assert line["run"]["state"] == "succeeded"
    assert line["cause"] == "a person"
    assert [s["name"] for s in line["run"]["steps"]] == ["main"]
    _, shown = told(capsys, "show", "on")
    assert [said["what"] for said in shown["statements"]] == [
        "launch-intent",
        "launch-outcome",
    ]
    assert run(capsys, "logs", "one")[1] == "hello\n"


def test_an_ended_run_becomes_lineage_by_itself(project: Path, capsys: Capture) -> None:
    change(project, "echo made > model.txt")
    run(capsys, "launch", str(project), "--id", "one", "--wait")
    deadline = time.monotonic() + 90
    while True:
        main(["log", "show"])
        if "lineage-batch" in capsys.readouterr().out:
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "not recorded" not in run(capsys, "show", "one")[2]
    assert main(["lineage", "run:one", "--down", "--format", "json"]) == 0
    assert "tried/model.txt" in capsys.readouterr().out
    code, out, err = run(capsys, "record", "one")
    assert (code, out) == (0, "run:one\n")
    assert "0 new facts" in err
    code, out, err = run(capsys, "prune")
    assert (code, "Freed 0 B" in err) == (0, True)
    code, out, err = run(capsys, "prune", "--older-than", "0s", "--dry-run")
    assert (code, "launch  one" in out, "Would free" in err) == (0, True, True)
    assert run(capsys, "logs", "one")[0] == 0
    code, out, err = run(capsys, "prune", "--older-than", "0s")
    assert (code, "launch  one" in out) == (0, True)
    code, _, err = run(capsys, "logs", "one")
    assert (code, "what one printed was pruned here" in err) == (1, True)
    _, _, err = run(capsys, "launch", str(project), "--id", "one")
    assert "It was launched before: entry 1." in err


def test_the_form_of_every_answer_is_the_golden_one(
    project: Path, capsys: Capture
) -> None:
    """`COUNTERSIGN_WRITE_GOLDEN=1` writes the file anew."""
    change(project, "echo hello; echo x > made")
    launched = ("launch", str(project), "--id", "one")
    answers = {
        "launch --dry-run": told(capsys, *launched, "--dry-run")[1],
        "launch": told(capsys, *launched, "--wait")[1],
        "list": told(capsys, "list")[1],
        "show": told(capsys, "show", "one")[1],
        "watch": told(capsys, "watch", "one")[1],
        "logs": told(capsys, "logs", "one")[1],
        "cancel": told(capsys, "cancel", "one")[1],
        "record": told(capsys, "record", "one")[1],
        "prune": told(capsys, "prune")[1],
    }
    found = {
        name: {"schema": answer["schema"], "form": shape(answer | {"tree": None})}
        for name, answer in answers.items()
    }
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if os.environ.get("COUNTERSIGN_WRITE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_cancelling_is_logged_and_says_so(project: Path, capsys: Capture) -> None:
    change(project, "sleep 60")
    run(capsys, "launch", str(project), "--id", "one")
    run(capsys, "launch", str(project), "--id", "two")
    code, out, err = run(capsys, "cancel", "one", "--reason", "the wrong data")
    assert (code, out) == (0, "cancelled\n")
    assert "local one cancelled" in err
    # Its supervisor records the run meanwhile, which is an entry too.
    logged = re.search(r"Logged: entry (\d+)\.", err)
    assert logged is not None
    entry = int(logged[1])
    code, out, err = run(capsys, "cancel", "one")
    assert (code, out) == (0, "cancelled\n")
    assert f"It was logged before: entry {entry}." in err
    code, out, err = run(capsys, "cancel", "two", "--key", "nobody")
    assert (code, out) == (1, "cancelled\n")
    assert "It is not in the log: " in err
    assert "Log it: countersign pipeline cancel two" in err
    shown = run(capsys, "show", "one")[1]
    assert f"entry {entry:<5}launch-cancellation by Dana" in shown
    code, found = told(capsys, "cancel", "two")
    assert (code, found["result"]) == (0, "was-cancelled")
    assert found["entry"] > entry


def test_the_same_id_again_launches_nothing(project: Path, capsys: Capture) -> None:
    run(capsys, "launch", str(project), "--id", "one", "--wait")
    code, out, err = run(capsys, "launch", str(project), "--id", "one", "--wait")
    assert (code, out) == (0, "one\n")
    assert "It was launched before" in err
    assert len(told(capsys, "list")[1]["launches"]) == 1


def test_a_run_that_fails_is_no(project: Path, capsys: Capture) -> None:
    change(project, "echo broken; exit 3")
    code, _, err = run(capsys, "launch", str(project), "--id", "one", "--wait")
    assert code == 1
    assert "step main ended with exit status 3" in err
    assert run(capsys, "watch", "one")[0] == 1


def test_a_wait_that_runs_out_could_not_tell(project: Path, capsys: Capture) -> None:
    change(project, "sleep 300")
    waiting = ("launch", str(project), "--id", "one", "--wait", "--timeout", "1s")
    code, _, err = run(capsys, *waiting)
    assert code == 3
    assert "one goes on. See it: countersign pipeline watch one" in err
    assert "nothing was printed yet: one is running" in run(capsys, "logs", "one")[2]
    code, out, _ = run(capsys, "cancel", "one", "--grace", "5s")
    assert (code, out) == (0, "cancelled\n")
    assert run(capsys, "watch", "one")[0] == 1
    assert run(capsys, "cancel", "one")[1] == "cancelled\n"


def test_who_stops_waiting_is_told_that_the_run_goes_on(
    project: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    change(project, "sleep 300")
    assert run(capsys, "launch", str(project), "--id", "one")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("console.services.pipelines.viewing.time.sleep", interrupted)
        code, _, err = run(capsys, "watch", "one")
    assert code == 130
    assert "end it: countersign pipeline cancel one" in err
    assert "nothing is half-done" not in err
    assert told(capsys, "show", "one")[1]["launch"]["run"]["state"] == "running"


def test_logs_are_searched_cut_and_followed(project: Path, capsys: Capture) -> None:
    change(project, 'seq -f "line %g" 5; sleep 0.5; echo the last >&2')
    run(capsys, "launch", str(project), "--id", "one", "--wait")
    assert run(capsys, "logs", "one", "--grep", "line", "--tail", "2")[1] == (
        "line 4\nline 5\n"
    )
    assert len(run(capsys, "logs", "one", "--follow")[1].splitlines()) == 6
    assert run(capsys, "logs", "one", "--step", "main", "--tail", "1")[1] == (
        "the last\n"
    )
    code, out, err = run(capsys, "logs", "one", "--step", "nothing")
    assert (code, out) == (2, "")
    assert "no step 'nothing': main" in err
    _, out, _ = run(capsys, "logs", "one", "--tail", "1", "--format", "json")
    line = json.loads(out)
    assert (line["schema"], line["line"]["stream"]) == (
        "countersign/pipeline-log/v1",
        "err",
    )
    for number in ("-1", "0", "100001"):
        assert run(capsys, "logs", "one", "--tail", number)[0] == 2


def test_a_list_is_of_some_states_and_of_the_newest(
    project: Path, capsys: Capture
) -> None:
    for launch in ("one", "two", "three"):
        run(capsys, "launch", str(project), "--id", launch, "--wait")
    change(project, "exit 4")
    run(capsys, "launch", str(project), "--id", "bad", "--wait")

    def listed(*words: str) -> list[str]:
        return [line["launch"] for line in told(capsys, "list", *words)[1]["launches"]]

    assert listed() == ["bad", "three", "two", "one"]
    assert listed("--limit", "2") == ["bad", "three"]
    assert listed("--limit", "0", "--pipeline", "tried") == listed()
    assert listed("--pipeline", "other") == []
    assert listed("--state", "succeeded", "--limit", "1") == ["three"]
    assert listed("--state", "failed", "--state", "running") == ["bad"]
    assert "The newest 2 of those asked for" in run(capsys, "list", "--limit", "2")[2]
    assert "The newest" not in run(capsys, "list", "--limit", "4")[2]
    assert run(capsys, "list", "--limit", "-1")[0] == 2
    assert run(capsys, "prune", "--older-than", "soon")[0] == 2


def test_a_retry_launches_the_same_under_another_id(
    project: Path, capsys: Capture
) -> None:
    run(capsys, "launch", str(project), "--id", "one", "--wait")
    code, again = told(capsys, "retry", "one", "--wait")
    assert code == 0
    assert again["launch"] != "one"
    first, second = told(capsys, "list")[1]["launches"]
    assert first["cause"] == "retry of one"
    assert first["expected_seconds"] is not None
    assert first["run"]["plan_digest"] == second["run"]["plan_digest"]
    for _ in range(2):
        assert run(capsys, "retry", "one", "--id", "named", "--wait")[:2] == (
            0,
            "named\n",
        )
    assert len(told(capsys, "list")[1]["launches"]) == 3
    (project / "train.py").write_text("another\n")
    code, _, err = run(capsys, "retry", "one")
    assert code == 1
    assert "no longer what ran: code" in err


def test_a_schedule_is_a_line_that_launches_the_same(
    project: Path, capsys: Capture
) -> None:
    run(capsys, "launch", str(project), "--id", "one", "--wait")
    words = ("schedule", "one", "--cron", "0 3 * * *", "--name", "nightly")
    code, out, err = run(capsys, *words)
    assert code == 0
    home = os.environ["COUNTERSIGN_HOME"]
    program = f"{shlex.quote(sys.executable)} -m console"
    assert out.startswith(f"0 3 * * * env COUNTERSIGN_HOME={home} {program} --store /")
    assert r"--id nightly-$(date -u +\%Y\%m\%dT\%H\%M)" in out
    assert "Nothing was scheduled" in err
    assert "--ref main" in run(capsys, *words, "--ref", "main")[1]
    for times in ("0 3 * *", "0 3 * * *\n* * * * * rm", "$(x) 3 * * *"):
        bad = ("schedule", "one", "--cron", times, "--name", "nightly")
        assert run(capsys, *bad)[0] == 2
    assert run(capsys, *words[:-1], "a b")[0] == 2


def test_what_is_gated_waits_until_somebody_else_releases_it(
    project: Path, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "launches.toml").write_text(POLICY)
    assert main(["policy", "activate", "launches.toml"]) == 0
    commit_all(project)
    code, out, err = run(capsys, "launch", str(project), "--id", "one")
    assert (code, out) == (0, "one\n")
    assert "held until it is released" in err
    code, out, _ = run(capsys, "show", "one")
    assert "suspended" in out
    assert "approval by 1 x guard" in out
    code, _, err = run(capsys, "release", "one", "--reason", "fine")
    assert code == 1
    assert "who launches cannot release it" in err
    assert run(capsys, "release", "one", "--start")[0] == 1
    code, _, err = run(capsys, "launch", str(project), "--env", "x", "--dry-run")
    assert code == 0
    assert "It would be held" in err


def test_no_token_is_in_anything_that_is_printed_or_kept(
    project: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    change(
        project, "echo $MLFLOW_TRACKING_TOKEN; echo $MLFLOW_TRACKING_TOKEN >&2; exit 1"
    )
    passed = ("launch", str(project), "--pass", "MLFLOW_TRACKING_TOKEN")
    said = [
        run(capsys, *passed, "--dry-run"),
        run(capsys, *passed, "--id", "one", "--wait"),
        run(capsys, "logs", "one"),
        run(capsys, "show", "one"),
        run(capsys, "schedule", "one", "--cron", "0 3 * * *", "--name", "n"),
        run(capsys, "launch", str(project), "--tracking", f"http://a:{SECRET}@host:1"),
        run(capsys, "launch", str(project), "--set", f"U=http://a:{SECRET}@host:1"),
        run(capsys, "launch", str(project), "--pass", f"T={SECRET}"),
    ]
    assert [code for code, _, _ in said] == [0, 1, 0, 0, 0, 2, 2, 2]
    assert SECRET not in "".join(out + err for _, out, err in said[:-1])
    kept = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert all(SECRET.encode() not in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    "words",
    [
        ("launch", "{project}", "-P", "novalue"),
        ("launch", "{project}", "-P", "mark=a", "-P", "mark=b"),
        ("launch", "{project}", "-P", "makr=a"),
        ("launch", "{project}", "--id", "../../up"),
        ("launch", "{project}", "--id", "a\nb"),
        ("launch", "{project}", "--time-limit", "soon"),
        ("launch", "{project}", "--timeout", "1s"),
        ("launch", "{project}", "--memory-limit", "much"),
        ("launch", "{project}", "--memory-limit", "-1"),
        ("launch", "{project}", "--tracking", "file:///x"),
        ("launch", "{project}", "--cause", "x" * 501),
        ("launch", "{project}", "--env", ""),
        ("launch", "nowhere"),
    ],
)
def test_misuse_is_told_and_launches_nothing(
    project: Path, capsys: Capture, words: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, *(w.replace("{project}", str(project)) for w in words))
    assert (code, out) == (2, "")
    assert err.startswith("countersign: ")
    assert told(capsys, "list")[1]["launches"] == []
    assert told(capsys, "list")[0] == 0


def test_what_no_launch_is_called_is_told_with_the_next_step(
    project: Path, capsys: Capture
) -> None:
    for words in (
        ("show", "\x1b[31mred"),
        ("watch", "nothing"),
        ("logs", ""),
        ("cancel", "../../x"),
        ("retry", "nothing"),
        ("record", "nothing"),
        ("release", "nothing", "--start"),
    ):
        code, out, err = run(capsys, *words)
        assert (code, out) == (1, ""), words
        assert "pipeline list" in err
        assert "\x1b" not in err


def test_what_a_run_prints_cannot_steer_the_terminal(
    project: Path, capsys: Capture
) -> None:
    change(project, 'printf "\\033]52;c;aGk=\\007 [/x] \\342\\200\\256turned\\n"')
    run(capsys, "launch", str(project), "--id", "one", "--wait")
    _, out, _ = run(capsys, "logs", "one")
    assert out == "<U+001B>]52;c;aGk=<U+0007> [/x] <U+202E>turned\n"
