"""The keys within reach: which there are, what they are, and whose they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import ConnectorError
from connectors.signers.files import FileSigner, KeyType, create_key_file
from connectors.signers.looking import (
    SeenKey,
    agent_keys,
    key_files,
    write_public_line,
)
from console.services.founding import printed_name
from console.services.opened import OpenStore
from console.services.places import Places
from console.services.signing import key_of
from policies.trust_root import Person


@dataclass(frozen=True, slots=True)
class ListedKey:
    """One key for a list."""

    key: str
    """What `--key` takes."""
    kind: str
    algorithm: str
    encrypted: bool
    id: str
    """Empty where the public half is not to be seen."""
    owner: str
    """Whose it is in the store; empty without a store, or when nobody's."""
    place: str


def list_keys(
    places: Places,
    store: OpenStore | None,
    *,
    has_agent: bool,
    tell: Callable[[str], None],
) -> list[ListedKey]:
    """The keys of this machine and of its agent; an agent in trouble is told about."""
    seen = key_files(places.keys)
    if has_agent:
        try:
            seen += agent_keys()
        except ConnectorError as cause:
            tell(f"the keys of the ssh-agent are not listed: {cause}")
    return [_listed(key, store) for key in seen]


def people_at_hand(
    places: Places,
    store: OpenStore,
    *,
    has_agent: bool,
    tell: Callable[[str], None],
) -> frozenset[str]:
    """Ids of the people in force whose keys this machine or its agent has."""
    state = store.state()
    owners = [
        state.owner_of(key.id)
        for key in list_keys(places, store, has_agent=has_agent, tell=tell)
        if key.id
    ]
    return frozenset(owner.id for owner in owners if isinstance(owner, Person))


def make_key(path: Path, secret: bytes | None, kind: KeyType) -> FileSigner:
    """A new key in a file, with its public half beside it.

    Raises:
        ConnectorError: the file is there already, or cannot be written.
    """
    signer = create_key_file(path, secret, kind=kind)
    write_public_line(path, key_of(signer).ssh, path.stem)
    return signer


def _listed(key: SeenKey, store: OpenStore | None) -> ListedKey:
    key_id = hashlib.sha256(key.spki).hexdigest() if key.spki else ""
    return ListedKey(
        key=key.address,
        kind=key.kind,
        algorithm=key.algorithm,
        encrypted=key.is_encrypted,
        id=key_id,
        owner=_owner(key_id, store),
        place=key.place,
    )


def _owner(key_id: str, store: OpenStore | None) -> str:
    owner = store.state().owner_of(key_id) if store and key_id else None
    if owner is None:
        return ""
    if store and isinstance(owner, Person):
        return printed_name(store, owner.profile, owner.id)
    return owner.id
