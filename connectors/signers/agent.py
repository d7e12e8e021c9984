"""Keys in an ssh-agent: asked over its socket, never leaving it.

Ed25519 and ECDSA P-256 sign the bare bytes; a FIDO token's key signs in OpenSSH's own
form. What the agent answers is read with a limit and a time-out. It does not know
whether the agent asked anybody, nor what it showed them.

Source: draft-ietf-sshm-ssh-agent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from store.errors import MalformedWire
from store.key_algorithms import bare_algorithm, sshsig_algorithm
from store.ssh_wire import (
    STATEMENT_NAMESPACE,
    SshKey,
    Wire,
    der_signature,
    read_key_blob,
    sshsig_blob,
    sshsig_preimage,
    string,
)

LARGEST_ANSWER_BYTES = 256 * 1024
LIST_SECONDS = 10.0
SIGN_SECONDS = 120.0
"""Long, because a person may have to confirm or to touch a token."""
_REQUEST_IDENTITIES = 11
_IDENTITIES_ANSWER = 12
_SIGN_REQUEST = 13
_SIGN_RESPONSE = 14
_FAILURE = 5
_HASH = b"sha512"


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A key that an agent holds and that can sign statements."""

    ssh: SshKey
    comment: str


class Agent:
    """The agent behind one socket."""

    def __init__(
        self,
        path: Path,
        *,
        list_seconds: float = LIST_SECONDS,
        sign_seconds: float = SIGN_SECONDS,
    ) -> None:
        self._path = path
        self._list_seconds = list_seconds
        self._sign_seconds = sign_seconds

    def listed(self) -> list[AgentKey]:
        """The keys in it that can sign statements; others are passed over.

        Raises:
            ConnectorUnavailable: the agent does not answer.
            MalformedInput: its answer is damaged.
        """
        kind, wire = self._ask(bytes([_REQUEST_IDENTITIES]), self._list_seconds)
        if kind != _IDENTITIES_ANSWER:
            raise ConnectorRefused(
                "the ssh-agent does not list its keys",
                hint="It may be locked: ssh-add -X unlocks it.",
            )
        try:
            return list(_usable(wire))
        except MalformedWire as cause:
            raise _damaged(cause) from cause

    def sign(self, key: SshKey, data: bytes) -> Wire:
        """The signature of a key over some bytes, in SSH's encoding.

        Raises:
            ConnectorRefused: the agent will not sign.
            ConnectorUnavailable: it does not answer.
            MalformedInput: its answer is damaged.
        """
        request = bytes([_SIGN_REQUEST]) + string(key.blob) + string(data) + bytes(4)
        kind, wire = self._ask(request, self._sign_seconds)
        if kind != _SIGN_RESPONSE:
            raise ConnectorRefused(
                f"the ssh-agent refused to sign with {key.fingerprint}",
                hint="Was the question of ssh-add -c answered with no, or the token "
                "not touched? Or the agent locked: ssh-add -X.",
            )
        try:
            signature = wire.string()
            wire.end()
        except MalformedWire as cause:
            raise _damaged(cause) from cause
        return Wire(signature)

    def _ask(self, request: bytes, timeout_seconds: float) -> tuple[int, Wire]:
        with _connected(self._path, timeout_seconds) as stream:
            stream.sendall(string(request))
            length = int.from_bytes(_exactly(stream, 4), "big")
            if not 1 <= length <= LARGEST_ANSWER_BYTES:
                raise MalformedInput(
                    f"the ssh-agent announces an answer of {length} bytes",
                    hint="Is SSH_AUTH_SOCK the socket of an ssh-agent?",
                )
            answer = _exactly(stream, length)
        return answer[0], Wire(answer[1:])


class AgentSigner:
    """One key of an agent."""

    is_demonstration = False

    def __init__(self, agent: Agent, key: SshKey) -> None:
        self._agent = agent
        self._key = key

    @property
    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo."""
        return self._key.spki

    @property
    def algorithm(self) -> str:
        """How the key's record must read for its signatures to count."""
        if self._key.kind.is_token:
            return sshsig_algorithm(self._key).value
        return bare_algorithm(self._key.spki).value

    def sign(self, data: bytes) -> bytes:
        """Have the agent sign exactly these bytes.

        Raises:
            ConnectorError: it did not.
        """
        if self._key.kind.is_token:
            return self._sign_with_token(data)
        wire = self._agent.sign(self._key, data)
        try:
            if wire.string() != self._key.kind.encode():
                raise MalformedWire("the signature is of another kind than the key")
            signature = wire.string()
            wire.end()
            if self._key.kind.is_ed25519:
                return signature
            return der_signature(signature)
        except MalformedWire as cause:
            raise _damaged(cause) from cause

    def _sign_with_token(self, data: bytes) -> bytes:
        namespace = STATEMENT_NAMESPACE.encode()
        wire = self._agent.sign(self._key, sshsig_preimage(data, namespace, _HASH))
        return sshsig_blob(self._key.blob, wire.rest(), namespace, _HASH)


def open_agent(environment: Mapping[str, str] = os.environ) -> Agent:
    """The agent that `$SSH_AUTH_SOCK` names.

    Raises:
        ConnectorUnavailable: it names none.
    """
    path = environment.get("SSH_AUTH_SOCK")
    if not path:
        raise ConnectorUnavailable(
            "no ssh-agent is running here: SSH_AUTH_SOCK is not set",
            hint='Start one: eval "$(ssh-agent)"; ssh-add KEY',
        )
    return Agent(Path(path))


def open_agent_key(agent: Agent, wanted: str) -> AgentSigner:
    """The key that a fingerprint or a comment names, or the only one there is.

    Raises:
        ConnectorError: none matches, or several do.
    """
    keys = agent.listed()
    if not keys:
        raise ConnectorRefused(
            "the ssh-agent holds no Ed25519 or ECDSA P-256 key, or is locked",
            hint="Look with ssh-add -l; add one with ssh-add KEY; unlock with "
            "ssh-add -X.",
        )
    matching = [
        key
        for key in keys
        if not wanted or wanted in (key.ssh.fingerprint, key.comment)
    ]
    if len(matching) == 1:
        return AgentSigner(agent, matching[0].ssh)
    listed = ", ".join(key.ssh.fingerprint for key in matching or keys)
    if not matching:
        raise ConnectorRefused(
            f"the ssh-agent holds no key {wanted[:80]!r}",
            hint=f"It holds: {listed}",
        )
    raise ConnectorRefused(
        "several keys of the ssh-agent match", hint=f"Say which: --key agent: {listed}"
    )


def _usable(wire: Wire) -> Iterator[AgentKey]:
    for _ in range(wire.number()):
        blob, comment = wire.string(), wire.string()
        try:
            yield AgentKey(read_key_blob(blob), comment.decode("utf-8", "replace"))
        except MalformedWire:
            continue
    wire.end()


@contextmanager
def _connected(path: Path, timeout_seconds: float) -> Iterator[socket.socket]:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(timeout_seconds)
            stream.connect(str(path))
            yield stream
    except TimeoutError as cause:
        raise ConnectorUnavailable(
            f"the ssh-agent did not answer within {timeout_seconds:g} s",
            hint="Does it wait for a confirmation or a touch? Try again.",
        ) from cause
    except OSError as cause:
        raise ConnectorUnavailable(
            f"no ssh-agent answers at {path}: {cause.strerror or cause}",
            hint='Start one: eval "$(ssh-agent)"; ssh-add KEY',
        ) from cause


def _exactly(stream: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = stream.recv(min(count - len(data), 65_536))
        if not part:
            raise MalformedInput(
                "the ssh-agent ended its answer early",
                hint="Is SSH_AUTH_SOCK the socket of an ssh-agent?",
            )
        data += part
    return bytes(data)


def _damaged(cause: MalformedWire) -> MalformedInput:
    return MalformedInput(
        f"the answer of the ssh-agent is damaged: {cause}",
        hint="Is SSH_AUTH_SOCK the socket of an ssh-agent?",
    )
