"""Many launches on a cluster that have all ended, each in the log with its own plan.

One is launched and run; the others are the same job and pod under other names, with
other parameters, and statements of their own, signed by the same person.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from connectors.kubernetes.manifests import (
    LAUNCH_ANNOTATION,
    LAUNCH_LABEL,
    PLAN_ANNOTATION,
    label_of_launch,
    name_of_launch,
)
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest
from console.services.founding import activate_policy
from console.services.opened import OpenStore, rfc3339
from console.services.pipelines.asked import Asked
from console.services.pipelines.launch_log import known_launch
from console.services.pipelines.launchers import open_launcher
from console.services.pipelines.launching import launch
from console.services.signing import Acting, sign_statement
from policies.predicates import OutcomeKind
from policies.predicates.operations import LaunchIntent, LaunchOutcome
from store.backend import entry_path, object_path
from store.objects import sha256_hex
from tests.contract.kubernetes_launching import manifest_of_steps
from tests.contract.kubernetes_places import KubernetesPlace
from tests.contract.kubernetes_server.objects import Object
from tests.pipelines import POLICY
from tests.worlds import World

FIRST = "first"
_MARK = "MARK-OF-THE-LAUNCH"
_LOCKED = POLICY.replace("provenance", "runtime_locked").replace(
    'require = ["{require}"]', 'by = ["image"]'
)


def launch_id(number: int) -> str:
    """The id of one of them."""
    return f"sweep-{number:06d}"


def fill(world: World, place: KubernetesPlace, count: int) -> OpenStore:
    """Make that many launches; the store as another machine opens it."""
    _launch_the_first(world, place)
    _copy_objects(place, count, plans := _Plans(world.store))
    _write_statements(world, count, plans)
    return world.reopened(world.places)


def take_away(place: KubernetesPlace) -> None:
    """Remove them: a namespace that holds so many takes minutes to go."""
    store = place.own.store
    for key in (("batch", "jobs"), ("", "pods")):
        for one in store.listed(key):
            store.remove(key, (one["metadata"]["namespace"], one["metadata"]["name"]))
    store.forget()


def _launch_the_first(world: World, place: KubernetesPlace) -> None:
    text = _LOCKED.format(version=1, role="guard").partition("[[approvals]]")[0]
    activate_policy(world.store, world.people["dana"], text.encode())
    path = world.folder / "job.json"
    path.write_text(json.dumps(manifest_of_steps("quick")))
    request = LaunchRequest(str(path), pipeline="sweep", parameters={"mark": _MARK})
    launcher = open_launcher(world.store, "kubernetes", namespace=place.namespace)
    asked = Asked(request, "default", FIRST)
    launch(world.store, world.people["dana"], launcher, asked)
    place.controller.step()
    for job in place.own.store.all(("batch", "jobs")):
        for pod in place.controller.pods_of(job):
            place.controller.finish(pod, 0)
    place.controller.step()


class _Plans:
    """The plan of each launch."""

    def __init__(self, store: OpenStore) -> None:
        intent = known_launch(store, FIRST, store.state()).intent
        self._text = store.objects.get(intent.definition).decode()

    def of(self, number: int) -> LaunchPlan:
        """As the first one's, with another parameter."""
        return read_plan(self._text.replace(_MARK, f"alpha-{number}").encode())


def _copy_objects(place: KubernetesPlace, count: int, plans: _Plans) -> None:
    store = place.own.store
    [job] = store.all(("batch", "jobs"), place.namespace)
    [pod] = store.all(("", "pods"), place.namespace)
    texts = json.dumps(job), json.dumps(pod)
    old = job["metadata"]
    for number in range(count):
        launch, plan = launch_id(number), plans.of(number)
        name, uid = name_of_launch(launch), str(uuid.uuid4())

        alpha = f"alpha-{number}"
        copied, its_pod = (
            _renamed(text, ((old["uid"], uid), (old["name"], name), (_MARK, alpha)))
            for text in texts
        )
        about = copied["metadata"]
        about["annotations"] |= {
            LAUNCH_ANNOTATION: launch,
            PLAN_ANNOTATION: plan.digest,
        }
        about["labels"][LAUNCH_LABEL] = label_of_launch(launch)
        its_pod["metadata"]["uid"] = str(uuid.uuid4())
        store.put(("batch", "jobs"), copied)
        store.put(("", "pods"), its_pod)
    store.forget()


def _renamed(text: str, names: tuple[tuple[str, str], ...]) -> Object:
    for before, after in names:
        text = text.replace(before, after)
    return dict(json.loads(text))


@dataclass
class _Log:
    """Appends signed statements to a folder, as fast as files are written."""

    folder: Path
    sign: Callable[[object, tuple[str, str]], tuple[str, bytes]]
    size: int

    def put(self, data: bytes) -> str:
        digest = sha256_hex(data)
        self._write(object_path(digest), data)
        return digest

    def say(self, predicate: object, subject: tuple[str, str]) -> str:
        statement, data = self.sign(predicate, subject)
        self._write(entry_path(self.size), data)
        self.size += 1
        return statement

    def _write(self, path: str, data: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _write_statements(world: World, count: int, plans: _Plans) -> None:
    store, dana = world.store, world.people["dana"]
    record = known_launch(store, FIRST, store.state())
    pattern, outcome = record.intent, record.ended
    assert outcome is not None
    log = _Log(Path(store.address), _signer(store, dana), store.index.size)
    for number in range(count):
        plan, launch = plans.of(number), launch_id(number)
        parameters = json.dumps(dict(plan.parameters), sort_keys=True).encode()
        intent: LaunchIntent = replace(
            pattern,
            launch=launch,
            definition=log.put(plan.to_bytes()),
            parameters=log.put(parameters),
        )
        subject = (f"pipeline/{plan.pipeline}", intent.definition)
        named = log.say(intent, subject)
        ended: LaunchOutcome = replace(
            outcome,
            intent=named,
            outcome=OutcomeKind.DONE,
            run=launch,
            read_back=f"kubernetes {launch} running",
        )
        log.say(ended, subject)
    store.close()


def _signer(
    store: OpenStore, acting: Acting
) -> Callable[[object, tuple[str, str]], tuple[str, bytes]]:
    prefix, at = store.prefix(), rfc3339(store.clock())

    def sign(predicate: object, subject: tuple[str, str]) -> tuple[str, bytes]:
        envelope = sign_statement(acting, predicate, subject, prefix, at)
        return envelope.statement_id, envelope.to_bytes()

    return sign
