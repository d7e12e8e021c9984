"""OpenSSH verifies what the auditor's file holds, by the commands that it gives."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from console.reports.audit_report import Scope
from console.reports.bundle import export_audit, write_zip
from console.reports.statement_files import statement_files, write_folder
from console.reports.verification import verify_file
from console.services.checkpoints import make_checkpoint
from console.services.signing import append
from policies.predicates import LineageBatch
from tests.ssh_programs import need, ssh_key
from tests.worlds import World

AT = "2026-03-01T12:00:00Z"


@pytest.fixture
def signed(world: World, tmp_path: Path) -> World:
    """A log in which two people sign with SSH keys and one with a PEM file."""
    for name, kind in (("vera", "ed25519"), ("bruno", "ecdsa")):
        world.hire_with(f"sshsig:{ssh_key(tmp_path, kind=kind)}", name, "validator")
        batch = LineageBatch(name, "c", world.store.objects.put(b"batch"), 0, AT)
        append(world.store, world.people[name], batch, ("m", "0" * 64))
    return world


def exported(world: World, folder: Path) -> Path:
    data = export_audit(world.store, Scope(), make_checkpoint(world.store))
    (folder / "audit.zip").write_bytes(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder / "audit")
    return folder / "audit"


def accepts(folder: Path, command: str) -> bool:
    """Whether a command line of a README succeeds in its folder."""
    need("ssh-keygen")
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, check=False
    )
    return done.returncode == 0


def command_of(readme: Path) -> str:
    return readme.read_text().split("ssh-keygen", 1)[1].split("\n\n")[0]


@pytest.mark.peer
def test_ssh_keygen_verifies_the_statements_of_the_auditors_file(
    signed: World, tmp_path: Path
) -> None:
    folder = exported(signed, tmp_path)
    signatures = sorted((folder / "statements").glob("*.sshsig"))
    assert len(signatures) == 2
    command = "ssh-keygen" + command_of(folder / "README.txt")
    for signature in signatures:
        stem = signature.with_suffix("")
        person = json.loads(stem.with_suffix(".json").read_text())["predicate"]["by"]
        filled = command.replace("NUMBER-TYPE", stem.name).replace("PERSON", person)
        assert accepts(folder, filled)
        assert not accepts(folder, filled.replace("statement@", "git@"))
        assert not accepts(folder, filled.replace(person, signed.people["dana"].id))
        assert not stem.with_suffix(".sig").exists()
        pae = stem.with_suffix(".pae")
        pae.write_bytes(pae.read_bytes() + b" ")
        assert not accepts(folder, filled)


def test_the_list_of_signers_holds_ssh_keys_for_our_namespace_alone(
    signed: World, tmp_path: Path
) -> None:
    folder = exported(signed, tmp_path)
    lines = (folder / "allowed_signers").read_text().splitlines()
    ours = r'p-[0-9a-f]{12} namespaces="statement@countersign\.dev" (ssh|ecdsa)-\S+ \S+'
    assert [bool(re.fullmatch(ours, line)) for line in lines] == [True, True]
    named = {line.split()[0] for line in lines}
    assert named == {signed.people["vera"].id, signed.people["bruno"].id}


def test_a_file_with_ssh_keys_verifies_here_and_not_with_a_list_changed(
    signed: World, tmp_path: Path
) -> None:
    exported(signed, tmp_path)
    path, anchor = tmp_path / "audit.zip", signed.store.first_root
    assert verify_file(path, anchor).is_good
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["allowed_signers"] = files["allowed_signers"].replace(b"statement@", b"git@")
    path.write_bytes(write_zip(files))
    changed = verify_file(path, anchor)
    assert any("allowed_signers" in problem for problem in changed.problems)


@pytest.mark.peer
def test_one_exported_statement_verifies_by_its_own_readme(
    signed: World, tmp_path: Path
) -> None:
    last = signed.store.index.size - 1
    folder = tmp_path / "one"
    files = statement_files(signed.store, last, make_checkpoint(signed.store))
    write_folder(folder, files)
    command = "ssh-keygen" + command_of(folder / "README.txt")
    assert accepts(folder, command)
    assert not accepts(folder, command.replace(" -I p-", " -I q-"))
