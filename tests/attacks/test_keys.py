"""Attacks on keys and forms of signatures: mounted, and refused for a reason each."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from connectors.signers.opening import open_signer
from console.services.founding import make_offer
from console.services.problems import Refusal
from console.services.signing import act_as_person, append, sign_statement
from policies.dsse import Envelope
from policies.errors import MalformedStatement
from policies.keys import PublicKey, public_key
from policies.predicates import Enrolment, Grant, KeyText, LineageBatch
from policies.trust_root import possession_bytes
from store.backend import entry_path
from store.errors import StoreRefused
from store.folder import FolderBackend
from store.judgement import Standing
from store.key_algorithms import Algorithm, sshsig_algorithm
from store.objects import sha256_hex
from store.ssh_wire import (
    ED25519_SPKI,
    SshKey,
    SshKind,
    armoured,
    sshsig_blob,
    string,
    unarmoured,
)
from tests.ssh_programs import (
    NAMESPACE,
    Token,
    running_agent,
    ssh_key,
    ssh_keygen_accepts,
)
from tests.worlds import World

AT = "2026-03-01T12:00:00Z"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
IDENTITY_POINT = b"\x01" + bytes(31)
UNIVERSAL_FORGERY = IDENTITY_POINT + bytes(32)
"""Under the identity point, a signature of every message."""


def batch(world: World) -> LineageBatch:
    return LineageBatch("m", "c", world.store.objects.put(b"batch"), 0, AT)


def envelope_of(world: World, name: str) -> Envelope:
    acting = world.people[name]
    return sign_statement(
        acting, batch(world), ("m", "0" * 64), world.store.prefix(), AT
    )


def refused(world: World, envelope: Envelope, why: str) -> None:
    size = world.store.index.size
    with pytest.raises(StoreRefused, match=why):
        world.store.log.append(envelope.to_bytes())
    assert world.store.catch_up() == size


def enrolled_token(world: World, token: Token, *, flags: int = 1) -> PublicKey:
    """Enrol a token's key; its proof of possession is made with these flags."""
    key = public_key(token.key.spki, sshsig_algorithm(token.key))
    profile = b'{"salt":"s","name":"Tom","email":""}'
    asked = possession_bytes(world.store.origin, "p-tom", sha256_hex(profile), key)
    made = Enrolment(
        person="p-tom",
        profile=world.store.objects.put(profile),
        key=KeyText(key.algorithm.value, base64.b64encode(key.spki).decode()),
        proof=base64.b64encode(replace(token, flags=flags).sshsig(asked)).decode(),
        identities=(),
        grants=(Grant("validator"),),
    )
    append(world.store, world.people["dana"], made, ("p-tom", key.id))
    return key


def token_envelope(
    world: World, token: Token, namespace: bytes = NAMESPACE
) -> Envelope:
    """What Tom would say, signed by his token."""
    draft = replace(world.people["dana"], id="p-tom")
    made = sign_statement(
        draft, batch(world), ("m", "0" * 64), world.store.prefix(), AT
    )
    return replace(made, signature=token.sshsig(made.signed_bytes, namespace))


@pytest.mark.parametrize("scheme", ["sshsig:", ""])
def test_people_with_openssh_keys_sign_and_are_believed(
    world: World, tmp_path: Path, scheme: str
) -> None:
    world.hire_with(f"{scheme}{ssh_key(tmp_path)}", "vera", "validator")
    envelope = envelope_of(world, "vera")
    assert world.store.log.append(envelope.to_bytes()) == world.store.index.size - 1


def test_people_with_keys_in_an_agent_sign_and_are_believed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_agent(tmp_path, ssh_key(tmp_path, kind="ecdsa")) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        world.hire_with("agent:", "vera", "validator")
        world.store.log.append(envelope_of(world, "vera").to_bytes())


def test_attack_3_a_signature_for_git_is_none_for_us(
    world: World, tmp_path: Path
) -> None:
    path = ssh_key(tmp_path)
    world.hire_with(f"sshsig:{path}", "vera", "validator")
    envelope = envelope_of(world, "vera")
    for namespace in ("git", "file", "statement@countersign.dev.example"):
        signed = subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(path)],
            input=envelope.signed_bytes,
            capture_output=True,
            check=True,
        )
        stolen = replace(envelope, signature=unarmoured(signed.stdout))
        refused(world, stolen, "made its signature")


def test_attack_3_neither_form_of_signature_passes_for_the_other(
    world: World, tmp_path: Path
) -> None:
    one, other = ssh_key(tmp_path, comment="a"), ssh_key(tmp_path, comment="b")
    world.hire_with(str(one), "vera", "validator")
    world.hire_with(f"sshsig:{other}", "bruno", "validator")
    for name, address in (("vera", f"sshsig:{one}"), ("bruno", str(other))):
        envelope = envelope_of(world, name)
        wrong = open_signer(address, lambda _: None).sign(envelope.signed_bytes)
        refused(world, replace(envelope, signature=wrong), "made its signature")
        with pytest.raises(Refusal, match="is enrolled as") as caught:
            act_as_person(world.store, world.store.state(), address, lambda _: None)
        assert "--key" in caught.value.hint


def test_attack_5_and_7_one_key_is_not_enrolled_again_under_another_form(
    world: World, tmp_path: Path
) -> None:
    path = ssh_key(tmp_path)
    world.hire_with(str(path), "vera", "validator")
    with pytest.raises(StoreRefused, match="enrolled already"):
        world.hire_with(f"sshsig:{path}", "bruno", "validator")


def test_attack_9_a_key_that_accepts_forgeries_is_never_enrolled(
    tmp_path: Path,
) -> None:
    weak = SshKey(SshKind.ED25519, ED25519_SPKI + IDENTITY_POINT)
    signature = string(b"ssh-ed25519") + string(UNIVERSAL_FORGERY)
    forged = sshsig_blob(weak.blob, signature, NAMESPACE, b"sha512")
    for message in (b"pay", b"anything"):
        assert ssh_keygen_accepts(tmp_path, weak, armoured(forged), message)
    for algorithm in ("", *Algorithm):
        with pytest.raises(MalformedStatement):
            public_key(weak.spki, algorithm)


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.SSHSIG_ED25519])
def test_attack_10_a_scalar_beyond_the_order_is_no_signature(
    algorithm: Algorithm,
) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    key = public_key(ED25519_SPKI + private.public_key().public_bytes_raw(), algorithm)
    order = 2**252 + 27742317777372353535851937790883648493

    def made(message: bytes, *, beyond: bool) -> bytes:
        signature = private.sign(message)
        scalar = int.from_bytes(signature[32:], "little") + (order if beyond else 0)
        return signature[:32] + scalar.to_bytes(32, "little")

    for beyond in (False, True):
        if algorithm.is_sshsig:
            from store.ssh_wire import sshsig_preimage

            inner = made(sshsig_preimage(b"m", NAMESPACE, b"sha512"), beyond=beyond)
            packed = string(b"ssh-ed25519") + string(inner)
            signature = sshsig_blob(key.ssh.blob, packed, NAMESPACE, b"sha512")
        else:
            signature = made(b"m", beyond=beyond)
        assert key.verifies(signature, b"m") is not beyond


def test_attack_11_a_second_spelling_of_a_signature_says_nothing_twice(
    world: World, tmp_path: Path
) -> None:
    world.hire_with(str(ssh_key(tmp_path, kind="ecdsa")), "vera", "validator")
    envelope = envelope_of(world, "vera")
    r, s = decode_dss_signature(envelope.signature)
    second = replace(envelope, signature=encode_dss_signature(r, P256_ORDER - s))
    first = world.store.log.append(envelope.to_bytes())
    assert world.people["vera"].key.verifies(second.signature, second.signed_bytes)
    assert world.store.log.append(second.to_bytes()) == first
    size = world.store.index.size
    backend = FolderBackend(Path(world.store.address))
    assert backend.put_if_absent(entry_path(size), second.to_bytes())
    assert world.store.catch_up() == size + 1
    placed = world.store.index.entry(size)
    assert placed is not None
    judgement = placed.judgement
    assert (judgement.standing, judgement.reason) == (
        Standing.VOID,
        f"it repeats entry {first}",
    )


@pytest.mark.parametrize("kind", ["rsa -b 1024", "rsa -b 3072", "ecdsa -b 521"])
def test_attack_12_no_weaker_algorithm_is_a_key(tmp_path: Path, kind: str) -> None:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_ssh_public_key,
    )

    line = ssh_key(tmp_path, kind=kind).with_suffix(".pub").read_bytes()
    spki = load_ssh_public_key(line).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    for algorithm in ("", "rsa", "ssh-rsa", *Algorithm):
        with pytest.raises(MalformedStatement):
            public_key(spki, algorithm)


def test_attack_20_a_token_s_signature_without_a_touch_is_refused(
    world: World, tmp_path: Path
) -> None:
    token = Token(ed25519.Ed25519PrivateKey.generate())
    enrolled_token(world, token)
    good = token_envelope(world, token)
    untouched = token_envelope(world, replace(token, flags=0))
    message = untouched.signed_bytes
    assert ssh_keygen_accepts(
        tmp_path, token.key, armoured(untouched.signature), message
    )
    refused(world, untouched, "made its signature")
    world.store.log.append(good.to_bytes())


def test_attack_20_a_token_is_not_enrolled_without_a_touch(world: World) -> None:
    token = Token(ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(StoreRefused, match="did not prove possession"):
        enrolled_token(world, token, flags=0)


def test_attack_21_a_token_s_key_never_counts_as_an_ordinary_one(world: World) -> None:
    """An ordinary signature by the key inside, which cryptography would accept."""
    private = ed25519.Ed25519PrivateKey.generate()
    token = Token(private)
    enrolled_token(world, token)
    good = token_envelope(world, token)
    bare = replace(good, signature=private.sign(good.signed_bytes))
    assert public_key(token.key.spki).verifies(bare.signature, bare.signed_bytes)
    refused(world, bare, "made its signature")


def test_an_offer_whose_proof_would_not_count_is_never_written(world: World) -> None:
    class Untouched:
        is_demonstration = False
        token = Token(ed25519.Ed25519PrivateKey.generate(), flags=0)
        spki = token.key.spki
        algorithm = token.key.kind.value

        def sign(self, data: bytes) -> bytes:
            return self.token.sshsig(data)

    with pytest.raises(MalformedStatement, match="nobody touched"):
        make_offer(world.store.origin, Untouched(), name="Tom")
