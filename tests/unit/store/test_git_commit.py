"""Raw commits: read as git reads them, named by their bytes, signatures cut out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import MalformedCommit
from store.git_commit import (
    SignatureForm,
    commit_id,
    read_headers,
    read_signature,
)
from tests.repositories import (
    committed,
    git_fed,
    new_repository,
    raw_commit,
    written_commit,
)

TREE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
AUTHOR = b"author Ann <ann@example.org> 1700000000 +0100\n"
COMMITTER = b"committer Bo <bo@example.org> 1700000001 -0500\n"
PGP = b"-----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"
SHA = "0" * 40


def commit(*more: bytes, message: bytes = b"subject\n\nbody\n") -> bytes:
    return TREE + AUTHOR + COMMITTER + b"".join(more) + b"\n" + message


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (b"", b"subject\n"),
        (b"", b"\n\n  two\nlines \n\nbody\n"),
        (b"", b""),
        (b"", b"\n"),
        (b"", b"no line feed"),
        (b"", b"cut\x00 off\n"),
        (b"encoding ISO-8859-1\n", "Grüße\n".encode("latin-1")),
        (b"encoding Shift_JIS\n", "日本\n".encode("shift_jis")),
        (b"", "日本\n".encode()),
    ],
)
def test_commits_are_read_as_git_shows_them(
    tmp_path: Path, headers: bytes, message: bytes
) -> None:
    folder = new_repository(tmp_path / "r")
    parent = committed(folder, "parent")
    parents = f"parent {parent}\n".encode()
    data = TREE + parents + AUTHOR + COMMITTER + headers + b"\n" + message
    sha = written_commit(folder, data)
    form = "--format=%P%x00%ae%x00%ce%x00%ct%x00%s"
    shown = git_fed(folder, b"", "log", "-1", form, "--encoding=UTF-8", sha)
    told = read_headers(data)
    assert shown.decode("utf-8", "replace").removesuffix("\n").split("\x00") == [
        " ".join(told.parents),
        told.author,
        told.committer,
        str(told.committed_seconds),
        told.subject,
    ]
    assert commit_id(data, sha) == sha


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_a_commit_s_id_is_that_of_its_repository_s_hash(
    tmp_path: Path, form: str
) -> None:
    folder = new_repository(tmp_path / "r", f"--object-format={form}")
    sha = committed(folder, "one")
    data = raw_commit(folder, sha)
    assert commit_id(data, sha) == sha
    assert commit_id(data + b" ", sha) != sha


@pytest.mark.parametrize("name", ["rot13", "unicode_escape", "idna", "punycode", "hex"])
def test_an_encoding_that_is_a_program_is_not_run(name: str) -> None:
    data = commit(f"encoding {name}\n".encode(), message=b"\\x41 abc\n")
    assert read_headers(data).subject == "\\x41 abc"


def test_a_signature_is_cut_out_and_the_rest_is_what_was_signed() -> None:
    data = commit(b"gpgsig " + PGP, b"mergetag x\n")
    found = read_signature(data, SHA)
    assert found is not None
    assert found.payload == commit(b"mergetag x\n")
    assert found.form is SignatureForm.OPENPGP
    assert found.text == PGP.replace(b"\n ", b"\n").removesuffix(b"\n")
    digest = hashlib.sha256(found.payload).hexdigest()
    assert found.payload_digest == f"sha256:{digest}"


def test_a_signature_for_the_other_hash_is_neither_read_nor_signed() -> None:
    both = commit(b"gpgsig " + PGP, b"gpgsig-sha256 " + PGP.replace(b"abc", b"xyz"))
    old, new = read_signature(both, SHA), read_signature(both, "0" * 64)
    assert old is not None
    assert new is not None
    assert (b"abc" in old.text, b"xyz" in new.text) == (True, True)
    assert old.payload == new.payload == commit()
    assert read_signature(commit(b"gpgsig " + PGP), "0" * 64) is None


def test_a_signature_in_the_message_is_none() -> None:
    assert read_signature(commit(message=b"gpgsig " + PGP), SHA) is None
    assert read_signature(commit(message=b"x\n\ngpgsig " + PGP), SHA) is None


@pytest.mark.parametrize(
    "headers",
    [
        b"gpgsig " + PGP + b"gpgsig " + PGP,
        b"gpgsig-sha256 " + PGP + b"gpgsig-sha256 " + PGP + b"gpgsig " + PGP,
        b"evil \x00\ngpgsig " + PGP,
    ],
)
def test_what_no_honest_commit_has_is_malformed(headers: bytes) -> None:
    with pytest.raises(MalformedCommit):
        read_signature(commit(headers), SHA)


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_the_message_is_always_signed(
    headers: bytes, message: bytes
) -> None:
    data = TREE + headers + b"\ngpgsig " + PGP + b"\n" + message
    read_headers(data)
    try:
        found = read_signature(data, SHA)
    except MalformedCommit:
        return
    if found is not None:
        assert found.payload.endswith(b"\n\n" + message)
