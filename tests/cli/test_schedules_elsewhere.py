"""`pipeline schedule` where Argo or Kubeflow Pipelines keeps the times."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.pipelines.kfp_sending import Clock
from console.cli import main
from tests.cli.test_schedules_on_a_cluster import activate, run
from tests.contract.kfp_launching import PassingTime, write_package
from tests.contract.kfp_server import engine, recurring
from tests.contract.kfp_server.installation import Installation
from tests.contract.kfp_server.server import serving
from tests.contract.kubernetes_flavours import workflow
from tests.contract.schedule_cases import ClusterCase

Capture = pytest.CaptureFixture[str]
ON_KFP = ("--backend", "kfp", "-P", "mark=x", "--name", "nightly")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in the environment, with a policy for what is scheduled."""
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--name", "Dana", "--no-passphrase"]) == 0
    activate(tmp_path, 1)
    return tmp_path


@pytest.fixture
def here(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An installation of several users, and a package for it."""
    found = Installation(
        namespaces=("team-a",), header=("Authorization", "Bearer tok-3n-of-mine")
    )
    monkeypatch.setenv("KFP_TOKEN", "tok-3n-of-mine")
    config = store / "mine.toml"
    monkeypatch.setenv("COUNTERSIGN_CONFIG", str(config))
    passing = PassingTime(found)

    def wait(seconds: float) -> None:
        passing.sleep(seconds)
        engine.step(found)

    clock = Clock(wait, passing.monotonic)
    monkeypatch.setattr("connectors.pipelines.kfp.Clock", lambda: clock)
    write_package(store, "quick")
    with serving(found):
        config.write_text(
            f'[kubeflow.prod]\naddress = "{found.address}"\nnamespace = "team-a"\n'
            'token = "env:KFP_TOKEN"\ntime_zone = "Europe/Berlin"\n'
        )
        yield found
        assert found.crashes == []


@pytest.fixture
def argo(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterCase]:
    """A cluster with Argo, and a CronWorkflow in a file."""
    case = ClusterCase(store, "cron-workflow")
    monkeypatch.setenv("KUBECONFIG", str(case.place.kubeconfig))
    inner = workflow("quick")
    (store / "once.json").write_text(json.dumps(inner))
    written = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "retrain"},
        "spec": {
            "schedules": ["0 3 * * *"],
            "timezone": "Europe/Berlin",
            "workflowSpec": inner["spec"],
        },
    }
    (store / "again.json").write_text(json.dumps(written))
    yield case
    case.close()


def test_recurring_runs_are_made_shown_recorded_and_ended(
    here: Installation, capsys: Capture
) -> None:
    here.zone = "Europe/Berlin"
    zone = ("--time-zone", "Europe/Berlin")
    named = ("schedule", "quick.yaml", *ON_KFP, "--cron", "0 3 * * *", *zone)
    code, out, _ = run(capsys, *named, "--dry-run")
    assert code == 0
    sent = json.loads("\n".join(json.loads(out)["manifest"]))["schedule"]
    assert sent["recurring"]["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert sent["time_zone"] == "Europe/Berlin"
    assert here.faults.seen == []
    assert run(capsys, *named)[:2] == (0, "nightly\n")
    assert run(capsys, *named)[0] == 0
    assert len(here.recurring) == 1
    here.forward(24 * 3600)
    recurring.tick(here)
    for _ in range(6):
        engine.step(here)
    _, out, err = run(capsys, "list", "--schedules")
    assert "0 3 * * *  Europe/Berlin" in out
    assert err == ""
    _, out, _ = run(capsys, "show", "nightly")
    assert "times      0 3 * * * in Europe/Berlin, overlap Forbid" in out
    [child] = [
        line.split()[1].strip(":") for line in out.splitlines() if "run  " in line
    ]
    assert child == f"nightly~{here.now:%Y%m%d}T0200Z"
    assert run(capsys, "record", "nightly")[:2] == (0, f"run:{child}\n")
    assert run(capsys, "record", "nightly")[:2] == (0, "")
    assert run(capsys, "cancel", "nightly")[:2] == (0, "cancelled\n")
    assert [one["status"] for one in here.recurring.values()] == ["DISABLED"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--cron", "0 3 * * *"), "one zone, which is Europe/Berlin"),
        (("--overlap", "Replace"), "--overlap Replace"),
        (("--deadline", "10m"), "--deadline"),
        (("--cron", "0 0 3 * * *"), "no times"),
        (("--cron", ""), "has times"),
        (("-P", "other=1"), "other"),
        (("--set", "A=b"), "--set"),
        (("--context", "elsewhere"), "elsewhere"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_to_is_refused_by_name_and_nothing_is_sent(
    here: Installation, capsys: Capture, words: tuple[str, ...], why: str
) -> None:
    times = ("--cron", "0 3 * * *", "--time-zone", "Europe/Berlin")
    given = ("schedule", "quick.yaml", *ON_KFP, *times, *words)
    if words == ("--cron", "0 3 * * *"):
        given = ("schedule", "quick.yaml", *ON_KFP, *words)
    if words == ("--cron", ""):
        given = ("schedule", "quick.yaml", *ON_KFP)
    code, _, err = run(capsys, *given)
    assert code in (1, 2)
    assert why in err
    assert here.recurring == {}


def test_a_cron_workflow_is_scheduled_as_it_is_written(
    argo: ClusterCase, capsys: Capture
) -> None:
    where = ("--backend", "kubernetes", "--namespace", argo.place.namespace)
    named = ("schedule", "again.json", *where, "-P", "mark=x", "--name", "nightly")
    assert run(capsys, *named)[:2] == (0, "nightly\n")
    assert argo.one["spec"]["suspend"] is False
    assert argo.one["spec"]["schedules"] == ["0 3 * * *"]
    argo.now += timedelta(days=1)
    argo.cron.tick(argo.now)
    argo.end()
    _, out, err = run(capsys, "list", "--schedules")
    assert "retrain" in out
    assert "Europe/Berlin" in out
    assert err == ""
    code, out, _ = run(capsys, "record", "nightly")
    assert code == 0
    assert out.startswith("run:nightly~2")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("again.json", "--cron", "0 4 * * *"), "says its times itself"),
        (("again.json", "--time-zone", "Etc/UTC"), "goes with --cron"),
        (("once.json",), "has times"),
        (("once.json", "--cron", "0 3 * * *", "--backend", "kfp"), "Kubeflow"),
        (("once.json", "--cron", "0 3 * * *", "--backend", "local"), "kubernetes"),
    ],
    ids=str,
)
def test_what_makes_no_sense_of_a_workflow_is_an_error(
    argo: ClusterCase, capsys: Capture, words: tuple[str, ...], why: str
) -> None:
    where = ("--backend", "kubernetes", "--namespace", argo.place.namespace)
    target, *more = words
    code, _, err = run(capsys, "schedule", target, *where, "--name", "n", *more)
    assert code in (1, 2)
    assert why in err
    assert argo.kept() == 0
