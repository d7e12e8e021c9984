"""A promotion drives a real MLflow server, reads it back, and survives its absence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.services.configuration import Configuration, EnvironmentSetting
from console.services.demoting import demote
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.importing import import_address
from console.services.named_versions import find_version
from console.services.problems import Refusal, Undecided
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.signing import act_as_service
from console.services.signoff import answer_request, request_transition
from console.services.standing import unapproved_changes
from console.services.watching import ReadBy, Watch
from policies.predicates import Decision, OutcomeKind
from policies.trust_root import ServiceKind
from policies.verdict import exit_code
from tests.contract.mlflow_server import Server
from tests.worlds import World

pytestmark = [pytest.mark.peer, pytest.mark.slow]
POLICY = """\
schema = "countersign/policy/v1"
id = "fraud"
version = 1
description = "Bytes as registered, one validator."
[applies]
models = ["fraud"]
to = ["production"]
[[rules]]
id = "bytes"
kind = "artifact_unchanged"
[[approvals]]
role = "validator"
count = 1
"""


@pytest.fixture
def connected(world: World, mlflow_server: Server) -> World:
    """A store over the server, with a requester, a validator and a policy."""
    world.store.configuration = Configuration(
        environments={
            "prod": EnvironmentSetting(
                registry=mlflow_server.address, aliases={"production": "champion"}
            )
        }
    )
    read_again(world, mlflow_server)
    world.hire("ana", "requester")
    world.hire("vera", "validator")
    activate_policy(world.store, world.people["dana"], POLICY.encode())
    return world


def read_again(world: World, server: Server) -> None:
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    world.clock.forward(minutes=1)
    import_address(world.store, acting, server.address, name="mlflow")


def signed_off(world: World, number: str, model: str = "fraud") -> str:
    store = world.store
    version = find_version(store, f"model:{model}@{number}")
    request = request_transition(
        store, world.people["ana"], version, "production", "prod", "ready"
    ).appended.statement_id
    sheet = review_sheet(
        store, find_request(store, request, store.state()), store.state()
    )
    answer_request(store, world.people["vera"], sheet, Decision.APPROVE, "read it")
    return request


def champion(server: Server) -> str:
    found = server.call("GET", "registered-models/get?name=fraud")["registered_model"]
    return next(str(a["version"]) for a in found["aliases"] if a["alias"] == "champion")


def test_the_alias_follows_the_promotion_and_a_move_behind_our_back_is_found(
    connected: World, mlflow_server: Server
) -> None:
    store = connected.store
    request = signed_off(connected, "2")
    record = find_request(store, request, store.state())
    done = promote(store, connected.people["dana"], record, environment={})
    assert done.kind is OutcomeKind.DONE
    assert done.read_back == "champion -> fraud@2"
    assert champion(mlflow_server) == "2"
    read_again(connected, mlflow_server)
    assert unapproved_changes(store) == []
    assert exit_code(gate(store, "model:fraud@2", "production", "prod").tree) == 0
    alias = {"name": "fraud", "alias": "champion", "version": "1"}
    mlflow_server.call("POST", "registered-models/alias", alias)
    read_again(connected, mlflow_server)
    (change,) = unapproved_changes(store)
    assert (change.registry, change.approved) == ("1", "2")
    assert change.since == connected.clock.now


@pytest.fixture
def staged(connected: World, mlflow_server: Server) -> World:
    """The same, where production is one of MLflow's legacy stages."""
    setting = EnvironmentSetting(
        registry=mlflow_server.address,
        stages={"production": "Production"},
        tag="countersign.promotion",
    )
    connected.store.configuration = Configuration(environments={"prod": setting})
    for version in ("1", "2"):
        move(mlflow_server, version, "None")
    read_again(connected, mlflow_server)
    return connected


def move(server: Server, version: str, stage: str) -> None:
    body: dict[str, object] = {"name": "fraud", "version": version, "stage": stage}
    body |= {"archive_existing_versions": False}
    server.call("POST", "model-versions/transition-stage", body)


def version_of(server: Server, version: str) -> tuple[str, dict[str, str]]:
    """The legacy stage and the tags of a version, as the server has them."""
    path = f"model-versions/get?name=fraud&version={version}"
    found = server.call("GET", path)["model_version"]
    tags = {str(t["key"]): str(t["value"]) for t in found.get("tags", [])}
    return str(found["current_stage"]), tags


def test_a_legacy_stage_follows_promotions_and_is_tagged_and_read_back(
    staged: World, mlflow_server: Server
) -> None:
    store, dana = staged.store, staged.people["dana"]
    move(mlflow_server, "1", "Production")
    record = find_request(store, signed_off(staged, "2"), store.state())
    done = promote(store, dana, record, environment={})
    assert done.read_back == "stage:Production -> fraud@2"
    stage, tags = version_of(mlflow_server, "2")
    assert stage == "Production"
    assert tags["countersign.promotion"] == done.intent.statement_id
    assert version_of(mlflow_server, "1")[0] == "Archived"
    read_again(staged, mlflow_server)
    assert unapproved_changes(store) == []
    gone = demote(store, dana, "model:fraud@2", "production", "prod", "it drifts")
    assert gone.read_back == "stage:Production -> nothing"
    assert version_of(mlflow_server, "2")[0] == "Archived"


def test_a_second_version_in_a_legacy_stage_is_found_by_import_and_by_watching(
    staged: World, mlflow_server: Server
) -> None:
    store, dana = staged.store, staged.people["dana"]
    record = find_request(store, signed_off(staged, "2"), store.state())
    promote(store, dana, record, environment={})
    watched = Watch(store, environment={})
    assert watched.look().exit_code == 0
    move(mlflow_server, "1", "Production")
    (seen,) = watched.look().unapproved_changes
    read_again(staged, mlflow_server)
    (imported,) = unapproved_changes(store)
    for change in (seen, imported):
        assert (change.registry, change.approved) == ("1, 2", "2")
    with pytest.raises(Refusal, match="points at version 2, 1 in"):
        demote(store, dana, "model:fraud@2", "production", "prod", "it drifts")


def test_a_watch_sees_a_move_on_the_server_without_an_import(
    connected: World, mlflow_server: Server
) -> None:
    store = connected.store
    record = find_request(store, signed_off(connected, "2"), store.state())
    promote(store, connected.people["dana"], record, environment={})
    watched = Watch(store, environment={})
    assert watched.look().exit_code == 0
    alias = {"name": "fraud", "alias": "champion", "version": "1"}
    mlflow_server.call("POST", "registered-models/alias", alias)
    connected.clock.forward(minutes=1)
    look = watched.look()
    assert [(one.source, one.by) for one in look.compared] == [("mlflow", ReadBy.LIVE)]
    (change,) = look.unapproved_changes
    assert (change.registry, change.approved) == ("1", "2")
    assert change.since == connected.clock.now
    assert look.exit_code == 1
    mlflow_server.call("POST", "registered-models/alias", alias | {"version": "2"})
    assert watched.look().exit_code == 0


def test_a_registry_that_is_away_leaves_a_visible_intent_and_trying_again_ends_it(
    connected: World, mlflow_server: Server
) -> None:
    store = connected.store
    request = signed_off(connected, "1")
    away = replace(
        store.configuration,
        environments={"prod": EnvironmentSetting(registry="http://127.0.0.1:9")},
    )
    usual, store.configuration = store.configuration, away
    record = find_request(store, request, store.state())
    with pytest.raises(Undecided, match="does not answer"):
        promote(store, connected.people["dana"], record, environment={})
    record = find_request(store, request, store.state())
    assert record.state.value == "promoting"
    size = store.index.size
    store.configuration = usual
    done = promote(store, connected.people["dana"], record, environment={})
    assert done.kind is OutcomeKind.DONE
    assert done.intent.index < size <= done.outcome.index
    assert champion(mlflow_server) == "1"


def test_bytes_changed_on_the_server_are_refused_by_name(
    connected: World, mlflow_server: Server
) -> None:
    store = connected.store
    request = signed_off(connected, "2")
    record = find_request(store, request, store.state())
    promote(store, connected.people["dana"], record, environment={})
    location = find_version(store, "model:fraud@2").location
    path = location.removeprefix("mlflow-artifacts:/") + "/data/model.bin"
    before = (mlflow_server.artifacts / path).read_bytes()
    mlflow_server.upload(path, b"other weights")
    try:
        judged = gate(store, "model:fraud@2", "production", "prod")
        assert exit_code(judged.tree) == 1
        wrong = [n.observed for n in judged.tree.leaves() if n.verdict.value == "no"]
        assert "data/model.bin" in wrong[0]
    finally:
        mlflow_server.upload(path, before)


def test_a_demotion_takes_the_alias_away_or_gives_it_back(
    connected: World, mlflow_server: Server
) -> None:
    store, dana = connected.store, connected.people["dana"]
    for number in ("1", "2"):
        record = find_request(store, signed_off(connected, number), store.state())
        promote(store, dana, record, environment={})

    def out(*, restores: bool) -> str:
        return demote(
            store,
            dana,
            "model:fraud",
            "production",
            "prod",
            "it drifts",
            restores=restores,
            variables={},
        ).read_back

    assert out(restores=True) == "champion -> fraud@1"
    assert champion(mlflow_server) == "1"
    assert exit_code(gate(store, "model:fraud@1", "production", "prod").tree) == 0
    alias = {"name": "fraud", "alias": "champion", "version": "2"}
    mlflow_server.call("POST", "registered-models/alias", alias)
    with pytest.raises(Refusal, match="the log did not put there"):
        out(restores=False)
    mlflow_server.call("POST", "registered-models/alias", alias | {"version": "1"})
    assert out(restores=False) == "champion -> nothing"
    found = mlflow_server.call("GET", "registered-models/get?name=fraud")
    named = [a["alias"] for a in found["registered_model"].get("aliases", [])]
    assert "champion" not in named
    mlflow_server.call("POST", "registered-models/alias", alias)
