"""`pipeline` on Kubeflow Pipelines: what is configured, printed and done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.pipelines import kfp_sending
from console.cli import main
from tests.contract.kfp_launching import package_of_steps, write_package
from tests.contract.kfp_server import engine
from tests.contract.kfp_server.faults import Fault
from tests.contract.kfp_server.installation import Installation
from tests.contract.kfp_server.server import serving

TOKEN = "tok-3n-of-mine-0123"
Capture = pytest.CaptureFixture[str]
POLICY = """
schema = "countersign/policy/v1"
id = "launches"
version = 1
description = "One image by digest."
[applies]
models = ["pipeline/*"]
to = ["launch"]
[[rules]]
id = "image"
kind = "runtime_locked"
by = ["image"]
"""
CONFIGURED = """
[kubeflow.prod]
address = "{address}"
namespace = "team-a"
token = "env:KFP_TOKEN"
headers = {{ kubeflow-userid = "file:{user}" }}
"""


@dataclass
class Place:
    """An installation, and a package to launch there."""

    here: Installation
    package: Path
    config: Path

    def run_on(self) -> None:
        for _ in range(8):
            engine.step(self.here)


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> Iterator[Place]:
    """A store in the environment with a policy for launches, and an endpoint."""
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("KFP_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    here = Installation(
        namespaces=("team-a",), header=("Authorization", f"Bearer {TOKEN}")
    )
    config, user = tmp_path / "mine.toml", tmp_path / "user"
    user.write_text("ana@example.org")
    monkeypatch.setenv("COUNTERSIGN_CONFIG", str(config))
    with serving(here):
        config.write_text(CONFIGURED.format(address=here.address, user=user))
        assert main(["init", "--name", "Dana", "--no-passphrase"]) == 0
        policy = tmp_path / "policy.toml"
        policy.write_text(POLICY)
        assert main(["policy", "activate", str(policy)]) == 0
        capsys.readouterr()
        yield Place(here, write_package(tmp_path, "quick", "talks"), config)


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["pipeline", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_dry_run_prints_exactly_what_would_be_sent_and_sends_nothing(
    place: Place, capsys: Capture
) -> None:
    launch = ("launch", str(place.package), "--backend", "kfp", "-P", "mark=x")
    code, out, err = run(capsys, *launch, "--dry-run")
    assert code == 0
    assert hashlib.sha256(out.encode()).hexdigest() in err
    assert place.here.faults.seen == []
    assert TOKEN not in out + err
    sent = json.loads("\n".join(json.loads(out)["manifest"]))
    assert "\n".join(sent["package"]) == place.package.read_text()
    assert sent["run"] == {"runtime_config": {"parameters": {"mark": "x"}}}
    code, _, _ = run(capsys, *launch, "--id", "one")
    assert code == 0
    [started] = place.here.runs.values()
    assert started.told["runtime_config"] == sent["run"]["runtime_config"]
    assert run(capsys, "show", "one", "--plan")[1] == out


def test_it_is_launched_listed_watched_shown_recorded_and_archived(
    place: Place, capsys: Capture
) -> None:
    words = ("--backend", "kfp", "--context", "prod", "--id", "one")
    code, out, err = run(capsys, "launch", str(place.package), *words)
    assert (code, out) == (0, "one\n")
    assert "Outcome: entry" in err
    assert "pending" in run(capsys, "list")[1]
    code, _, err = run(capsys, "archive", "one")
    assert code == 1
    place.here.steps_on_get = True
    code, _, err = run(capsys, "watch", "one", "--every", "1s")
    assert (code, "succeeded  steps 2/2" in err) == (0, True)
    assert "Recorded: " in err
    assert "not recorded" not in run(capsys, "show", "one")[2]
    assert run(capsys, "record", "one")[0] == 0
    code, out, _ = run(capsys, "show", "one")
    assert "told       talks wrote data artifact 2" in out
    assert run(capsys, "archive", "one")[0] == 0
    [started] = place.here.runs.values()
    assert started.told["storage_state"] == "ARCHIVED"
    assert "succeeded" in run(capsys, "list")[1]
    code, _, err = run(capsys, "logs", "one")
    assert (code, "kfp shows no logs" in err) == (1, True)


def test_what_was_deleted_there_is_told_so_and_not_launched_again(
    place: Place, capsys: Capture
) -> None:
    launch = ("launch", str(place.package), "--backend", "kfp", "--id", "one")
    assert run(capsys, *launch)[0] == 0
    place.run_on()
    assert run(capsys, "record", "one")[0] == 0
    assert run(capsys, "archive", "one")[0] == 0
    place.here.runs.clear()
    place.here.forward(3600)
    assert "unknown" in run(capsys, "list")[1]
    assert "its run is gone there" in run(capsys, "show", "one")[1]
    assert run(capsys, "watch", "one")[0] == 3
    assert run(capsys, "cancel", "one")[0] == 1
    code, _, err = run(capsys, *launch)
    assert (code, "It was launched before" in err) == (0, True)
    assert place.here.runs == {}


def test_why_it_may_not_have_started_is_printed(
    place: Place, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kfp_sending, "SETTLE_SECONDS", 0.0)
    place.here.faults.pending = [("create run", Fault.BROKEN)]
    launch = ("launch", str(place.package), "--backend", "kfp", "--id", "one")
    code, _, err = run(capsys, *launch)
    assert code == 3
    assert "answered 500: InternalServerError" in err
    assert "Nothing is sent again within ten minutes" in err
    assert TOKEN not in err


def test_a_run_is_cancelled_and_launched_once_more(
    place: Place, capsys: Capture
) -> None:
    place.here.steps_on_get = True
    path = write_package(place.package.parent, "waits")
    run(capsys, "launch", str(path), "--backend", "kfp", "--id", "one")
    code, out, _ = run(capsys, "cancel", "one", "--grace", "1s")
    assert (code, out) == (0, "cancelled\n")
    assert run(capsys, "watch", "one")[0] == 1
    code, again, _ = run(capsys, "retry", "one")
    assert code == 0
    names = [one.told["display_name"] for one in place.here.runs.values()]
    assert names == ["one", again.strip()]
    code, line, _ = run(
        capsys, "schedule", "one", "--cron", "0 3 * * *", "--name", "nightly"
    )
    assert (code, "--backend kfp --context prod --namespace team-a" in line) == (
        0,
        True,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--context", "other"), "no Kubeflow Pipelines 'other' is configured"),
        (("--namespace", "team-b"), "not authorized"),
        (("--set", "A=1"), "cannot be kept to"),
        (("--time-limit", "1h"), "cannot be kept to"),
        (("--entry", "quick"), "cannot be kept to"),
        (("-P", "none=1"), "has no parameter 'none'"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_and_nothing_runs(
    place: Place, capsys: Capture, options: tuple[str, ...], said: str
) -> None:
    code, _, err = run(
        capsys, "launch", str(place.package), "--backend", "kfp", *options
    )
    assert code in (1, 2)
    assert said in err
    assert place.here.runs == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('tokn = "env:A"', "did you mean 'token'"),
        ('token = "sekret-0123"', "by reference"),
        ('headers = { Cookie = "sekret-0123" }', "by reference"),
        ("headers = 3", "must map"),
        ("namespace = 3", "must be text"),
    ],
)
def test_what_is_configured_wrongly_is_refused_with_its_line_and_without_the_secret(
    place: Place, capsys: Capture, line: str, said: str
) -> None:
    place.config.write_text(
        f'[kubeflow.prod]\naddress = "http://127.0.0.1:1"\n{line}\n'
    )
    code, _, err = run(capsys, "list")
    assert (code, said in err) == (2, True)
    assert f"{place.config}:3" in err
    assert "sekret" not in err


def test_a_file_found_in_a_parent_folder_says_nothing_of_who_asks(
    place: Place, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTERSIGN_CONFIG")
    (place.config.parent / "countersign.toml").write_text(place.config.read_text())
    code, _, err = run(capsys, "list")
    assert (code, "may not set 'token'" in err) == (2, True)


def test_a_token_that_is_not_there_is_said_and_nothing_is_asked(
    place: Place, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KFP_TOKEN")
    code, _, err = run(capsys, "launch", str(place.package), "--backend", "kfp")
    assert code == 1
    assert "the token of prod in env:KFP_TOKEN is missing" in err
    assert place.here.faults.seen == []


def test_which_of_several_or_of_none_is_asked_for(
    place: Place, capsys: Capture
) -> None:
    words = ("launch", str(place.package), "--backend", "kfp")
    text = place.config.read_text()
    place.config.write_text(text + text.replace("kubeflow.prod", "kubeflow.dev"))
    code, _, err = run(capsys, *words)
    assert (code, "more than one" in err, "--context dev or prod" in err) == (
        1,
        True,
        True,
    )
    place.config.write_text("")
    code, _, err = run(capsys, *words)
    assert (code, "no Kubeflow Pipelines is configured" in err) == (1, True)


def test_an_image_by_tag_is_not_launched(place: Place, capsys: Capture) -> None:
    package = package_of_steps("quick", image="registry.example/trainer:latest")
    place.package.write_text(json.dumps(package))
    code, _, err = run(capsys, "launch", str(place.package), "--backend", "kfp")
    assert (code, "is not named by its digest" in err) == (1, True)
    assert place.here.faults.seen == []
