"""Who may decide, as people read it: persons, services, and the keys of each."""

from __future__ import annotations

from dataclasses import dataclass

from console.services.opened import OpenStore
from console.services.words import ERASED
from policies.trust_root import Person
from policies.trust_state import KeyPeriod, TrustState


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key, and the entries of the log for which it counts."""

    id: str
    algorithm: str
    since_entry: int
    until_entry: int | None
    stolen_since_entry: int | None

    @property
    def standing(self) -> str:
        """In words."""
        if self.stolen_since_entry is not None:
            return f"stolen since entry {self.stolen_since_entry}"
        if self.until_entry is not None:
            return f"until entry {self.until_entry}"
        return "in force"


@dataclass(frozen=True, slots=True)
class Holder:
    """A person or a service, and every key they have or had."""

    id: str
    name: str
    kind: str
    """`person`, or the kind of service."""
    roles: tuple[str, ...]
    identities: tuple[str, ...]
    keys: tuple[HeldKey, ...]


@dataclass(frozen=True, slots=True)
class TrustView:
    """The trust root in force and everybody it and the log speak of."""

    origin: str
    first_root: str
    root: str
    version: int
    expires: str
    root_threshold: int
    policy_threshold: int
    holders: tuple[Holder, ...]


def trust_view(store: OpenStore) -> TrustView:
    """Everything about trust at the end of the log.

    Raises:
        Refusal: no trust root is in force yet.
    """
    state, root = store.state(), store.root()
    owners = dict.fromkeys((*state.people, *state.services))
    owners |= dict.fromkeys(period.owner for period in state.periods)
    return TrustView(
        origin=store.origin,
        first_root=store.first_root,
        root=root.digest,
        version=root.version,
        expires=root.expires,
        root_threshold=root.root_threshold,
        policy_threshold=root.policy_threshold,
        holders=tuple(_holder(store, state, owner) for owner in owners),
    )


def _holder(store: OpenStore, state: TrustState, owner: str) -> Holder:
    from console.services.founding import printed_name

    found = state.signer(owner)
    keys = tuple(_key(state, p) for p in state.periods if p.owner == owner)
    if isinstance(found, Person):
        return Holder(
            id=owner,
            name=printed_name(store, found.profile, ERASED),
            kind="person",
            roles=tuple(
                sorted({_role(g.role, g.models, g.environments) for g in found.grants})
            ),
            identities=found.identities,
            keys=keys,
        )
    kind = found.kind.value if found is not None else "no longer named"
    return Holder(owner, owner, kind, (), (), keys)


def _key(state: TrustState, period: KeyPeriod) -> HeldKey:
    return HeldKey(
        id=period.key.id,
        algorithm=period.key.algorithm.value,
        since_entry=period.since,
        until_entry=period.until,
        stolen_since_entry=state.suspect_since.get(period.key.id),
    )


def _role(role: str, models: tuple[str, ...], environments: tuple[str, ...]) -> str:
    scope = ",".join(models) if models != ("*",) else ""
    where = "@" + ",".join(environments) if environments != ("*",) else ""
    return f"{role}({scope}{where})" if scope or where else role
