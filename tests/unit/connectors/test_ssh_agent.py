"""Keys in an ssh-agent: real agents, and sockets that are none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.signers.agent import Agent, open_agent, open_agent_key
from connectors.signers.opening import open_signer
from policies.keys import public_key
from store.ssh_wire import Wire, string
from tests.ssh_programs import (
    Token,
    false_agent,
    running_agent,
    ssh_key,
)

MESSAGE = b"exactly these bytes"


def fingerprint(key: Path) -> str:
    told = subprocess.run(
        ["ssh-keygen", "-lf", str(key)], capture_output=True, check=True, text=True
    )
    return told.stdout.split()[1]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_the_only_key_of_an_agent_signs_bare_bytes(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_agent(tmp_path, ssh_key(tmp_path, kind=kind)) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        signer = open_signer("agent:", lambda _: None)
        key = public_key(signer.spki, signer.algorithm)
        for number in range(20):
            message = MESSAGE + bytes([number])
            key.check(signer.sign(message), message)
        assert not key.algorithm.is_sshsig


def test_a_key_is_named_by_fingerprint_or_by_comment(tmp_path: Path) -> None:
    ana = ssh_key(tmp_path, comment="ana@here")
    ben = ssh_key(tmp_path, kind="ecdsa", comment="ben with spaces")
    with running_agent(tmp_path, ana, ben) as socket:
        agent = Agent(socket)
        by_comment = open_agent_key(agent, "ben with spaces")
        assert by_comment.spki == open_agent_key(agent, fingerprint(ben)).spki
        assert open_agent_key(agent, fingerprint(ana)).algorithm == "ed25519"
        with pytest.raises(ConnectorRefused, match="several keys") as caught:
            open_agent_key(agent, "")
        assert fingerprint(ana) in caught.value.hint
        with pytest.raises(ConnectorRefused, match="holds no key 'nobody'"):
            open_agent_key(agent, "nobody")


def test_rsa_keys_are_passed_over(tmp_path: Path) -> None:
    rsa = ssh_key(tmp_path, kind="rsa", comment="old")
    with running_agent(tmp_path, rsa) as socket:
        assert Agent(socket).listed() == []
        with pytest.raises(ConnectorRefused, match="holds no Ed25519"):
            open_agent_key(Agent(socket), "old")


def test_a_locked_agent_is_said_to_be_perhaps_locked(tmp_path: Path) -> None:
    answerer = tmp_path / "answerer"
    answerer.write_text("#!/bin/sh\necho word\n")
    answerer.chmod(0o700)
    with running_agent(tmp_path, ssh_key(tmp_path)) as socket:
        signer = open_agent_key(Agent(socket), "")
        locking = {"SSH_AUTH_SOCK": str(socket), "SSH_ASKPASS": str(answerer)}
        subprocess.run(
            ["ssh-add", "-q", "-x"],
            env=os.environ | locking | {"SSH_ASKPASS_REQUIRE": "force"},
            check=True,
        )
        with pytest.raises(ConnectorRefused, match="or is locked"):
            open_agent_key(Agent(socket), "")
        with pytest.raises(ConnectorRefused, match="refused to sign"):
            signer.sign(MESSAGE)


def test_an_agent_that_lists_nothing_at_all_is_refused(tmp_path: Path) -> None:
    with (
        false_agent(tmp_path, lambda _: string(bytes([5]))) as socket,
        pytest.raises(ConnectorRefused, match="does not list"),
    ):
        Agent(socket).listed()


def test_a_refused_confirmation_is_a_refusal_with_the_next_step(tmp_path: Path) -> None:
    with running_agent(tmp_path, ssh_key(tmp_path), confirm=True) as socket:
        signer = open_agent_key(Agent(socket), "")
        with pytest.raises(ConnectorRefused, match="refused to sign") as caught:
            signer.sign(MESSAGE)
    assert "ssh-add -c" in caught.value.hint


def test_no_agent_is_said_with_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ConnectorUnavailable, match="SSH_AUTH_SOCK is not set"):
        open_agent({})
    with pytest.raises(ConnectorUnavailable, match="no ssh-agent answers"):
        open_agent({"SSH_AUTH_SOCK": str(tmp_path / "gone")}).listed()
    with pytest.raises(ConnectorUnavailable, match="no ssh-agent answers"):
        open_agent({"SSH_AUTH_SOCK": "/" + "x" * 300}).listed()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        bytes(4),
        (2**30).to_bytes(4, "big") + b"\x0c",
        string(b"\x0c\xff\xff\xff\xff"),
        string(b"\x0c" + (1).to_bytes(4, "big") + b"\xff\xff\xff\xff"),
        string(b"\x0c" + (1).to_bytes(4, "big") + string(b"x")),
        string(b"\x0c" + (0).to_bytes(4, "big") + b"more"),
        (500).to_bytes(4, "big") + b"\x0c" + bytes(100),
    ],
    ids=lambda answer: answer[:12].hex() or "nothing",
)
def test_a_damaged_answer_is_malformed_and_takes_no_memory(
    tmp_path: Path, answer: bytes
) -> None:
    with (
        false_agent(tmp_path, lambda _: answer) as socket,
        pytest.raises(MalformedInput),
    ):
        Agent(socket).listed()


def test_an_agent_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with (
        false_agent(tmp_path, lambda _: None) as socket,
        pytest.raises(ConnectorUnavailable, match="did not answer within"),
    ):
        Agent(socket, list_seconds=0.1).listed()


def answering(token: Token) -> Callable[[bytes], bytes]:
    """An agent that holds one token's key."""

    def answer(request: bytes) -> bytes:
        if request[0] == 11:
            listed = (
                (1).to_bytes(4, "big") + string(token.key.blob) + string(b"\x1b[2J")
            )
            return string(bytes([12]) + listed)
        wire = Wire(request[1:])
        wire.string()
        return string(bytes([14]) + string(token.signature(wire.string())))

    return answer


@pytest.mark.parametrize("is_edwards", [True, False])
def test_a_token_s_key_in_an_agent_signs_in_openssh_s_form(
    tmp_path: Path, is_edwards: bool
) -> None:
    token = Token(
        ed25519.Ed25519PrivateKey.generate()
        if is_edwards
        else ec.generate_private_key(ec.SECP256R1())
    )
    with false_agent(tmp_path, answering(token)) as socket:
        signer = open_agent_key(Agent(socket), "")
        signature = signer.sign(MESSAGE)
    key = public_key(signer.spki, signer.algorithm)
    key.check(signature, MESSAGE)
    assert signer.algorithm == token.key.kind.value
    untouched = replace(token, flags=0)
    assert not key.verifies(untouched.sshsig(MESSAGE), MESSAGE)


@pytest.mark.parametrize(
    "answer", [b"", b"x", string(b"ssh-ed25519"), string(b"ssh-rsa") + string(b"x")]
)
def test_a_damaged_signature_of_an_agent_is_malformed(
    tmp_path: Path, answer: bytes
) -> None:
    real = Token(ed25519.Ed25519PrivateKey.generate())
    plain = replace(real.key, kind=next(iter(type(real.key.kind))))

    def respond(request: bytes) -> bytes:
        if request[0] == 11:
            listed = (1).to_bytes(4, "big") + string(plain.blob) + string(b"c")
            return string(bytes([12]) + listed)
        return string(bytes([14]) + string(answer))

    with false_agent(tmp_path, respond) as socket:
        signer = open_agent_key(Agent(socket), "")
        with pytest.raises(MalformedInput, match="damaged"):
            signer.sign(MESSAGE)
