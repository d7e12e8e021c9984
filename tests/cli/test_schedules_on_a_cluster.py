"""`pipeline schedule` and what shows, records and ends schedules of a cluster."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from console.cli import main
from console.cli.context import Context
from console.cli.watching import watch
from tests.contract.kubernetes_launching import manifest_of_steps
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.pipelines import make_project

Capture = pytest.CaptureFixture[str]
POLICY = """
schema = "countersign/policy/v1"
id = "on-the-cluster"
version = {version}
description = "One image by digest."
[applies]
models = ["pipeline/*"]
to = ["launch", "schedule"]
[[rules]]
id = "image"
kind = "runtime_locked"
by = ["image"]
"""
APPROVALS = """
[[approvals]]
role = "validator"
count = 1
expires_after_days = 7
"""
DAILY = ("--cron", "0 3 * * *")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesPlace]:
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--name", "Dana", "--no-passphrase"]) == 0
    activate(tmp_path, 1)
    (tmp_path / "quick.json").write_text(json.dumps(manifest_of_steps("quick")))
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found


def activate(folder: Path, version: int, more: str = "") -> None:
    path = folder / "policy.toml"
    path.write_text(POLICY.format(version=version) + more)
    assert main(["policy", "activate", str(path)]) == 0


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["pipeline", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def on(place: KubernetesPlace) -> tuple[str, ...]:
    return ("--backend", "kubernetes", "--namespace", place.namespace)


def fire(place: KubernetesPlace) -> None:
    """The next night: a job starts, and ends."""
    tomorrow = datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(days=1)
    place.cron.tick(tomorrow.replace(hour=3, minute=5).astimezone(UTC))
    place.controller.step()
    for job in place.own.store.all(("batch", "jobs")):
        for pod in place.controller.pods_of(job):
            place.controller.write(pod, "hello")
            place.controller.finish(pod)
    place.controller.step()


def test_a_schedule_is_made_shown_recorded_and_ended(
    place: KubernetesPlace, capsys: Capture, tmp_path: Path
) -> None:
    named = ("schedule", "quick.json", *on(place), *DAILY, "--name", "nightly")
    zone = ("--time-zone", "Europe/Berlin", "--deadline", "10m")
    assert run(capsys, *named, *zone)[:2] == (0, "nightly\n")
    fire(place)
    _, out, _ = run(capsys, "list")
    first, second = out.splitlines()[1:]
    assert first.startswith("nightly ")
    assert "running" in first
    assert second.startswith("  nightly~2")
    assert "succeeded" in second
    _, out, err = run(capsys, "list", "--schedules")
    assert "0 3 * * *" in out
    assert "Europe/Berlin" in out
    assert err == ""
    code, out, _ = run(capsys, "show", "nightly")
    assert code == 0
    assert "times      0 3 * * * in Europe/Berlin, overlap Forbid, at most 600 s" in out
    child = second.split()[0]
    assert f"run        {child}: succeeded" in out
    assert run(capsys, "logs", child)[:2] == (0, "hello\n")
    assert "schedule nightly" in run(capsys, "show", child)[1]
    assert run(capsys, "record", "nightly")[:2] == (0, f"run:{child}\n")
    assert run(capsys, "watch", child)[0] == 0
    assert run(capsys, "record", "nightly")[:2] == (0, "")
    assert run(capsys, "record", child)[:2] == (0, f"run:{child}\n")
    assert main(["show", f"run:{child}"]) == 0
    assert run(capsys, "cancel", "nightly")[:2] == (0, "cancelled\n")
    assert run(capsys, "watch", "nightly")[0] == 1
    assert run(capsys, *named, *zone)[0] == 0
    found = place.ask("GET", place.cron_jobs)["items"]
    assert [one["spec"]["suspend"] for one in found] == [True]


def test_a_dry_run_prints_the_whole_cron_job_and_leaves_nothing_there(
    place: KubernetesPlace, capsys: Capture
) -> None:
    named = ("schedule", "quick.json", *on(place), *DAILY, "--name", "nightly")
    code, out, err = run(capsys, *named, "--dry-run")
    assert code == 0
    manifest = json.loads("\n".join(json.loads(out)["manifest"]))
    assert manifest["kind"] == "CronJob"
    spec = manifest["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("0 3 * * *", "Etc/UTC")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"] == manifest_of_steps("quick")["spec"]
    assert "nothing was sent" in err
    assert place.ask("GET", place.cron_jobs)["items"] == []
    assert run(capsys, "list", "--schedules")[1].count("\n") <= 1


def test_what_was_launched_there_once_is_launched_again_and_again(
    place: KubernetesPlace, capsys: Capture
) -> None:
    assert run(capsys, "launch", "quick.json", *on(place), "--id", "once")[0] == 0
    again = ("schedule", "once", *DAILY, "--name", "nightly", "--backend", "kubernetes")
    assert run(capsys, *again)[:2] == (0, "nightly\n")
    [found] = place.ask("GET", place.cron_jobs)["items"]
    assert found["spec"]["suspend"] is False
    code, out, _ = run(capsys, "schedule", "once", *DAILY, "--name", "by-cron")
    assert code == 0
    assert out.startswith("0 3 * * * env COUNTERSIGN_HOME=")


def test_list_show_and_status_say_that_it_would_not_be_allowed_today(
    place: KubernetesPlace, capsys: Capture, tmp_path: Path
) -> None:
    named = ("schedule", "quick.json", *on(place), *DAILY, "--name", "nightly")
    assert run(capsys, *named)[0] == 0
    assert run(capsys, "list")[2] == ""
    activate(tmp_path, 2, APPROVALS)
    for words in (("list",), ("list", "--schedules"), ("show", "nightly")):
        code, _, err = run(capsys, *words)
        assert code == 0
        assert "nightly would not be allowed today: approval by 1 x validator" in err
        assert "countersign pipeline cancel nightly" in err
    _, out, _ = run(capsys, "list", "--schedules", "--format", "json")
    [line] = json.loads(out)["schedules"]
    assert line["objection"].startswith("approval by 1 x validator")
    stages = POLICY.replace("pipeline/*", "*").replace('"launch", "schedule"', '"prod"')
    governed = stages.replace("on-the-cluster", "models").format(version=1) + APPROVALS
    (tmp_path / "models.toml").write_text(governed)
    assert main(["policy", "activate", str(tmp_path / "models.toml")]) == 0
    capsys.readouterr()
    assert main(["status"]) == 1
    assert "would not be allowed today" in capsys.readouterr().err
    assert main(["status", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["schedules"]
    assert [one["launch"] for one in found] == ["nightly"]
    assert run(capsys, "cancel", "nightly", "--key", "nobody")[0] == 1
    assert main(["status"]) == 0
    silence = "nightly was cancelled, and the log does not say by whom"
    assert silence in capsys.readouterr().err
    for words in (("list",), ("list", "--schedules"), ("show", "nightly")):
        assert run(capsys, *words)[2].count(silence) == 1
    assert run(capsys, "cancel", "nightly")[0] == 0
    assert main(["status"]) == 0
    assert silence not in capsys.readouterr().err


def test_a_watch_looks_at_schedules_too(
    place: KubernetesPlace, capsys: Capture, tmp_path: Path
) -> None:
    assert main(["status", "--watch"]) == 3
    named = ("schedule", "quick.json", *on(place), *DAILY, "--name", "nightly")
    assert run(capsys, *named)[0] == 0

    def goes_down(is_down: bool) -> None:
        place.own.faults.is_down = is_down

    turns: Iterator[Callable[[], object]] = iter(
        [
            lambda: activate(tmp_path, 2, APPROVALS),
            lambda: goes_down(True),
            lambda: goes_down(False),
            lambda: run(capsys, "cancel", "nightly"),
        ]
    )
    lines: list[str] = []

    def sleep(_: float) -> None:
        told = capsys.readouterr().out.splitlines()
        lines.extend(line.partition("UTC  ")[2] or line for line in told)
        following = next(turns, None)
        if following is None:
            raise KeyboardInterrupt
        following()

    given = {"every": "30s", "format": "table", "config": "", "store": "", "anchor": ""}
    assert watch(Context(argparse.Namespace(**given)), sleep=sleep) == 0
    against = "nightly would not be allowed today: approval by 1 x validator: nobody"
    assert [line.partition(", wanted")[0] for line in lines] == [
        "nothing is against any schedule",
        against,
        "    It runs on until somebody ends it: countersign pipeline cancel nightly",
        lines[3],
        "the place of nightly can be read again",
        "nightly: nothing is against it any more",
        "nothing is against any schedule",
    ]
    assert lines[3].startswith("nightly: its place could not be asked: ")


@pytest.mark.parametrize(
    "words",
    [
        ("quick.json", "--backend", "elsewhere"),
        ("quick.json", "--backend", "kubernetes", "--cron", "never"),
        ("quick.json", "--backend", "kubernetes", "--time-zone", "Mars/Olympus"),
        ("quick.json", "--backend", "kubernetes", "--overlap", "Never"),
        ("quick.json", "--backend", "kubernetes", "--deadline", "5s"),
        ("quick.json", "--backend", "kubernetes", "--ref", "main"),
        ("quick.json", "--backend", "kubernetes", "-P", "other=1"),
        ("quick.json", "--backend", "kubernetes", "--name", "../x"),
        ("quick.json", "--backend", "kubernetes", "--name", "a~b"),
        ("nothing.json", "--backend", "kubernetes"),
        ("policy.toml", "--backend", "kubernetes"),
        ("quick.json",),
        ("here", "--time-zone", "Etc/UTC"),
        ("here", "--namespace", "default"),
        ("here", "--dry-run"),
        ("here", "--backend", "kubernetes"),
        ("here", "--backend", "kubernetes", "-P", "mark=x"),
    ],
)
def test_what_makes_no_sense_is_an_error_and_schedules_nothing(
    place: KubernetesPlace, capsys: Capture, tmp_path: Path, words: tuple[str, ...]
) -> None:
    project = make_project(tmp_path / "code")
    activate(tmp_path, 2, "")
    here = run(capsys, "launch", str(project), "--id", "here", "--wait")
    assert here[0] in (0, 1)
    target, *more = words
    given = ("schedule", target, *DAILY, "--name", "nightly", *more)
    assert run(capsys, *given)[0] in (1, 2)
    assert place.ask("GET", place.cron_jobs)["items"] == []
