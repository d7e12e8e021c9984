"""Sign-off through files: what an altered pack or a replayed answer achieves."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from console.services.demonstration import MODEL, Demonstrated
from store.objects import sha256_hex

REFUSED = (1, 2)


class Desk:
    """The demonstration's store with a request in it, and a machine elsewhere."""

    def __init__(self, demo: Demonstrated, folder: Path, run: Callable[..., int]):
        self.demo, self.folder, self.run = demo, folder, run
        self.pack = folder / "pack.json"
        self.signed = folder / "signed.json"

    def key(self, name: str) -> str:
        return str(self.demo.home / "config" / "keys" / f"{name}.pem")

    def sign(self, *more: str, key: str = "vera", anchor: str = "") -> int:
        return self.run(
            *("approve", "--from", str(self.pack), "--reason", "read it"),
            *("--key", self.key(key), "--out", str(self.signed)),
            *("--anchor", anchor or self.demo.anchor, *more),
            elsewhere=True,
        )

    def submit(self) -> int:
        return self.run("submit", str(self.signed))

    def alter(self, change: Callable[[dict[str, Any]], None]) -> None:
        content = json.loads(self.pack.read_bytes())
        change(content)
        self.pack.write_text(json.dumps(content))


@pytest.fixture
def desk(
    demo: Demonstrated,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    def run(*command: str, elsewhere: bool = False) -> int:
        home = tmp_path / "elsewhere" if elsewhere else demo.home
        monkeypatch.setenv("COUNTERSIGN_HOME", str(home))
        if elsewhere:
            monkeypatch.delenv("COUNTERSIGN_STORE", raising=False)
        else:
            monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
        return main(list(command))

    made = Desk(demo, tmp_path, run)
    capsys.readouterr()
    asked = run(
        *("request", f"model:{MODEL}@2", "--to", "production", "--env", "eu"),
        *("--reason", "because", "--key", made.key("ana")),
    )
    assert asked == 0
    request = capsys.readouterr().out.strip().splitlines()[-1]
    assert run("review", request, "--out", str(made.pack)) == 0
    return made


def test_an_answer_signed_without_the_store_counts_once_it_is_handed_in(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.sign() == 0
    capsys.readouterr()
    assert desk.submit() == 0
    first = capsys.readouterr().out
    assert desk.submit() == 0
    assert capsys.readouterr().out == first.replace("\n", " has it already\n")
    desk.signed = desk.folder / "again.json"
    assert desk.sign() == 0
    assert desk.submit() == 1
    assert "answered this request already" in capsys.readouterr().err


def test_the_signer_says_which_evidence_was_not_read_again(desk: Desk) -> None:
    assert desk.sign() == 0
    envelope = json.loads(json.loads(desk.signed.read_bytes())["envelope"])
    checks = json.loads(base64.b64decode(envelope["payload"]))["predicate"]["checks"]
    assert {check["result"] for check in checks} == {"no-access"}


def test_without_an_anchor_and_without_a_terminal_nothing_is_signed(desk: Desk) -> None:
    command = ["approve", "--from", str(desk.pack), "--reason", "x"]
    command += ["--key", desk.key("vera"), "--out", str(desk.signed)]
    assert desk.run(*command, elsewhere=True) == 3
    assert not desk.signed.exists()


def test_a_pack_of_another_log_than_the_pinned_one_is_not_signed(desk: Desk) -> None:
    assert desk.sign(anchor="0" * 64) == 1
    assert not desk.signed.exists()


def test_an_answer_is_never_written_over_a_file(desk: Desk) -> None:
    desk.signed.write_text("mine")
    assert desk.sign() == 2
    assert desk.signed.read_text() == "mine"


def test_who_asked_cannot_approve_from_a_pack_either(desk: Desk) -> None:
    assert desk.sign(key="ana") == 1
    assert not desk.signed.exists()


def test_another_artifact_than_the_one_asked_about_is_not_signed(desk: Desk) -> None:
    other = desk.folder / "other"
    other.mkdir()
    (other / "model.pkl").write_bytes(b"something else")
    assert desk.sign("--artifact", str(other)) == 1
    assert not desk.signed.exists()


def test_every_object_of_the_pack_that_the_review_rests_on_is_missed(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    original = desk.pack.read_bytes()
    entry = json.loads(base64.b64decode(json.loads(original)["entries"][-1]))
    request = json.loads(base64.b64decode(entry["payload"]))["predicate"]
    objects = json.loads(original)["objects"]
    by_digest = {sha256_hex(base64.b64decode(o)): o for o in objects}
    bound = {request[k] for k in ("policy", "root", "evidence", "review", "reason")}
    items = json.loads(base64.b64decode(by_digest[request["evidence"]]))["items"]
    bound |= {item["digest"] for item in items}
    assert bound <= by_digest.keys()
    for digest in sorted(bound):
        desk.pack.write_bytes(original)
        desk.alter(lambda content, d=digest: content["objects"].remove(by_digest[d]))  # type: ignore[misc]  # a loop's variable
        assert desk.sign() in (*REFUSED, 3), digest
        altered = base64.b64encode(base64.b64decode(by_digest[digest]) + b" ").decode()
        desk.alter(lambda content, a=altered: content["objects"].append(a))  # type: ignore[misc]  # a loop's variable
        assert desk.sign() in (*REFUSED, 3), digest
    assert not desk.signed.exists()


def test_a_log_with_an_entry_taken_out_or_altered_is_not_signed(desk: Desk) -> None:
    original = desk.pack.read_bytes()
    count = len(json.loads(original)["entries"])
    for index in (0, count // 2, count - 1):
        desk.pack.write_bytes(original)
        desk.alter(lambda content, i=index: content["entries"].pop(i))  # type: ignore[misc]  # a loop's variable
        signed = desk.sign()
        if signed == 0:
            assert desk.submit() == 1
            desk.signed.unlink()
        else:
            assert signed in REFUSED
    assert not desk.signed.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"schema":"countersign/review-pack/v2"}', b"\xff" * 9],
)
def test_what_is_no_pack_and_no_answer_is_misuse(desk: Desk, content: bytes) -> None:
    desk.pack.write_bytes(content)
    assert desk.sign() == 2
    desk.signed.write_bytes(content)
    assert desk.submit() in REFUSED


def test_an_altered_answer_is_refused_and_leaves_nothing_in_the_store(
    desk: Desk,
) -> None:
    assert desk.sign() == 0
    before = sorted(p for p in desk.demo.store.rglob("*") if p.is_file())
    signed = json.loads(desk.signed.read_bytes())
    words = base64.b64encode(b'{"salt":"0","text":"other"}').decode()
    desk.signed.write_text(json.dumps(signed | {"reason": words}))
    assert desk.submit() == 1
    envelope = json.loads(signed["envelope"])
    payload = base64.b64decode(envelope["payload"]).replace(b"approve", b"reject")
    envelope["payload"] = base64.b64encode(payload).decode()
    desk.signed.write_text(json.dumps(signed | {"envelope": json.dumps(envelope)}))
    assert desk.submit() == 1
    assert sorted(p for p in desk.demo.store.rglob("*") if p.is_file()) == before


def test_an_answer_that_was_withdrawn_does_not_come_back(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.sign() == 0
    assert desk.submit() == 0
    capsys.readouterr()
    signed = json.loads(desk.signed.read_bytes())
    envelope = json.loads(signed["envelope"])
    payload = base64.b64decode(envelope["payload"])
    kind = b"application/vnd.in-toto+json"
    covered = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    statement = f"statement:{sha256_hex(covered)}"
    taken_back = ("withdraw", statement, "--reason", "no", "--key", desk.key("vera"))
    assert desk.run(*taken_back) == 0
    assert desk.submit() == 1
    assert "was withdrawn" in capsys.readouterr().err


def test_an_answer_to_a_request_that_was_withdrawn_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.sign() == 0
    request = json.loads(desk.pack.read_bytes())["request"]
    taken_back = ("withdraw", f"request:{request}", "--reason", "no")
    assert desk.run(*taken_back, "--key", desk.key("ana")) == 0
    assert desk.submit() == 1
    assert "the request is withdrawn, not open" in capsys.readouterr().err
