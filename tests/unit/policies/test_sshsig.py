"""OpenSSH's signature form: what counts as a statement's signature, and what not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import MalformedStatement
from policies.keys import PublicKey, public_key, public_key_from_json
from store.errors import MalformedWire
from store.key_algorithms import Algorithm, sshsig_algorithm
from store.ssh_wire import (
    SSHSIG_MAGIC,
    Wire,
    armoured,
    der_signature,
    read_key_blob,
    sshsig_blob,
    string,
    unarmoured,
)
from tests.ssh_programs import NAMESPACE, Token, mpint

MESSAGE = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
EDWARDS = Token(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
P256 = Token(ec.derive_private_key(2**200 + 7, ec.SECP256R1()))
TOKENS = {"ed25519": EDWARDS, "p256": P256}


def record(token: Token) -> PublicKey:
    return public_key(token.key.spki, sshsig_algorithm(token.key))


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_a_touched_token_s_signature_counts_whatever_its_counter(token: Token) -> None:
    for counter in (0, 1, 2**32 - 1):
        for flags in (0x01, 0x05):
            made = replace(token, counter=counter, flags=flags).sshsig(MESSAGE)
            record(token).check(made, MESSAGE)


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("flags", [0x00, 0x04, 0x80, 0xFE])
def test_without_a_touch_no_flag_helps(token: Token, flags: int) -> None:
    with pytest.raises(MalformedStatement, match="nobody touched") as caught:
        record(token).check(replace(token, flags=flags).sshsig(MESSAGE), MESSAGE)
    assert "no-touch-required" in caught.value.hint


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_flags_and_counter_are_covered_by_the_signature(token: Token) -> None:
    good = replace(token, flags=0).sshsig(MESSAGE)
    assert good[-5] == 0
    raised = good[:-5] + b"\x01" + good[-4:]
    with pytest.raises(MalformedStatement, match="does not verify"):
        record(token).check(raised, MESSAGE)


def parts(blob: bytes) -> list[bytes]:
    """Public key, namespace, reserved, hash, signature."""
    wire = Wire(blob)
    wire.take(len(SSHSIG_MAGIC) + 4)
    return [wire.string() for _ in range(5)]


def whole(fields: list[bytes], magic: bytes = SSHSIG_MAGIC, version: int = 1) -> bytes:
    return magic + version.to_bytes(4, "big") + b"".join(map(string, fields))


def changed(place: int, value: bytes) -> Callable[[list[bytes]], bytes]:
    return lambda fields: whole([*fields[:place], value, *fields[place + 1 :]])


WRONG: dict[str, tuple[Callable[[list[bytes]], bytes], str]] = {
    "magic": (lambda f: whole(f, magic=b"SSHSIH"), "begin with SSHSIG"),
    "version 0": (lambda f: whole(f, version=0), "version is not 1"),
    "version 2": (lambda f: whole(f, version=2), "version is not 1"),
    "another key": (changed(0, P256.key.blob), "made by another key"),
    "no key": (changed(0, b""), "made by another key"),
    "namespace git": (changed(1, b"git"), "its namespace is not"),
    "namespace cut": (changed(1, NAMESPACE[:-1]), "its namespace is not"),
    "namespace with zero": (changed(1, NAMESPACE + b"\0"), "its namespace is not"),
    "reserved": (changed(2, b"x"), "reserved field is not empty"),
    "hash md5": (changed(3, b"md5"), "sha256 or sha512"),
    "other hash": (changed(3, b"sha256"), "does not verify"),
    "no signature": (changed(4, b""), "ends early"),
    "bytes after": (lambda f: whole(f) + b"\0", "bytes follow"),
    "bytes after the signature": (lambda f: changed(4, f[4] + b"\0")(f), "follow"),
    "cut": (lambda f: whole(f)[:-1], "ends early"),
    "a gigabyte": (
        lambda f: SSHSIG_MAGIC + bytes([0, 0, 0, 1, 0x40, 0, 0, 0]),
        "claims 1073741824 bytes",
    ),
    "too long": (lambda f: changed(2, b"x" * 2000)(f), "too long"),
    "kind of signature": (
        lambda f: changed(4, string(b"ssh-ed25519") + f[4][30:])(f),
        "another kind than its key",
    ),
    "short signature": (
        lambda f: changed(4, f[4][:30] + string(bytes(63)) + f[4][-5:])(f),
        "64 bytes",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_field_is_held_to_one_value(name: str) -> None:
    spoil, why = WRONG[name]
    fields = parts(EDWARDS.sshsig(MESSAGE))
    record(EDWARDS).check(whole(fields), MESSAGE)
    with pytest.raises(MalformedStatement, match=why):
        record(EDWARDS).check(spoil(fields), MESSAGE)


@given(st.data())
def test_no_changed_bit_and_no_cut_leaves_a_good_signature(data: st.DataObject) -> None:
    token = data.draw(st.sampled_from([EDWARDS, P256]))
    good = _GOOD[token]
    place = data.draw(st.integers(0, len(good) - 1))
    flipped = data.draw(st.integers(1, 255))
    bad = data.draw(
        st.sampled_from(
            [
                good[:place] + bytes([good[place] ^ flipped]) + good[place + 1 :],
                good[:place],
                good[:place] + bytes([flipped]) + good[place:],
                good[:place] + good[place + 1 :],
            ]
        )
    )
    assert bad == good or not record(token).verifies(bad, MESSAGE)


_GOOD = {token: token.sshsig(MESSAGE) for token in (EDWARDS, P256)}


@given(st.binary(max_size=600))
def test_no_bytes_whatever_make_a_reader_fall_over(data: bytes) -> None:
    assert not record(EDWARDS).verifies(data, MESSAGE)
    assert not record(P256).verifies(SSHSIG_MAGIC + data, MESSAGE)
    for read in (read_key_blob, der_signature, unarmoured):
        with pytest.raises(MalformedWire):
            read(data)


@pytest.mark.parametrize("application", [b"ssh:", b"ssh:work", b"https://example.org"])
def test_a_token_s_key_for_another_application_is_no_key(application: bytes) -> None:
    blob = EDWARDS.key.blob[: -len(string(b"ssh:"))] + string(application)
    if application == b"ssh:":
        assert read_key_blob(blob) == EDWARDS.key
        return
    with pytest.raises(MalformedWire, match="another application"):
        read_key_blob(blob)
    made = sshsig_blob(blob, EDWARDS.signature(b"x", application), NAMESPACE, b"sha512")
    with pytest.raises(MalformedStatement, match="another key"):
        record(EDWARDS).check(made, MESSAGE)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_form_never_passes_for_another(algorithm: Algorithm) -> None:
    token = EDWARDS if algorithm.is_ed25519 else P256
    key = public_key(token.key.spki, algorithm)
    assert key.id == hashlib.sha256(token.key.spki).hexdigest()
    assert key.verifies(token.sshsig(MESSAGE), MESSAGE) == algorithm.ssh_kind.is_token
    bare = (
        token.private.sign(MESSAGE)
        if isinstance(token.private, ed25519.Ed25519PrivateKey)
        else token.private.sign(MESSAGE, ec.ECDSA(SHA256()))
    )
    assert key.verifies(bare, MESSAGE) == (not algorithm.is_sshsig)
    inside = Wire(parts(token.sshsig(MESSAGE))[4])
    inside.string()
    assert not key.verifies(inside.string(), MESSAGE)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_record_reads_back_as_it_was_written(algorithm: Algorithm) -> None:
    token = EDWARDS if algorithm.is_ed25519 else P256
    key = public_key(token.key.spki, algorithm)
    written = key.to_json()
    assert set(written) == {"algorithm", "spki"}
    assert public_key_from_json(str(written["algorithm"]), str(written["spki"])) == key


@pytest.mark.parametrize("algorithm", ["", "rsa", "ED25519", "sshsig-ecdsa-p256", "sk"])
def test_an_algorithm_that_is_not_the_key_s_is_refused(algorithm: str) -> None:
    spki = base64.b64encode(EDWARDS.key.spki).decode()
    with pytest.raises(MalformedStatement):
        public_key_from_json(algorithm, spki)


@pytest.mark.parametrize(
    "numbers",
    [
        string(b"\x80") + string(b"\x01"),
        string(b"\x00\x01") + string(b"\x01"),
        string(b"\x00") + string(b"\x01"),
        string(b"") + string(b"\x01"),
        string(mpint(2**256)) + string(b"\x01"),
        string(b"\x01"),
        string(b"\x01") + string(b"\x01") + b"\x00",
    ],
)
def test_an_ecdsa_number_has_one_spelling(numbers: bytes) -> None:
    with pytest.raises(MalformedWire):
        der_signature(numbers)


@given(st.binary(max_size=400))
def test_armour_comes_off_as_it_was_put_on(blob: bytes) -> None:
    assert unarmoured(armoured(blob)) == blob
