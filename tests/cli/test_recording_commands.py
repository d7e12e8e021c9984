"""What makes ended runs of a cluster lineage: whoever sees the end, and who looks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.pipelines.protocols import RunState
from console.cli import main
from console.services.places import standard_places
from tests.cli.test_pipelines_on_a_cluster import POLICY
from tests.contract.kubernetes_launching import manifest_of_steps
from tests.contract.kubernetes_places import KubernetesPlace, kubernetes_place
from tests.contract.kubernetes_server.node import Node
from tests.served import served

Capture = pytest.CaptureFixture[str]
ON = ("--backend", "kubernetes", "--namespace")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesPlace]:
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--name", "Dana", "--no-passphrase"]) == 0
    (tmp_path / "policy.toml").write_text(POLICY)
    assert main(["policy", "activate", "policy.toml"]) == 0
    (tmp_path / "quick.json").write_text(json.dumps(manifest_of_steps("quick")))
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        node = Node(found.own)
        yield found
        node.close()


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(words))
    told = capsys.readouterr()
    return code, told.out, told.err


def launch(capsys: Capture, place: KubernetesPlace, name: str, *more: str) -> str:
    words = ("pipeline", "launch", "quick.json", *ON, place.namespace, "--id", name)
    code, _, err = run(capsys, *words, *more)
    assert code == 0, err
    return err


def wait_until_ended(capsys: Capture, name: str) -> None:
    """Without watching: whoever watches records."""
    deadline = time.monotonic() + 60
    while True:
        _, out, _ = run(capsys, "pipeline", "show", name, "--format", "json")
        if json.loads(out)["launch"]["run"]["state"] == RunState.SUCCEEDED:
            return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def service_key() -> Path:
    [key] = standard_places().data.glob("*/service-import.pem")
    return key


def test_whoever_waits_for_the_end_records_it(
    place: KubernetesPlace, capsys: Capture
) -> None:
    assert "Recorded: " in launch(capsys, place, "one", "--wait")
    assert run(capsys, "show", "run:one")[0] == 0
    launch(capsys, place, "two")
    wait_until_ended(capsys, "two")
    watching = ("pipeline", "watch", "two", "--format", "json")
    code, out, err = run(capsys, *watching)
    assert code == 0
    assert "Recorded: " in err
    told = [json.loads(line)["launch"]["is_recorded"] for line in out.splitlines()]
    assert told == [False, True]
    code, out, err = run(capsys, *watching)
    assert [json.loads(line)["launch"]["is_recorded"] for line in out.splitlines()] == [
        True
    ]
    assert "Recorded" not in err


def test_who_may_not_record_is_told_what_to_do(
    place: KubernetesPlace, capsys: Capture
) -> None:
    key = service_key()
    kept = key.read_bytes()
    key.unlink()
    assert "Recorded: " in launch(capsys, place, "one", "--wait")
    launch(capsys, place, "two")
    wait_until_ended(capsys, "two")
    code, _, err = run(capsys, "pipeline", "watch", "two")
    assert code == 0
    assert "two is not recorded yet: countersign pipeline record two --key KEY" in err
    assert run(capsys, "pipeline", "record", "--all")[0] == 1
    key.write_bytes(kept)
    key.chmod(0o600)
    assert run(capsys, "pipeline", "record", "--all")[:2] == (0, "run:two\n")


def test_all_that_ended_is_recorded_by_one_command_that_may_be_repeated(
    place: KubernetesPlace, capsys: Capture
) -> None:
    for name in ("one", "two", "three", "four"):
        launch(capsys, place, name)
    for name in ("one", "two", "three", "four"):
        wait_until_ended(capsys, name)
    _, out, err = run(capsys, "pipeline", "list", "--format", "json")
    assert [one["is_recorded"] for one in json.loads(out)["launches"]] == [False] * 4
    _, _, err = run(capsys, "pipeline", "list")
    assert "4 launches have ended and are not recorded yet" in err
    code, out, _ = run(capsys, "status", "--format", "json")
    assert sorted(json.loads(out)["unrecorded_launches"]) == [
        "four",
        "one",
        "three",
        "two",
    ]
    assert code == 0
    assert "countersign pipeline record --all" in run(capsys, "status")[2]
    code, out, err = run(capsys, "pipeline", "record", "--all")
    assert (code, len(out.splitlines())) == (0, 4)
    code, out, err = run(capsys, "pipeline", "record", "--all", "--format", "json")
    assert (code, json.loads(out)["recorded"]) == (0, [])
    assert run(capsys, "pipeline", "list")[2] == ""


def test_a_place_that_is_down_could_not_be_told(
    place: KubernetesPlace, capsys: Capture
) -> None:
    launch(capsys, place, "one")
    place.own.faults.is_down = True
    code, out, err = run(capsys, "pipeline", "record", "--all")
    place.own.faults.is_down = False
    assert (code, out) == (3, "")
    assert "does not answer" in err


@pytest.mark.parametrize("words", [(), ("one", "--all")], ids=["neither", "both"])
def test_one_or_all_is_recorded(
    place: KubernetesPlace, capsys: Capture, words: tuple[str, ...]
) -> None:
    assert run(capsys, "pipeline", "record", *words)[0] == 2


@pytest.mark.parametrize("interval", ["1s", "2d", "often", "-5s", "1e3"])
def test_a_server_records_neither_all_the_time_nor_never(
    place: KubernetesPlace, capsys: Capture, interval: str
) -> None:
    code, _, err = run(capsys, "serve", f"--record-launches={interval}")
    assert code == 2, err


def test_a_server_records_what_ends_by_itself(
    place: KubernetesPlace, tmp_path: Path, capsys: Capture
) -> None:
    launch(capsys, place, "one")
    wait_until_ended(capsys, "one")
    with served(tmp_path / "store", "--record-launches") as server:
        deadline = time.monotonic() + 60
        while run(capsys, "show", "run:one")[0] != 0:
            assert time.monotonic() < deadline
            time.sleep(0.3)
        server.process.terminate()
        assert server.process.wait(60) == 0
    assert run(capsys, "pipeline", "list")[2] == ""
