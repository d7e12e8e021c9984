"""Runs on this machine under hard circumstances: death, limits, processes that hide."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.pipelines import supervisor
from connectors.pipelines.claims import Claim
from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.processes import Process, living, this_process
from connectors.pipelines.protocols import LaunchRequest, Limits, PipelineRun, RunState
from tests.pipelines import commit_all, make_project, starts, wait_for

NO_LIMITS = Limits()
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="there is no /proc to look into"
)


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[LocalLauncher]:
    made = LocalLauncher(tmp_path / "runs", on_end=lambda _: [])
    yield made
    for run in made.runs():
        made.cancel(run.launch, grace_seconds=0)


def is_final(run: PipelineRun) -> bool:
    return run.state.is_final


def begin(
    launcher: LocalLauncher, project: Path, limits: Limits = NO_LIMITS
) -> PipelineRun:
    plan = launcher.plan(LaunchRequest(str(project), limits=limits))
    return launcher.launch("one", plan, held=False)


def ended(launcher: LocalLauncher) -> PipelineRun:
    return wait_for(launcher, "one", is_final)


def supervisor_of(tmp_path: Path) -> int:
    """The process that holds the claim's lock."""
    folder = str(tmp_path / "runs" / "one")
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if folder.encode() in words and b"connectors.pipelines.supervisor" in words:
            return int(entry.name)
    raise AssertionError("no supervisor")


def runs_still(pid: int) -> bool:
    """Whether a process is there, and is not only waiting to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


@needs_proc
def test_a_supervisor_that_is_killed_is_seen_and_its_processes_are_ended(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(tmp_path, "echo started >> {mark}; sleep 300")
    begin(launcher, project)
    wait_for(launcher, "one", lambda _: starts(project) == 1)
    os.kill(supervisor_of(tmp_path), signal.SIGKILL)
    run = wait_for(launcher, "one", lambda found: found.state is not RunState.RUNNING)
    assert run.state is RunState.UNKNOWN
    assert "supervisor died" in run.reason
    claim = Claim(tmp_path / "runs" / "one")
    assert claim.left()
    assert launcher.cancel("one", grace_seconds=5).state is RunState.CANCELLED
    assert claim.left() == []
    assert starts(project) == 1


@needs_proc
def test_a_run_whose_supervisor_and_processes_died_has_failed_and_stays_so(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(tmp_path, "echo started >> {mark}; sleep 300")
    plan = launcher.plan(LaunchRequest(str(project)))
    launcher.launch("one", plan, held=False)
    wait_for(launcher, "one", lambda _: starts(project) == 1)
    os.kill(supervisor_of(tmp_path), signal.SIGKILL)
    claim = Claim(tmp_path / "runs" / "one")
    os.killpg(claim.leader().id, signal.SIGKILL)
    run = ended(launcher)
    assert run.state is RunState.FAILED
    assert "how it ended is not known" in run.reason
    assert launcher.launch("one", plan, held=False).state is RunState.FAILED
    assert launcher.release("one").state is RunState.FAILED
    assert starts(project) == 1


@needs_proc
def test_a_process_that_leaves_its_group_is_cancelled_too(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(
        tmp_path,
        'setsid sh -c "trap : TERM; echo started >> {mark}; sleep 301; sleep 302" & '
        "sleep 300",
    )
    begin(launcher, project)
    wait_for(launcher, "one", lambda _: starts(project) == 1)
    claim = Claim(tmp_path / "runs" / "one")
    before = claim.left()
    assert len(before) >= 3
    run = launcher.cancel("one", grace_seconds=0.5)
    assert run.state is RunState.CANCELLED
    assert claim.left() == []
    assert not any(runs_still(pid) for pid in before)


@needs_proc
def test_what_a_step_leaves_behind_is_ended_with_it(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(tmp_path, "echo started >> {mark}; sleep 300 & true")
    begin(launcher, project)
    assert ended(launcher).state is RunState.SUCCEEDED
    assert Claim(tmp_path / "runs" / "one").left() == []
    notes = [x.text for x in launcher.log_lines("one") if x.stream == "note"]
    assert "left behind" in notes[0]


def test_a_run_that_takes_too_long_fails(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    begin(launcher, make_project(tmp_path, "sleep 300"), Limits(wall_seconds=1))
    run = ended(launcher)
    assert (run.state, run.reason) == (
        RunState.FAILED,
        "it took longer than 1 seconds",
    )


@pytest.mark.parametrize(
    ("command", "limits", "said"),
    [
        ("while :; do :; done", Limits(cpu_seconds=1), "SIGKILL"),
        ("head -c 200000 /dev/zero > big", Limits(file_bytes=100_000), "exit status"),
        (
            f'{sys.executable} -c "bytearray(900_000_000)"',
            Limits(memory_bytes=500 * 1024**2),
            "exit status 1",
        ),
    ],
    ids=["processor", "file", "memory"],
)
def test_limits_bind(
    launcher: LocalLauncher, tmp_path: Path, command: str, limits: Limits, said: str
) -> None:
    begin(launcher, make_project(tmp_path, command), limits)
    run = ended(launcher)
    assert run.state is RunState.FAILED
    assert said in run.reason


def test_a_run_sees_few_variables_and_none_of_ours(
    launcher: LocalLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_PASSPHRASE", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("WANTED", "wanted-value")
    project = make_project(tmp_path, "env")
    request = LaunchRequest(
        str(project), settings={"SHOWN": "shown-value"}, passed=("WANTED",)
    )
    launcher.launch("one", launcher.plan(request), held=False)
    ended(launcher)
    told = dict(line.text.partition("=")[::2] for line in launcher.log_lines("one"))
    assert told["SHOWN"] == "shown-value"
    assert told["WANTED"] == "***"
    assert "COUNTERSIGN_PASSPHRASE" not in told
    assert "AWS_SECRET_ACCESS_KEY" not in told
    context = json.loads(told["MLFLOW_RUN_CONTEXT"])
    assert context["countersign.launch"] == "one"
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"hunter2" not in kept
    assert b"wanted-value" not in kept


def test_files_that_it_makes_are_told_and_others_are_not(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(
        tmp_path,
        "echo made > made.txt; mkdir d; echo x > d/y; echo z >> old; ln -s / l",
    )
    (project / "old").write_text("old\n")
    (project / "same").write_text("same\n")
    begin(launcher, project)
    assert [made.path for made in ended(launcher).outputs] == ["d/y", "made.txt", "old"]
    assert (project / "old").read_text() == "old\n"


def test_what_changed_after_planning_is_not_launched(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(tmp_path)
    plan = launcher.plan(LaunchRequest(str(project)))
    (project / "train.py").write_text("another\n")
    with pytest.raises(ConnectorRefused, match="no longer what was planned"):
        launcher.launch("one", plan, held=False)
    assert launcher.find("one") is None
    assert starts(project) == 0


def test_a_commit_runs_as_it_is_whatever_the_working_tree_holds(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(tmp_path, "cat data; git rev-parse HEAD; git status -s")
    (project / "data").write_text("committed\n")
    commit = commit_all(project)
    (project / "data").write_text("changed\n")
    plan = launcher.plan(LaunchRequest(str(project), ref="HEAD"))
    assert (plan.code.commit, plan.code.is_dirty) == (commit, False)
    assert plan.code.authors == ("git:ana@example.org",)
    launcher.launch("one", plan, held=False)
    ended(launcher)
    texts = [line.text for line in launcher.log_lines("one")]
    assert texts == ["committed", commit]


def test_changes_are_run_and_said_to_be_such(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(tmp_path, "cat data new; ls; git status --short")
    (project / "data").write_text("committed\n")
    (project / "gone").write_text("gone\n")
    (project / ".gitignore").write_text("ignored\n")
    commit_all(project)
    (project / "data").write_text("changed\n")
    (project / "new").write_text("new\n")
    (project / "ignored").write_text("ignored\n")
    (project / "gone").unlink()
    plan = launcher.plan(LaunchRequest(str(project)))
    assert plan.code.is_dirty is True
    assert plan.code.tree
    launcher.launch("one", plan, held=False)
    ended(launcher)
    texts = [line.text for line in launcher.log_lines("one")]
    assert texts[:2] == ["changed", "new"]
    assert "gone" not in texts
    assert "ignored" not in texts
    assert " M data" in texts


def test_a_file_that_a_parameter_names_is_known_by_its_digest(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = tmp_path / "p"
    project.mkdir()
    (tmp_path / "outside.csv").write_text("a\n1\n")
    (project / "inside.csv").write_text("b\n2\n")
    (project / "MLproject").write_text(
        "entry_points: {main: {parameters: {x: path, y: path}, command: 'cat {x} {y}'}}"
    )
    request = LaunchRequest(
        str(project), parameters={"x": "../outside.csv", "y": "inside.csv"}
    )
    plan = launcher.plan(request)
    assert [(i.name, Path(i.path).name, i.size) for i in plan.inputs] == [
        ("x", "outside.csv", 4),
        ("y", "inside.csv", 4),
    ]
    assert dict(plan.parameters)["y"] == "inside.csv"
    launcher.launch("one", plan, held=False)
    assert ended(launcher).state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    "value", ["nothing.csv", "s3://bucket/key", "../../../../../etc/none"]
)
def test_a_path_that_leads_to_no_file_is_refused(
    launcher: LocalLauncher, tmp_path: Path, value: str
) -> None:
    project = tmp_path / "p"
    project.mkdir()
    (project / "MLproject").write_text(
        "entry_points: {main: {parameters: {x: path}, command: 'cat {x}'}}"
    )
    with pytest.raises(MalformedInput):
        launcher.plan(LaunchRequest(str(project), parameters={"x": value}))


@pytest.mark.parametrize(
    "request_",
    [
        LaunchRequest("/nowhere/at/all"),
        LaunchRequest("{project}", entry_points=("main", "main")),
        LaunchRequest("{project}", entry_points=()),
        LaunchRequest("{project}", entry_points=("other",)),
        LaunchRequest("{project}", pipeline="../up"),
        LaunchRequest("{project}", pipeline="a b"),
        LaunchRequest("{project}", ref="main"),
        LaunchRequest("{project}", ref="--upload-pack=touch pwned"),
        LaunchRequest("{project}", runtime="/nowhere"),
        LaunchRequest("{project}", passed=("NOT_SET_ANYWHERE",)),
        LaunchRequest("{project}", passed=("A=B",)),
        LaunchRequest("{project}", settings={"LD_PRELOAD": "x.so"}),
        LaunchRequest("{project}", settings={"A-B": "x"}),
        LaunchRequest("{project}", settings={"U": "http://a:hunter2@h/"}),
        LaunchRequest("{project}", parameters={"mark": "\udcff"}),
        LaunchRequest("{project}", parameters={"other": "x"}),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_made(
    launcher: LocalLauncher, tmp_path: Path, request_: LaunchRequest
) -> None:
    from dataclasses import replace

    project = make_project(tmp_path)
    asked = replace(
        request_, project=request_.project.replace("{project}", str(project))
    )
    with pytest.raises(MalformedInput) as caught:
        launcher.plan(asked)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert list(launcher.runs()) == []
    assert not (project / "pwned").exists()


def test_a_reference_is_never_an_option_of_git(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_project(tmp_path)
    commit_all(project)
    for ref in ("--all", "-q", "HEAD --", "main:MLproject", "$(touch pwned)"):
        with pytest.raises(MalformedInput):
            launcher.plan(LaunchRequest(str(project), ref=ref))


def test_a_damaged_folder_is_told_and_not_taken_for_a_run(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    begin(launcher, make_project(tmp_path))
    ended(launcher)
    for name, text in (
        ("state.json", "[]"),
        ("state.json", '{"state": "flying"}'),
        ("state.json", "\xff"),
        ("claim.json", "{}"),
    ):
        path = tmp_path / "runs" / "one" / name
        kept = path.read_bytes()
        path.write_text(text, "latin-1")
        with pytest.raises(MalformedInput):
            launcher.find("one")
        [listed] = launcher.runs()
        assert listed.state is RunState.UNKNOWN
        path.write_bytes(kept)


@needs_proc
def test_a_group_whose_id_is_another_ones_now_is_left_alone() -> None:
    mine = this_process(os.getpgid(0))
    later = Process(mine.id, str(2**60))
    assert living(later, "no such mark") == []
    assert living(Process(0, ""), "no such mark") == []


def test_a_command_at_the_end_that_could_not_tell_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "END_PAUSES_SECONDS", (0.0, 0.0, 0.0))
    tries = tmp_path / "tries"
    script = f'echo x >> {tries}; test "$(wc -l < {tries})" -ge 2 || exit 3'
    supervisor._tell_the_end(["/bin/sh", "-c", script])
    assert tries.read_text() == "x\nx\n"


def test_the_command_at_the_end_runs_once_it_has_ended(tmp_path: Path) -> None:
    told = tmp_path / "told"
    launcher = LocalLauncher(
        tmp_path / "runs",
        on_end=lambda launch: ["/bin/sh", "-c", f'echo "$1" >> {told}', "x", launch],
    )
    begin(launcher, make_project(tmp_path))
    ended(launcher)
    deadline = time.monotonic() + 30
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told.read_text() == "one\n"
