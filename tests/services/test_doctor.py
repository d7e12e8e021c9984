"""The doctor names what is wrong and what to do, and changes nothing."""

from __future__ import annotations

import pytest

from console.services.doctor import Finding, Health, examine
from console.services.opened import OpenStore
from console.services.rotating import Changes
from store.folder import FolderBackend
from tests.services.test_rotation import rotated
from tests.worlds import World


def finding(world: World, what: str) -> Finding:
    return next(f for f in examine(world.store) if what in f.what)


def test_a_fresh_store_is_fine_but_for_its_only_root_holder(world: World) -> None:
    before = world.store.log.head()
    healths = {f.what: f.health for f in examine(world.store)}
    assert healths["the store answers"] is Health.FINE
    assert healths["of two writes the first is kept"] is Health.FINE
    assert healths["a lost key locks nobody out"] is Health.WARNING
    assert Health.WRONG not in healths.values()
    assert world.store.log.head() == before
    names = set(FolderBackend(world.folder / "store").names("tmp/"))
    assert names == set(), "the probe is taken away again"


def test_one_root_holder_more_than_must_sign_is_fine(world: World) -> None:
    world.hire("vera", "validator")
    assert rotated(world, Changes(grant={"Vera": ("root",)}), "dana")
    assert finding(world, "locks nobody out").health is Health.FINE


@pytest.mark.parametrize(
    ("days", "health"),
    [
        (600, Health.FINE),
        (645, Health.WARNING),
        (724, Health.WARNING),
        (731, Health.WRONG),
    ],
)
def test_a_trust_root_near_its_end_is_told_in_time(
    world: World, days: int, health: Health
) -> None:
    world.clock.forward(days=days)
    told = finding(world, "trust root is in force")
    assert told.health is health
    assert ("trust propose" in told.next_step) is (health is not Health.FINE)


def test_a_key_that_others_can_read_is_wrong(world: World) -> None:
    assert finding(world, "private and encrypted").health is Health.WARNING
    (world.places.keys / "dana.pem").chmod(0o644)
    told = finding(world, "private and encrypted")
    assert (told.health, "dana.pem" in told.found) == (Health.WRONG, True)
    assert told.next_step.startswith("chmod 600")
    (world.store.folder / "service-log.pem").chmod(0o640)
    assert finding(world, "service keys").health is Health.WRONG


def test_a_machine_that_was_told_no_anchor_is_warned(world: World) -> None:
    (world.store.folder / "anchor").unlink()
    told = finding(world, "confirmed here")
    assert told.health is Health.WARNING
    assert world.store.first_root in told.next_step


def test_an_encrypted_key_is_known_in_either_form_of_file(world: World) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
    )

    path = world.places.keys / "dana.pem"
    for form in (PrivateFormat.PKCS8, PrivateFormat.OpenSSH):
        path.write_bytes(
            Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, form, BestAvailableEncryption(b"secret")
            )
        )
        assert finding(world, "private and encrypted").health is Health.FINE


def test_the_open_keys_of_a_demonstration_are_not_called_encrypted(
    demo_store: OpenStore,
) -> None:
    told = next(f for f in examine(demo_store) if "encrypted" in f.what)
    assert told.health is Health.WARNING
    assert "vera" in told.found
