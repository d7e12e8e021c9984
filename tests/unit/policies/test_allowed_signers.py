"""Files of allowed signers: read as ssh-keygen reads them, or refused by line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.allowed_signers import LARGEST_BYTES, read_allowed_signers
from policies.errors import MalformedStatement
from tests.unit.policies.test_commit_signature import EDWARDS, P256
from tests.worlds import NOON

LINE = EDWARDS.key.line
HERS = {EDWARDS.key.fingerprint: "ana@example.org"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"ana@example.org {LINE}", HERS),
        (f"ana@example.org {LINE} her laptop, of 2026", HERS),
        (f"# x\n\n  ana@example.org  {LINE}\n", HERS),
        (f'"ana@example.org" {LINE}', HERS),
        (f'ana@example.org namespaces="file,git" {LINE}', HERS),
        (f'ana@example.org namespaces="file" {LINE}', {}),
        (f'ana@example.org namespaces="g*" {LINE}', HERS),
        (f"ana@example.org cert-authority {LINE}", {}),
        (f'ana@example.org valid-after="20260228",namespaces="git" {LINE}', HERS),
        (f'ana@example.org valid-after="202603011201Z" {LINE}', {}),
        (f'ana@example.org valid-before="20260301115959" {LINE}', {}),
        (f'ana@example.org valid-before="20260302" {LINE}', HERS),
        ("bo@example.org ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7", {}),
        (f"ana@example.org {LINE}\neve@example.org {LINE}", HERS),
        (f"* {P256.key.line}", {P256.key.fingerprint: "*"}),
    ],
)
def test_keys_that_may_sign_for_git_now_are_read(
    text: str, found: dict[str, str]
) -> None:
    assert read_allowed_signers(text.encode(), NOON) == found


@pytest.mark.parametrize(
    "text",
    [
        "ana@example.org",
        LINE,
        f"ana@example.org no-touch-required {LINE}",
        f'ana@example.org namespaces="git {LINE}',
        f"ana@example.org cert-authority,cert-authority {LINE}",
        f'ana@example.org valid-after="soon" {LINE}',
        f'ana@example.org valid-after="20260230" {LINE}',
        "\x00",
        "a " * 20_000,
    ],
)
def test_what_is_no_such_line_is_refused_by_its_number(text: str) -> None:
    with pytest.raises(MalformedStatement, match="line 2"):
        read_allowed_signers(f"# first\n{text}".encode(), NOON)


@pytest.mark.parametrize("data", [b"\xff", b"#" * (LARGEST_BYTES + 1)])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedStatement):
        read_allowed_signers(data, NOON)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(MalformedStatement):
        found = read_allowed_signers(text.encode(errors="replace"), NOON)
        assert not found
