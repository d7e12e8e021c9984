"""Signing a statement and putting it into the log: the one way anything is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.signers.files import Passphrase, open_key_file
from connectors.signers.opening import Signer, open_signer
from console.services.opened import OpenStore, rfc3339
from console.services.places import Places
from console.services.problems import Misuse, Refusal
from policies.dsse import PAYLOAD_TYPE, Envelope, pre_authentication_encoding
from policies.keys import PublicKey, public_key
from policies.predicates import Prefix
from policies.statements import Statement
from policies.trust_root import Person, Service, ServiceKind
from policies.trust_state import TrustState

AskPassphrase = Callable[[str], str]
"""Asks a person in a terminal; given the prompt."""


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody who can sign now: who they are and the opened key."""

    id: str
    signer: Signer
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Appended:
    """A statement that is in the log."""

    index: int
    statement_id: str


def passphrase_source(
    ask: AskPassphrase | None, environment: Mapping[str, str] = os.environ
) -> Passphrase:
    """`$COUNTERSIGN_PASSPHRASE`, else a prompt where there is a terminal."""

    def find(path: str) -> bytes | None:
        given = environment.get("COUNTERSIGN_PASSPHRASE")
        if given:
            return given.encode()
        return None if ask is None else ask(f"Passphrase of {path}: ").encode()

    return find


def find_key(places: Places, named: str, configured: str) -> str:
    """The key to sign with: named, configured, or the only one there is.

    Raises:
        Misuse: none, or several and none named.
    """
    if named or configured:
        wanted = named or configured
        short = places.keys / f"{wanted}.pem"
        return str(short) if "/" not in wanted and short.is_file() else wanted
    found = sorted(places.keys.glob("*.pem")) if places.keys.is_dir() else []
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise Misuse(
            "there is no key to sign with",
            hint="Make one: countersign key new NAME; or give --key PATH.",
        )
    names = ", ".join(path.stem for path in found)
    raise Misuse(
        f"several keys are here ({names})", hint="Say which: --key NAME or --key PATH."
    )


def act_as_person(
    store: OpenStore, state: TrustState, address: str, passphrase: Passphrase
) -> Acting:
    """Open a key and find whose it is.

    Raises:
        Refusal: nobody enrolled holds it.
    """
    signer = open_signer(address, passphrase)
    refuse_demonstration_key(signer, is_demo=bool(state.root and state.root.is_demo))
    key = key_of(signer)
    owner = state.owner_of(key.id)
    if not isinstance(owner, Person):
        raise Refusal(
            f"the key {key.id[:16]} at {address} belongs to nobody enrolled in "
            f"{store.address}",
            hint="Offer it for enrolment: countersign key enrol --key KEY --out FILE",
        )
    refuse_other_form(key, owner.keys)
    return Acting(owner.id, signer, key)


def key_of(signer: Signer) -> PublicKey:
    """The public key of a signer, with the algorithm in which it signs.

    Raises:
        MalformedStatement: the key is weak, or of no kind that signs statements.
    """
    return public_key(signer.spki, signer.algorithm)


def refuse_other_form(key: PublicKey, enrolled: tuple[PublicKey, ...]) -> None:
    """Say at once that signatures in this form would not count for an enrolled key.

    Raises:
        Refusal: the key is enrolled to sign in another form.
    """
    for other in enrolled:
        if other.id == key.id and other.algorithm is not key.algorithm:
            way = "sshsig:PATH" if other.algorithm.is_sshsig else "PATH or agent:"
            raise Refusal(
                f"the key {key.id[:16]} is enrolled as {other.algorithm.value}; what "
                f"it signs as {key.algorithm.value} does not count",
                hint=f"Name it as --key {way}",
            )


def refuse_demonstration_key(signer: Signer, *, is_demo: bool) -> None:
    """Keep keys that protect nothing out of stores that are meant.

    Raises:
        Refusal: the key was made by a demonstration and the store was not.
    """
    if signer.is_demonstration and not is_demo:
        raise Refusal(
            "this is a demonstration key; it protects nothing and is refused here",
            hint="Make your own: countersign key new NAME",
        )


def act_as_service(store: OpenStore, state: TrustState, kind: ServiceKind) -> Acting:
    """Open the key that this machine keeps for a service of the store.

    Raises:
        Refusal: this machine has none, or it is not enrolled.
    """
    path = service_key_path(store.folder, kind)
    if not path.is_file():
        raise Refusal(
            f"this machine holds no key of the {kind.value} service",
            hint=f"Sign as a person with --key, or copy {path.name} from the machine "
            "that made the store.",
        )
    signer = open_key_file(path, lambda _: None)
    key = key_of(signer)
    owner = state.owner_of(key.id)
    if not isinstance(owner, Service) or owner.kind is not kind:
        raise Refusal(f"the key in {path} is not enrolled as the {kind.value} service")
    return Acting(owner.id, signer, key)


def service_key_path(folder: Path, kind: ServiceKind) -> Path:
    """Where a machine keeps the key of a service."""
    return folder / f"service-{kind.value}.pem"


def sign_statement(
    acting: Acting,
    predicate: object,
    subject: tuple[str, str],
    prefix: Prefix,
    at: str,
) -> Envelope:
    """Make the envelope of one statement."""
    statement = Statement(acting.id, at, prefix, subject, predicate)
    payload = statement.to_payload()
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    return Envelope(payload, acting.signer.sign(signed), acting.key.id)


def append(
    store: OpenStore,
    acting: Acting,
    predicate: object,
    subject: tuple[str, str],
    *,
    check_again: Callable[[], None] | None = None,
) -> Appended:
    """Sign a statement over the log as it is now and append it.

    Raises:
        StoreRefused: the log would not accept it.
    """
    envelope = sign_statement(
        acting, predicate, subject, store.prefix(), rfc3339(store.clock())
    )
    data = envelope.to_bytes()
    index = (
        store.log.append(data, check_again=check_again)
        if check_again
        else store.log.append(data)
    )
    return Appended(index, envelope.statement_id)
