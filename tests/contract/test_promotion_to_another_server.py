"""A promotion to another MLflow server copies the approved bytes, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from connectors.errors import ConnectorRefused
from connectors.mlflow.client import MlflowClient
from connectors.mlflow.copying import CopyOrder, MlflowCopies
from connectors.protocols import ArtifactFile
from console.services.configuration import Configuration, EnvironmentSetting
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.importing import import_address
from console.services.named_versions import find_version
from console.services.problems import Undecided
from console.services.promoting import promote
from console.services.reviewing import find_request
from console.services.signing import act_as_service
from console.services.standing import unapproved_changes
from policies.predicates import OutcomeKind
from policies.trust_root import ServiceKind
from policies.verdict import exit_code
from store.objects import sha256_hex
from tests.contract.mlflow_server import Server, running
from tests.contract.test_promotion_moves_the_alias import (
    POLICY,
    read_again,
    signed_off,
)
from tests.worlds import World

pytestmark = [pytest.mark.peer, pytest.mark.slow]


@pytest.fixture(scope="module")
def production_server() -> Iterator[Server]:
    """A second server that knows no model yet."""
    python = os.environ.get("COUNTERSIGN_MLFLOW_PYTHON", "")
    if not os.path.exists(python):
        pytest.skip("peer: no MLflow is installed")
    with running(python, backend="sqlite") as server:
        yield server


@pytest.fixture
def connected(world: World, mlflow_server: Server, production_server: Server) -> World:
    """A store over both servers; production is the second one."""
    world.store.configuration = Configuration(
        environments={
            "prod": EnvironmentSetting(
                registry=production_server.address,
                source="live",
                aliases={"production": "champion"},
            )
        }
    )
    read_again(world, mlflow_server)
    import_live(world, production_server)
    world.hire("ana", "requester")
    world.hire("vera", "validator")
    activate_policy(world.store, world.people["dana"], POLICY.encode())
    return world


def import_live(world: World, server: Server) -> None:
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    world.clock.forward(minutes=1)
    import_address(world.store, acting, server.address, name="live")


def versions(server: Server) -> list[str]:
    found = server.call("GET", "model-versions/search?max_results=100")
    return [str(v["version"]) for v in found.get("model_versions", [])]


def test_the_copy_serves_and_is_what_was_approved(
    connected: World, production_server: Server
) -> None:
    store = connected.store
    record = find_request(
        store, signed_off(connected, "2", "mlflow/fraud"), store.state()
    )
    done = promote(store, connected.people["dana"], record, environment={})
    assert done.kind is OutcomeKind.DONE, done.read_back
    assert done.read_back == "champion -> fraud@1"
    import_live(connected, production_server)
    assert unapproved_changes(store) == []
    for name in ("model:mlflow/fraud@2", "model:live/fraud@1"):
        assert exit_code(gate(store, name, "production", "prod").tree) == 0

    copied = find_version(store, "model:live/fraud@1").location
    copied = copied.removeprefix("mlflow-artifacts:/") + "/data/model.bin"
    production_server.upload(copied, b"other weights")
    judged = gate(store, "model:mlflow/fraud@2", "production", "prod")
    assert exit_code(judged.tree) == 1
    assert "data/model.bin" in str(judged.tree.to_json())


def test_a_server_that_is_away_leaves_an_intent_and_trying_again_copies_once(
    connected: World, production_server: Server
) -> None:
    store, usual = connected.store, connected.store.configuration
    before = len(versions(production_server))
    record = find_request(
        store, signed_off(connected, "2", "mlflow/fraud"), store.state()
    )
    store.configuration = Configuration(
        environments={
            "prod": EnvironmentSetting(registry="http://127.0.0.1:9", source="live")
        }
    )
    with pytest.raises(Undecided, match="does not answer"):
        promote(store, connected.people["dana"], record, environment={})
    store.configuration = usual
    done = promote(store, connected.people["dana"], record, environment={})
    assert done.kind in (OutcomeKind.DONE, OutcomeKind.FAILED)
    assert len(versions(production_server)) <= before + 1


def names(server: Server) -> list[str]:
    found = server.call("GET", "registered-models/search?max_results=100")
    return [str(model["name"]) for model in found.get("registered_models", [])]


def order(model: str, data: bytes) -> CopyOrder:
    file = ArtifactFile("model.bin", sha256_hex(data), len(data))
    return CopyOrder(model, sha256_hex(data + b"manifest"), (file,), "dev/m@1")


def test_a_copy_that_broke_off_is_taken_up_again_and_made_once(
    production_server: Server,
) -> None:
    copies = MlflowCopies(MlflowClient(production_server.address))
    wanted = order("it's \u202eodd", b"weights" * 1000)

    def breaks_off(path: str) -> Iterator[bytes]:
        yield b"weights"
        raise OSError("the disk died")

    with pytest.raises(OSError, match="died"):
        copies.place(wanted, breaks_off)
    assert wanted.model not in names(production_server)
    first = copies.place(wanted, lambda _: iter([b"weights" * 1000]))
    second = copies.place(wanted, breaks_off)
    assert first == second


def test_an_original_that_changed_is_never_sent(production_server: Server) -> None:
    copies = MlflowCopies(MlflowClient(production_server.address))
    wanted = order("changed", b"approved")
    with pytest.raises(ConnectorRefused, match="not the file that was approved"):
        copies.place(wanted, lambda _: iter([b"something else"]))
    sent = [p.read_bytes() for p in production_server.artifacts.rglob("model.bin")]
    assert b"something else" not in sent
    assert "changed" not in names(production_server)


def test_a_copy_that_somebody_altered_is_not_served(production_server: Server) -> None:
    copies = MlflowCopies(MlflowClient(production_server.address))
    wanted = order("altered", b"approved")
    _, location = copies.place(wanted, lambda _: iter([b"approved"]))
    path = location.removeprefix("mlflow-artifacts:/") + "/model.bin"
    production_server.upload(path, b"other weights")
    with pytest.raises(ConnectorRefused, match="not the file that was approved"):
        copies.place(wanted, lambda _: iter([b"approved"]))


def test_two_versions_with_the_same_bytes_stay_two(production_server: Server) -> None:
    copies = MlflowCopies(MlflowClient(production_server.address))
    wanted = order("twins", b"same")
    first = copies.place(wanted, lambda _: iter([b"same"]))
    other = replace(wanted, origin="dev/m@2")
    assert copies.place(other, lambda _: iter([b"same"])) != first
