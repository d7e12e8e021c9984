"""Attacks on the auditor's file: any changed byte is refused, and what it was named."""

from __future__ import annotations

import io
import random
import subprocess
import zipfile
from pathlib import Path

import pytest

from console.cli import main
from console.reports.bundle import write_zip
from console.reports.verification import verify_file
from console.services.demonstration import Demonstrated
from console.services.problems import Refusal


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def problems(demo: Demonstrated, files: dict[str, bytes]) -> tuple[str, ...]:
    path = demo.audit.with_name("altered.zip")
    path.write_bytes(write_zip(files))
    return verify_file(path, demo.anchor).problems


def test_the_file_as_exported_is_good(demo: Demonstrated) -> None:
    found = verify_file(demo.audit, demo.anchor)
    assert found.is_good
    assert (found.promotions, found.void_entries) == (2, 0)
    assert main(["verify", str(demo.audit), "--anchor", demo.anchor]) == 0


def test_it_verifies_with_no_store_and_no_home(
    demo: Demonstrated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lonely = tmp_path / "lonely.zip"
    lonely.write_bytes(demo.audit.read_bytes())
    monkeypatch.setenv("COUNTERSIGN_HOME", str(tmp_path / "nowhere"))
    assert main(["verify", str(lonely), "--anchor", demo.anchor]) == 0
    assert not (tmp_path / "nowhere").exists()


def test_the_wrong_anchor_and_none_are_refused(
    demo: Demonstrated, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(demo.audit), "--anchor", "0" * 64]) == 1
    assert "anchor" in capsys.readouterr().out
    assert main(["verify", str(demo.audit)]) == 2


def test_any_changed_member_is_named(demo: Demonstrated) -> None:
    files = members(demo.audit)
    chance = random.Random(7)  # noqa: S311 - a repeatable test, no secret
    for path in [*chance.sample(sorted(files), 10), "MANIFEST.json", "report.html"]:
        data = bytearray(files[path])
        position = chance.randrange(len(data))
        data[position] ^= 1 << chance.randrange(8)
        told = problems(demo, files | {path: bytes(data)})
        assert any(path in problem for problem in told), (path, told)


@pytest.mark.slow
def test_any_changed_byte_of_the_whole_file_is_refused(demo: Demonstrated) -> None:
    data = demo.audit.read_bytes()
    chance = random.Random(11)  # noqa: S311 - a repeatable test, no secret
    path = demo.audit.with_name("altered.zip")
    for _ in range(25):
        altered = bytearray(data)
        altered[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(altered))
        assert main(["verify", str(path), "--anchor", demo.anchor]) == 1


def test_a_left_out_entry_object_or_added_file_is_refused(demo: Demonstrated) -> None:
    files = members(demo.audit)
    last = max(name for name in files if name.startswith("log/entry/"))
    some_object = min(name for name in files if name.startswith("object/"))
    for name in (last, some_object, "log/checkpoint", "report.json"):
        without = {path: data for path, data in files.items() if path != name}
        assert problems(demo, without)
    assert any("extra" in p for p in problems(demo, files | {"extra.txt": b"x"}))


def test_a_report_that_was_rewritten_with_its_manifest_is_refused(
    demo: Demonstrated,
) -> None:
    import json

    from store.objects import sha256_hex

    files = members(demo.audit)
    files["report.html"] = files["report.html"].replace(b"Vera", b"Eve!")
    listed = json.loads(files["MANIFEST.json"])
    for entry in listed["files"]:
        entry["sha256"] = sha256_hex(files[entry["path"]])
    files["MANIFEST.json"] = (
        json.dumps(listed, indent=1, sort_keys=True) + "\n"
    ).encode()
    assert any("report.html was changed" in p for p in problems(demo, files))


def _zipped(**options: object) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in options.items():
            archive.writestr(name.replace("_", "/"), str(data))
    return target.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        _zipped(a="b"),
        b"not a zip" * 100,
    ],
)
def test_what_is_no_audit_file_is_refused_with_one(
    demo: Demonstrated, data: bytes
) -> None:
    path = demo.audit.with_name("odd.zip")
    path.write_bytes(data)
    assert main(["verify", str(path), "--anchor", demo.anchor]) == 1


def test_members_that_lead_out_or_stand_twice_are_refused(demo: Demonstrated) -> None:
    for names in (["../x"], ["/x"], ["a/../../x"], ["x", "X"]):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        path = demo.audit.with_name("odd.zip")
        path.write_bytes(target.getvalue())
        with pytest.raises(Refusal, match="forbidden or double"):
            verify_file(path, demo.anchor)


def test_a_head_from_elsewhere_is_held_against_it(
    demo: Demonstrated, tmp_path: Path
) -> None:
    checkpoint = members(demo.audit)["log/checkpoint"]
    head = tmp_path / "head"
    head.write_bytes(checkpoint)
    command = ["verify", str(demo.audit), "--anchor", demo.anchor, "--head", str(head)]
    assert main(command) == 0
    head.write_bytes(checkpoint.replace(b"\n2", b"\n3", 1))
    assert main(command) == 1


@pytest.mark.peer
def test_openssl_verifies_every_statement_without_us(
    demo: Demonstrated, tmp_path: Path
) -> None:
    files = members(demo.audit)
    for name, data in files.items():
        target = tmp_path / "out" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    signatures = sorted(name for name in files if name.endswith(".sig"))
    assert len(signatures) > 10
    for name in signatures:
        stem = name.removesuffix(".sig")
        key = files[f"{stem}.key"].decode().strip()
        try:
            finished = subprocess.run(
                [
                    "openssl",
                    "pkeyutl",
                    "-verify",
                    "-pubin",
                    "-inkey",
                    f"keys/{key}.pem",
                    "-rawin",
                    "-in",
                    f"{stem}.pae",
                    "-sigfile",
                    name,
                ],
                cwd=tmp_path / "out",
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            pytest.skip("peer: openssl is not installed")
        assert finished.returncode == 0, finished.stderr
