"""Keys on tokens: SoftHSM plays the token where it is installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.signers.opening import open_signer
from connectors.signers.pkcs11 import Pin
from connectors.signers.pkcs11_address import read_token_address
from console.cli import main
from policies.keys import public_key

PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MESSAGE = b"exactly these bytes"
PIN = b"4711"


@dataclass(frozen=True)
class Token:
    """A token with three keys and a PIN."""

    module: str

    def address(self, path: str = "token=ana") -> str:
        return f"pkcs11:{path}?module-path={self.module}"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    module = next((place for place in PLACES if Path(place).is_file()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm: libsofthsm2.so and softhsm2-util are not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        for label in ("ana", "ben"):
            made = ["--init-token", "--free", "--label", label, "--so-pin", "00000000"]
            subprocess.run(
                ["softhsm2-util", *made, "--pin", PIN.decode()],
                check=True,
                capture_output=True,
            )
        make_keys(module)
        yield Token(module)


def make_keys(module: str) -> None:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism
    from pkcs11.util.ec import encode_named_curve_parameters

    with (
        pkcs11.lib(module)
        .get_token(token_label="ana")
        .open(rw=True, user_pin=PIN.decode()) as session
    ):
        for number, curve in enumerate(("secp256r1", "secp384r1")):
            session.create_domain_parameters(
                KeyType.EC,
                {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)},
                local=True,
            ).generate_keypair(store=True, label=curve, id=bytes([number]))
        session.create_domain_parameters(
            KeyType.EC_EDWARDS,
            {Attribute.EC_PARAMS: bytes.fromhex("06032b6570")},
            local=True,
        ).generate_keypair(
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            label="edwards and more",
            id=b"\x09\xff",
        )
        session.generate_keypair(KeyType.RSA, 2048, store=True, label="rsa", id=b"\x0a")


@pytest.mark.parametrize(
    ("path", "algorithm"),
    [
        ("token=ana;object=secp256r1", "ecdsa-p256-sha256"),
        ("token=ana;object=edwards%20and%20more", "ed25519"),
        ("token=ana;id=%09%ff;type=private", "ed25519"),
    ],
)
def test_a_key_on_a_token_signs_and_is_named_by_its_address(
    token: Token, path: str, algorithm: str
) -> None:
    signer = open_signer(token.address(path), lambda _: PIN)
    key = public_key(signer.spki, signer.algorithm)
    assert signer.algorithm == algorithm
    for number in range(5):
        message = MESSAGE + bytes([number])
        key.check(signer.sign(message), message)


def test_a_key_on_a_token_founds_a_store(
    token: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_PASSPHRASE", PIN.decode())
    key = token.address("token=ana;object=secp256r1")
    store = str(tmp_path / "store")
    assert main(["init", "--name", "Dana", "--key", key, "--store", store]) == 0
    assert main(["key", "show", key]) == 0


def test_the_pin_is_asked_for_by_the_token_s_name(token: Token) -> None:
    asked: list[str] = []

    def passphrase(name: str) -> bytes:
        asked.append(name)
        return PIN

    open_signer(token.address("token=ana;object=secp256r1"), passphrase)
    assert asked == ["the token ana"]


def test_a_wrong_or_missing_pin_is_refused_and_never_shown(token: Token) -> None:
    address = token.address("token=ana;object=secp256r1")
    with pytest.raises(ConnectorRefused, match="PIN of the token ana is wrong") as got:
        open_signer(address, lambda _: b"9999")
    assert "locks itself" in got.value.hint
    with pytest.raises(ConnectorRefused, match="wants a PIN"):
        open_signer(address, lambda _: None)
    with pytest.raises(MalformedInput, match="not UTF-8"):
        open_signer(address, lambda _: b"\xff")
    assert "4711" not in repr(Pin(PIN))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("token=ana;object=nobody", "no private key matches"),
        ("token=ana", "4 private keys match"),
        ("token=carl", "no token matches"),
        ("", "2 tokens match"),
        ("token=ben", "no private key matches"),
    ],
)
def test_an_address_names_exactly_one_key(token: Token, path: str, why: str) -> None:
    with pytest.raises(ConnectorRefused, match=why) as caught:
        open_signer(token.address(path), lambda _: PIN)
    assert "There: " in caught.value.hint


@pytest.mark.parametrize("label", ["secp384r1", "rsa"])
def test_keys_of_other_kinds_are_refused(token: Token, label: str) -> None:
    with pytest.raises(MalformedInput, match="neither Ed25519 nor ECDSA P-256"):
        open_signer(token.address(f"token=ana;object={label}"), lambda _: PIN)


def test_a_module_that_is_none_is_said_so(tmp_path: Path) -> None:
    for module in (tmp_path / "gone.so", tmp_path):
        with pytest.raises(ConnectorUnavailable, match="does not work"):
            open_signer(f"pkcs11:?module-path={module}", lambda _: PIN)


def test_without_a_module_the_address_says_what_to_add(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PKCS11_MODULE", raising=False)
    with pytest.raises(ConnectorRefused, match="no PKCS #11 module") as caught:
        open_signer("pkcs11:token=ana", lambda _: PIN)
    assert "module-path" in caught.value.hint


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConnectorRefused, match=r"countersign\[pkcs11\]"):
        open_signer("pkcs11:token=ana", lambda _: PIN)


def test_the_extra_is_imported_only_when_a_token_is_named() -> None:
    program = "import sys, console.cli.keys, connectors.signers.opening as o; "
    program += "assert not any(n.split('.')[0] == 'pkcs11' for n in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)


@pytest.mark.parametrize("where", ["?pin-value=4711", "?module-path=/x&pin-source=/y"])
def test_a_pin_in_an_address_is_refused(where: str) -> None:
    with pytest.raises(ConnectorRefused, match="does not belong into") as caught:
        read_token_address(f"pkcs11:token=ana{where}")
    assert "4711" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    "address",
    [
        "pkcs11:token",
        "pkcs11:token=a;token=b",
        "pkcs11:unknown=x",
        "pkcs11:token=%zz",
        "pkcs11:token=%ff",
        "pkcs11:token=%00",
        "pkcs11:type=public",
        "pkcs11:?module-path=relative.so",
        "pkcs11:;",
        "pkcs12:token=x",
        "pkcs11:token=" + "x" * 5000,
    ],
    ids=lambda address: address[:40],
)
def test_an_address_that_is_not_understood_is_malformed(address: str) -> None:
    with pytest.raises(MalformedInput):
        read_token_address(address)


@given(st.text(max_size=200))
def test_no_text_whatever_makes_the_reader_fall_over(text: str) -> None:
    with contextlib.suppress(ConnectorError):
        read_token_address("pkcs11:" + text)
