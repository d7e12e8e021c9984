"""`pipeline` with runs on this machine beside jobs of a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.cli import main
from tests.contract.kubernetes_launching import manifest_of_steps
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.contract.kubernetes_server.node import Node
from tests.pipelines import make_project

Capture = pytest.CaptureFixture[str]
POLICY = """
schema = "countersign/policy/v1"
id = "on-the-cluster"
version = 1
description = "One image by digest."
[applies]
models = ["pipeline/contract"]
to = ["launch"]
[[rules]]
id = "image"
kind = "runtime_locked"
by = ["image"]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesPlace]:
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--name", "Dana", "--no-passphrase"]) == 0
    (tmp_path / "policy.toml").write_text(POLICY)
    assert main(["policy", "activate", "policy.toml"]) == 0
    (tmp_path / "quick.json").write_text(json.dumps(manifest_of_steps("quick")))
    (tmp_path / "waits.json").write_text(json.dumps(manifest_of_steps("waits")))
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        node = Node(found.own)
        yield found
        node.close()


def run(capsys: Capture, *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["pipeline", *words])
    return code, capsys.readouterr().out


def on(place: KubernetesPlace) -> tuple[str, ...]:
    return ("--backend", "kubernetes", "--namespace", place.namespace)


def test_every_command_finds_a_launch_where_it_was_launched(
    place: KubernetesPlace, tmp_path: Path, capsys: Capture
) -> None:
    project = make_project(tmp_path / "code", "echo here; touch {mark}")
    assert run(capsys, "launch", str(project), "--id", "here", "--wait")[0] == 0
    there = ("launch", "quick.json", *on(place), "--id", "there", "--wait")
    assert run(capsys, *there)[0] == 0
    assert run(capsys, "launch", "waits.json", *on(place), "--id", "slow")[0] == 0
    _, out = run(capsys, "list", "--format", "json")
    found = {one["launch"]: one["run"] for one in json.loads(out)["launches"]}
    assert {name: one["backend"] for name, one in found.items()} == {
        "here": "local",
        "there": "kubernetes",
        "slow": "kubernetes",
    }
    assert run(capsys, "logs", "here") == (0, "here\n")
    assert run(capsys, "logs", "there") == (0, "hello\n")
    assert run(capsys, "watch", "there")[0] == 0
    code, out = run(capsys, "show", "there")
    assert code == 0
    assert f"/namespaces/{place.namespace}" in out
    assert run(capsys, "cancel", "slow") == (0, "cancelled\n")
    assert run(capsys, "watch", "slow")[0] == 1
    assert run(capsys, "record", "there") == (0, "run:there\n")
    assert run(capsys, "retry", "there", "--wait")[0] == 0


def test_a_dry_run_prints_the_plan_and_leaves_nothing_there(
    place: KubernetesPlace, capsys: Capture
) -> None:
    code, out = run(capsys, "launch", "quick.json", *on(place), "--dry-run")
    assert code == 0
    plan = json.loads(out)
    manifest = json.loads("\n".join(plan["manifest"]))
    assert manifest == manifest_of_steps("quick")
    assert place.ask("GET", place.batch)["items"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("launch", "quick.json", "--backend", "elsewhere"),
        ("launch", "quick.json", "--context", "somewhere"),
        ("launch", "quick.json", "--backend", "kubernetes", "--context", "none"),
        ("launch", "quick.json", "--backend", "kubernetes", "--pass", "HOME"),
        ("launch", "quick.json", "--backend", "kubernetes", "--entry", "other"),
        ("launch", "nothing.json", "--backend", "kubernetes"),
        ("launch", "policy.toml", "--backend", "kubernetes"),
        ("launch", "quick.json", "--backend", "kubernetes", "-P", "other=1"),
    ],
)
def test_what_makes_no_sense_on_a_cluster_is_an_error(
    place: KubernetesPlace, capsys: Capture, words: tuple[str, ...]
) -> None:
    assert run(capsys, *words)[0] in (1, 2)
    assert place.ask("GET", place.batch)["items"] == []
