"""Virtual environments of launches: planned, built once, kept, and what spoils them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.pipelines.claims import Claim
from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.plan_contradictions import contradiction
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, RunState
from connectors.pipelines.virtual_environments import KeptEnvironments
from tests.pipelines import commit_all, wait_for
from tests.wheels import make_built_project, make_wheel


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[LocalLauncher]:
    made = LocalLauncher(tmp_path / "runs", on_end=lambda _: [])
    yield made
    for run in made.runs():
        made.cancel(run.launch, grace_seconds=0)


def asked(project: Path, **more: object) -> LaunchRequest:
    return LaunchRequest(str(project), runtime="virtualenv", **more)  # type: ignore[arg-type]  # fields of it


def texts(launcher: LocalLauncher, launch: str) -> list[str]:
    return [line.text for line in launcher.log_lines(launch)]


def made_folders(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "environments").glob("*-*") if path.is_dir()]


@pytest.mark.slow
def test_an_environment_is_built_once_used_again_and_told(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    plan = launcher.plan(asked(project))
    assert made_folders(tmp_path) == []
    for launch in ("one", "two"):
        launcher.launch(launch, plan, held=False)
    runs = [wait_for(launcher, name, lambda r: r.state.is_final) for name in
            ("one", "two")]  # fmt: skip
    for run in runs:
        assert (run.state, run.reason) == (RunState.SUCCEEDED, "")
        assert [step.name for step in run.steps] == ["virtualenv", "main"]
        told = {package.name: package for package in run.packages}
        assert told["apple"].version == "1.0"
        assert told["apple"].sha256 == plan.virtualenv[0].files[-1].sha256
        assert "pip" in told
        assert texts(launcher, run.launch)[-1] == "1.0"
    assert len(made_folders(tmp_path)) == 1
    said = "\n".join(texts(launcher, "one") + texts(launcher, "two"))
    assert said.count("Successfully installed apple-1.0") == 1
    assert "another launch builds it" in said or "built before" in said

    kept = KeptEnvironments(tmp_path / "environments")
    assert kept.usable(key_of(plan))[0] is not None
    [folder] = made_folders(tmp_path)
    [module] = folder.rglob("apple.py")
    module.write_text("VERSION = 'changed'\n")
    assert kept.usable(key_of(plan))[0] is None
    assert "were changed since it was built" in kept.usable(key_of(plan))[1]


def test_a_build_that_is_killed_leaves_nothing_that_is_used(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    launcher.launch("one", launcher.plan(asked(project)), held=False)
    wait_for(launcher, "one", lambda _: bool(made_folders(tmp_path)))
    os.killpg(Claim(tmp_path / "runs" / "one").leader().id, signal.SIGKILL)
    run = wait_for(launcher, "one", lambda r: r.state.is_final)
    assert run.state is RunState.FAILED
    assert "virtualenv was ended by SIGKILL" in run.reason
    assert list((tmp_path / "environments").glob("*.json")) == []
    assert len(made_folders(tmp_path)) == 1
    kept = KeptEnvironments(tmp_path / "environments")
    assert kept.usable(key_of(launcher.plan(asked(project)))) == (None, "")


def test_a_cancelled_build_ends_and_is_taken_away(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    launcher.launch("one", launcher.plan(asked(project)), held=False)
    wait_for(launcher, "one", lambda _: bool(made_folders(tmp_path)))
    assert launcher.cancel("one", grace_seconds=10).state is RunState.CANCELLED
    deadline = time.monotonic() + 20
    while made_folders(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert made_folders(tmp_path) == []
    assert Claim(tmp_path / "runs" / "one").left() == []


def test_a_held_launch_builds_nothing(launcher: LocalLauncher, tmp_path: Path) -> None:
    project = make_built_project(tmp_path)
    run = launcher.launch("one", launcher.plan(asked(project)), held=True)
    assert run.state is RunState.SUSPENDED
    assert not (tmp_path / "environments").exists()


@contextmanager
def index_of(folder: Path) -> Iterator[str]:
    """A package index that serves the wheels of a folder; its address."""
    for wheel in folder.glob("*.whl"):
        named = folder / "simple" / wheel.name.partition("-")[0]
        named.mkdir(parents=True)
        (named / "index.html").write_text(f'<a href="/{wheel.name}">{wheel.name}</a>')
    serves = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), serves) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.slow
def test_a_file_of_the_index_with_another_hash_is_not_installed(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    (project / "wheels").rename(tmp_path / "served")
    (project / "requirements.txt").write_text(f"apple==1.0 --hash=sha256:{'0a' * 32}")
    with index_of(tmp_path / "served") as address:
        plan = launcher.plan(asked(project, settings={"PIP_INDEX_URL": address}))
        assert plan.virtualenv[0].indexes == (address,)
        assert plan.lock_digest
        launcher.launch("one", plan, held=False)
        run = wait_for(launcher, "one", lambda r: r.state.is_final)
    assert run.state is RunState.FAILED
    said = texts(launcher, "one")
    assert f"Looking in indexes: {address}" in said
    assert any("DO NOT MATCH THE HASHES" in text for text in said)
    assert run.packages == ()


def key_of(plan: LaunchPlan) -> str:
    return plan.virtualenv[0].key


def test_everything_that_fixes_an_environment_is_in_its_key(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    keys = [key_of(launcher.plan(asked(project)))]
    (project / "requirements.txt").write_text("apple==1.0\n--find-links wheels\n")
    keys.append(key_of(launcher.plan(asked(project))))
    (project / "python_env.yaml").write_text(
        "build_dependencies: [pip]\ndependencies: [-r requirements.txt]\n"
    )
    keys.append(key_of(launcher.plan(asked(project))))
    make_wheel(project / "wheels", "apple", "1.0", "changed = 1\n")
    keys.append(key_of(launcher.plan(asked(project))))
    settings = {"PIP_INDEX_URL": "https://index.example/simple"}
    plan = launcher.plan(asked(project, settings=settings))
    assert plan.virtualenv[0].indexes == ("https://index.example/simple",)
    keys.append(key_of(plan))
    assert len(set(keys)) == len(keys)
    (project / "other.py").write_text("x = 1\n")
    again = launcher.plan(asked(project, settings=settings | {"OTHER": "1"}))
    assert key_of(again) == keys[-1]


def test_where_packages_come_from_stands_in_the_plan(
    launcher: LocalLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_built_project(tmp_path)
    assert launcher.plan(asked(project)).virtualenv[0].indexes == ()
    (project / "requirements.txt").write_text("apple\n")
    assert launcher.plan(asked(project)).virtualenv[0].indexes == (
        "https://pypi.org/simple",
    )
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:hunter2@index.example/simple")
    unasked = launcher.plan(asked(project)).virtualenv[0]
    assert unasked.indexes == ("https://pypi.org/simple",)
    plan = launcher.plan(asked(project, passed=("PIP_INDEX_URL",)))
    assert plan.virtualenv[0].indexes == ("$PIP_INDEX_URL, not shown",)
    assert b"hunter2" not in plan.to_bytes()
    for name, value in (
        ("PIP_INDEX_URL", "https://token@index.example/simple"),
        ("PIP_EXTRA_INDEX_URL", "https://ok.example https://me:x@index.example"),
        ("PIP_CONFIG_FILE", "/etc/pip.conf"),
    ):
        with pytest.raises(MalformedInput):
            launcher.plan(asked(project, settings={name: value}))


@pytest.mark.parametrize("is_commit", [False, True])
def test_what_an_environment_is_made_of_is_within_the_project_and_no_link(
    launcher: LocalLauncher, tmp_path: Path, is_commit: bool
) -> None:
    project = make_built_project(tmp_path)
    outside = tmp_path / "outside.txt"
    outside.write_text("apple\n")
    for link, target in (
        ("requirements.txt", outside),
        ("python_env.yaml", outside),
        ("wheels/apple-2.0-py3-none-any.whl", outside),
    ):
        path = project / link
        kept = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        if is_commit:
            commit_all(project)
        with pytest.raises(MalformedInput, match=r"link|no file"):
            launcher.plan(asked(project))
        path.unlink()
        if kept is not None:
            path.write_bytes(kept)
    if is_commit:
        commit_all(project)
    assert launcher.plan(asked(project)).virtualenv


def test_a_python_that_is_not_there_is_refused_by_name(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    for version in ("3.99", "3.11.99", "2.7"):
        (project / "python_env.yaml").write_text(f'python: "{version}"\n')
        with pytest.raises(MalformedInput, match=f"no Python {version}") as caught:
            launcher.plan(asked(project))
        assert "PATH" in f"{caught.value} {caught.value.hint}"
    here = ".".join(map(str, sys.version_info[:2]))
    (project / "python_env.yaml").write_text(f'python: "{here}"\n')
    [planned] = launcher.plan(asked(project)).virtualenv
    assert planned.python.startswith(f"CPython {here}.")


def test_a_program_that_only_calls_itself_python_is_none(
    launcher: LocalLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_built_project(tmp_path)
    here = ".".join(map(str, sys.version_info[:2]))
    (project / "python_env.yaml").write_text(f'python: "{here}"\n')
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (
        (f"python{here}", "echo '[1]'"),
        ("python3", "exit 1"),
        ("python", 'echo \'{"python": 7, "path": "x", "platform": "y"}\''),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    git = [p for p in os.environ["PATH"].split(os.pathsep) if Path(p, "git").exists()]
    monkeypatch.setenv("PATH", str(folder))
    if git:
        (folder / "git").symlink_to(Path(git[0], "git"))
    with pytest.raises(MalformedInput, match=f"no Python {here}"):
        launcher.plan(asked(project))


@pytest.mark.parametrize(
    ("project_file", "said"),
    [
        ("conda_env: conda.yaml\n", "conda"),
        ("", "names no python_env"),
        ("python_env: ../up.yaml\n", "outside"),
        ("python_env: /etc/passwd\n", "outside"),
        ("python_env: gone.yaml\n", "no file"),
    ],
)
def test_a_project_without_an_environment_to_build_is_refused(
    launcher: LocalLauncher, tmp_path: Path, project_file: str, said: str
) -> None:
    project = make_built_project(tmp_path)
    (project / "MLproject").write_text(
        f'{project_file}entry_points: {{main: {{command: "true"}}}}\n'
    )
    with pytest.raises(MalformedInput, match=said):
        launcher.plan(asked(project))


def test_a_step_may_not_be_called_as_what_is_built(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    (project / "MLproject").write_text(
        'python_env: python_env.yaml\nentry_points: {virtualenv: {command: "true"}}\n'
    )
    with pytest.raises(MalformedInput, match="is called virtualenv"):
        launcher.plan(asked(project, entry_points=("virtualenv",)))


def test_only_a_locked_environment_gives_a_lock_digest(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    plan = launcher.plan(asked(project))
    assert plan.lock_digest == ""
    assert plan.virtualenv[0].unlocked == "apple has no hash"
    digest = make_wheel(project / "wheels", "apple", "1.0")
    (project / "requirements.txt").write_text(f"apple==1.0 --hash=sha256:{digest}\n")
    plan = launcher.plan(asked(project))
    assert len(plan.lock_digest) == 64
    assert plan.virtualenv[0].unlocked == ""
    assert contradiction(plan) == ""
    open_one = replace(plan.virtualenv[0], unlocked="apple has no hash")
    for forged in (
        replace(plan, virtualenv=(open_one,)),
        replace(plan, lock_digest="0" * 64),
        replace(plan, lock_digest=""),
    ):
        assert "whether that is locked" in contradiction(forged)
    assert launcher.plan(LaunchRequest(str(project))).lock_digest == ""


def test_requirements_that_changed_after_planning_are_not_launched(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    project = make_built_project(tmp_path)
    plan = launcher.plan(asked(project))
    (project / "requirements.txt").write_text("apple\n")
    with pytest.raises(ConnectorRefused, match="no longer what was planned"):
        launcher.launch("one", plan, held=False)
    assert launcher.find("one") is None
