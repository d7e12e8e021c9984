"""Keys as a person meets them: made, listed, shown, enrolled, and named in words."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

from console.cli import main
from console.services.demonstration import Demonstrated
from policies.spoken import spoken, unspoken
from tests.ssh_programs import false_agent, running_agent, ssh_key

Output = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path / "home" / "config" / "keys"


def run(*arguments: str) -> None:
    assert main(arguments) == 0


def listed(capsys: Output) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    run("key", "list", "--format", "json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "countersign/key-list/v1"
    return {key["key"]: key for key in answer["keys"]}


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("ed25519", "ed25519"), ("p256", "ecdsa-p256-sha256")]
)
def test_a_new_key_is_encrypted_and_known_without_its_passphrase(
    home: Path,
    kind: str,
    algorithm: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    monkeypatch.setenv("COUNTERSIGN_PASSPHRASE", "correct horse")
    run("key", "new", "vera", "--type", kind)
    made = capsys.readouterr().out.strip()
    assert b"ENCRYPTED" in (home / "vera.pem").read_bytes()
    assert stat.S_IMODE((home / "vera.pem").stat().st_mode) == 0o600
    monkeypatch.delenv("COUNTERSIGN_PASSPHRASE")
    found = listed(capsys)["vera"]
    assert found["id"] == made
    assert (found["algorithm"], found["encrypted"]) == (algorithm, True)


def test_an_encrypted_key_without_its_public_half_is_listed_all_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("COUNTERSIGN_PASSPHRASE", "correct horse")
    run("key", "new", "vera")
    (home / "vera.pub").unlink()
    (home / "broken.pem").write_bytes(b"\x1b[31m")
    found = listed(capsys)
    assert (found["vera"]["id"], found["vera"]["encrypted"]) == ("", True)
    assert found["broken"]["id"] == ""
    run("key", "list")
    assert "\x1b" not in capsys.readouterr().out


def test_keys_of_the_agent_are_listed_with_whose_they_are(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    path = ssh_key(tmp_path, comment="\x1b]0;evil\x07")
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    with running_agent(tmp_path, path) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        run("init", "--name", "Dana", "--key", "agent:")
        (address, found), *others = listed(capsys).items()
        assert (found["kind"], found["owner"], others) == ("agent", "Dana", [])
        run("key", "list")
        table = capsys.readouterr().out
        assert "\x1b" not in table
        run("key", "show", address)
        assert f"id:        {found['id']}" in capsys.readouterr().out


def test_an_agent_in_trouble_is_told_about_and_the_files_are_listed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    run("key", "new", "vera", "--no-passphrase")
    with false_agent(tmp_path, lambda _: b"\xff\xff\xff\xff") as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        run("key", "list")
    answer = capsys.readouterr()
    assert "vera" in answer.out
    assert "not listed: the ssh-agent announces" in answer.err


@pytest.mark.parametrize("scheme", ["", "sshsig:"])
def test_show_prints_what_openssl_and_ssh_know(
    home: Path, tmp_path: Path, scheme: str, capsys: Output
) -> None:
    path = ssh_key(tmp_path)
    run("key", "show", f"{scheme}{path}")
    told = capsys.readouterr().out
    assert path.with_suffix(".pub").read_text().rsplit(" ", 1)[0] in told
    pem = told[told.index("-----BEGIN") : told.index("-----END")]
    public = tmp_path / "public.pem"
    public.write_text(pem + "-----END PUBLIC KEY-----\n")
    subprocess.run(["openssl", "pkey", "-pubin", "-in", str(public)], check=True)
    run("key", "show", f"{scheme}{path}", "--format", "json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "countersign/key-show/v1"
    assert unspoken(" ".join(answer["words"])) == answer["id"]
    assert f"id:        {answer['id']}" in told
    assert answer["algorithm"] == ("sshsig-ed25519" if scheme else "ed25519")


def test_every_way_to_hold_a_key_founds_and_joins_a_store(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    run("init", "--name", "Dana", "--key", f"sshsig:{ssh_key(tmp_path)}")
    dana = f"sshsig:{tmp_path / 'id_ed25519_0'}"
    for number, kind in enumerate(("ed25519", "ecdsa")):
        key = f"sshsig:{ssh_key(tmp_path, kind=kind)}"
        offer = str(tmp_path / f"{number}.offer")
        run("key", "enrol", "--key", key, "--out", offer, "--name", f"V{number}")
        run("key", "enrol", offer, "--role", "validator", "--key", dana)
    capsys.readouterr()
    run("log", "verify", "--deep")
    assert main(["key", "list"]) == 0


def test_a_spoken_anchor_opens_the_store_and_a_wrong_one_does_not(
    demo: Demonstrated, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
    words = spoken(demo.anchor)
    run("trust", "show", "--anchor", words)
    told = capsys.readouterr().out
    assert all(line in told for line in words.splitlines())
    run("verify", str(demo.audit), "--anchor", words.replace("\n", " "))
    swapped = words.split()
    swapped[3], swapped[4] = swapped[4], swapped[3]
    capsys.readouterr()
    assert main(["trust", "show", "--anchor", " ".join(swapped)]) == 2
    assert "word 4 of the fingerprint" in capsys.readouterr().err
    other = spoken(demo.anchor[::-1])
    assert main(["trust", "show", "--anchor", other]) == 1


def test_init_says_the_fingerprint_aloud(
    home: Path, tmp_path: Path, capsys: Output
) -> None:
    run("init", "--no-passphrase", "--store", str(tmp_path / "store"))
    answer = capsys.readouterr()
    first_root = answer.out.split()[0]
    assert all(line in answer.err for line in spoken(first_root).splitlines())


def test_a_key_enrolled_in_another_form_is_said_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    path = ssh_key(tmp_path)
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    run("init", "--name", "Dana", "--key", f"sshsig:{path}")
    capsys.readouterr()
    refused = ["erase", "0" * 64, "--reason", "r", "--key", str(path)]
    assert main(refused) == 1
    assert "is enrolled as sshsig-ed25519" in capsys.readouterr().err
