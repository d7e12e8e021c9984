"""Jobs of operators are held, released by another person, run, and recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.pipelines.protocols import LaunchRequest, RunState
from console.services.founding import activate_policy
from console.services.pipelines.asked import Asked
from console.services.pipelines.launch_log import known_launch
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.launching import launch
from console.services.pipelines.recording import record_run
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.repeating import once_more
from console.services.pipelines.sending import Launched
from console.services.pipelines.viewing import list_launches
from console.services.problems import Refusal, Undecided
from console.services.signing import act_as_service
from policies.predicates import Decision, OutcomeKind
from policies.trust_root import ServiceKind
from store.queries.sql import fetch
from tests.contract.kubernetes_flavours import FLAVOURS, RUNTIMES, runtime
from tests.contract.kubernetes_launching import IMAGE, Flavour
from tests.contract.kubernetes_places import MERGE, KubernetesPlace, kubernetes_place
from tests.contract.kubernetes_server.objects import dig
from tests.pipelines import POLICY
from tests.worlds import World

LOCKED = POLICY.replace("provenance", "runtime_locked").replace(
    'require = ["{require}"]', 'by = ["image"]'
)
KINDS = sorted(FLAVOURS.keys() - {"kubernetes"})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesPlace]:
    with kubernetes_place("in-repo", tmp_path) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found


def prepare(world: World, place: KubernetesPlace, flavour: Flavour) -> None:
    for definition in flavour.definitions():
        place.own.redefine(definition)
    for where, body in flavour.surroundings("quick"):
        assert place.ask("POST", where, body).status == 201
    path = world.folder / "manifest.json"
    path.write_text(json.dumps(flavour.manifest("quick")))
    text = LOCKED.format(version=1, role="guard")
    activate_policy(world.store, world.people["dana"], text.encode())
    world.hire("vera", "guard")


def launch_there(world: World, place: KubernetesPlace, launch_id: str) -> Launched:
    request = LaunchRequest(
        str(world.folder / "manifest.json"),
        pipeline="tried",
        parameters={"mark": "/dev/stdout"},
    )
    launcher = open_launcher(world.store, "kubernetes", namespace=place.namespace)
    dana = world.people["dana"]
    return launch(world.store, dana, launcher, Asked(request, "default", launch_id))


def let_go(world: World, launch_id: str) -> None:
    decided = Decided(Decision.APPROVE, "fit to run")
    everywhere = launcher_of_all(world.store)
    release(world.store, world.people["vera"], everywhere, launch_id, decided)
    release(world.store, world.people["dana"], everywhere, launch_id, None)


def run_to_the_end(place: KubernetesPlace) -> None:
    for _ in range(4):
        place.controller.step()
        for pod in place.own.store.all(("", "pods")):
            if dig(pod, "status", "phase") == "Pending":
                place.controller.finish(pod)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_held_released_by_another_run_and_recorded(
    world: World, place: KubernetesPlace, kind: str
) -> None:
    prepare(world, place, FLAVOURS[kind])
    done = launch_there(world, place, "one")
    assert done.run.state is RunState.SUSPENDED
    place.controller.step()
    assert place.ask("GET", f"{place.core}/pods")["items"] == []
    everywhere = launcher_of_all(world.store)
    with pytest.raises(Refusal):
        release(world.store, world.people["dana"], everywhere, "one", None)
    let_go(world, "one")
    run_to_the_end(place)
    [line] = list_launches(world.store, everywhere)
    assert line.run.state is RunState.SUCCEEDED
    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    record_run(world.store, service, everywhere, "one")
    world.store.projection.catch_up()
    with world.store.projection.reading() as connection:
        tags = {
            row["name"]: row["text"]
            for row in fetch(connection, "SELECT name, text FROM tag")
        }
        params = fetch(connection, "SELECT name, text FROM param")
    assert tags["countersign.launch.images"] == IMAGE
    led = tags.get("countersign.launch.resolved", "")
    is_led = kind == "kubernetes-trainjob"
    assert led.startswith("ClusterTrainingRuntime contract-quick sha256:") is is_led
    assert [(row["name"], row["text"]) for row in params] == [("mark", "/dev/stdout")]
    record = known_launch(world.store, "one", world.store.state())
    assert record.outcomes[-1][1].outcome is OutcomeKind.DONE
    asked = once_more(world.store, everywhere.of("one"), "one")
    again = launch(world.store, world.people["dana"], everywhere.of("one"), asked)
    assert again.plan.digest == done.plan.digest
    assert again.run.launch != "one"
    assert again.run.state is RunState.SUSPENDED


def test_what_ran_another_image_is_neither_recorded_nor_launched_again(
    world: World, place: KubernetesPlace
) -> None:
    prepare(world, place, FLAVOURS["kubernetes-trainjob"])
    launch_there(world, place, "one")
    let_go(world, "one")
    place.controller.step()
    other = runtime("quick", image=IMAGE.replace("ab", "cd"))["spec"]
    found = place.own.store.all(("jobset.x-k8s.io", "jobsets"))[0]
    found["spec"]["replicatedJobs"] = other["template"]["spec"]["replicatedJobs"]
    place.own.store.put(("jobset.x-k8s.io", "jobsets"), found)
    run_to_the_end(place)
    everywhere = launcher_of_all(world.store)
    [line] = list_launches(world.store, everywhere)
    assert line.run.state is RunState.UNKNOWN
    service = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    with pytest.raises(Undecided):
        record_run(world.store, service, everywhere, "one")
    path = f"{RUNTIMES}/contract-quick"
    assert place.ask("PATCH", path, {"spec": other}, MERGE).status == 200
    with pytest.raises(Refusal, match="unknown"):
        once_more(world.store, everywhere.of("one"), "one")
