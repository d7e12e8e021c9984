"""A store with people in it, made quickly: the ground that most tests stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.protocols import KnownState, Tally
from connectors.signers.files import create_key_file
from connectors.signers.opening import open_signer
from console.services.configuration import Configuration
from console.services.founding import enrol, found_store, make_offer, read_offer
from console.services.importing import ImportReport, import_source
from console.services.opened import OpenStore, open_store
from console.services.places import Places
from console.services.signing import Acting, act_as_person, act_as_service
from policies.predicates import Grant
from policies.trust_root import ServiceKind
from store.facts import Fact

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class ToldSource:
    """A source that tells the facts it was given."""

    name: str
    told: Sequence[Fact]
    breaks_after: int | None = None
    tally: Tally = field(default_factory=Tally)

    def facts(self, known: KnownState) -> Iterator[Fact]:
        for position, fact in enumerate(self.told):
            if position == self.breaks_after:
                raise OSError("the source died")
            yield fact


@dataclass
class World:
    """One store, its clock, and its people by name."""

    folder: Path
    store: OpenStore
    places: Places
    clock: Clock
    people: dict[str, Acting]

    def hire(self, name: str, *roles: str, identities: tuple[str, ...] = ()) -> Acting:
        """Enrol somebody with roles everywhere."""
        path = self.places.keys / f"{name}.pem"
        create_key_file(path, None)
        return self.hire_with(str(path), name, *roles, identities=identities)

    def hire_with(
        self, address: str, name: str, *roles: str, identities: tuple[str, ...] = ()
    ) -> Acting:
        """Enrol somebody who signs with the key at some address."""
        signer = open_signer(address, lambda _: None)
        offer = make_offer(
            self.store.origin, signer, name=name.capitalize(), identities=identities
        )
        grants = tuple(Grant(role) for role in roles)
        enrol(
            self.store,
            self.people["dana"],
            read_offer(offer, self.store.origin),
            grants,
        )
        self.people[name] = act_as_person(
            self.store, self.store.state(), address, lambda _: None
        )
        return self.people[name]

    def tell(self, *facts: Fact, source: str = "mlflow") -> ImportReport:
        """Import facts."""
        acting = act_as_service(self.store, self.store.state(), ServiceKind.IMPORT)
        return import_source(self.store, acting, ToldSource(source, facts))

    def reopened(self, places: Places | None = None) -> OpenStore:
        """The same store opened again, by this machine or another."""
        return open_store(
            self.store.address,
            places or self.places,
            Configuration(),
            clock=self.clock,
        )

    def elsewhere(self, name: str) -> Places:
        """Another machine's folders."""
        return Places(self.folder / name / "data", self.folder / name / "config")


def new_world(folder: Path, address: str = "") -> World:
    """A store founded by Dana, who holds every built-in role."""
    places, clock = Places(folder / "data", folder / "config"), Clock()
    founder = create_key_file(places.keys / "dana.pem", None)
    founded = found_store(
        address or str(folder / "store"),
        places,
        Configuration(),
        founder,
        name="Dana",
        clock=clock,
    )
    dana = act_as_person(
        founded.store,
        founded.store.state(),
        str(places.keys / "dana.pem"),
        lambda _: None,
    )
    return World(folder, founded.store, places, clock, {"dana": dana})
