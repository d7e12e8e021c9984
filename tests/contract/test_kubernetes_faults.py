"""Whatever a cluster does: nothing is made twice, released unasked, or given away."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
    MalformedInput,
)
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Bounds, Json, KubernetesClient
from connectors.kubernetes.kinds import JOB
from connectors.kubernetes.manifests import name_of_launch
from connectors.kubernetes.problems import NotAllowed
from connectors.kubernetes.work import ClusterWork
from tests.contract.kubernetes_places import KubernetesPlace, job, kubernetes_place
from tests.contract.kubernetes_server.faults import Fault
from tests.contract.kubernetes_server.identities import Identity, Rule
from tests.contract.kubernetes_server.kubeconfigs import write_kubeconfig

TOKEN = "very-secret-token-0123456789"
PASSING = (
    Fault.RESET,
    Fault.LOSE_ANSWER,
    Fault.CUT_BODY,
    Fault.TOO_MANY,
    Fault.BROKEN,
    Fault.UNAVAILABLE,
    Fault.TIMEOUT,
)
LASTING = (*PASSING, Fault.NOT_JSON, Fault.EXPIRED_TOKEN)
VERBS = ("get", "create", "patch", "delete", "list")


def manifest(**spec: object) -> Json:
    found = job("", **spec)
    del found["metadata"]
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place("in-repo", tmp_path) as found:
        yield found
        found.own.faults.pending.clear()
        found.own.faults.is_down = False


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def client(place: KubernetesPlace, waited: list[float]) -> Iterator[KubernetesClient]:
    bounds = Bounds(answer_seconds=1.0, connect_seconds=1.0)
    opens = from_kubeconfig(str(place.kubeconfig))
    made = KubernetesClient(opens, bounds=bounds, sleep=waited.append)
    yield made
    made.close()


@pytest.fixture
def work(place: KubernetesPlace, client: KubernetesClient) -> ClusterWork:
    return ClusterWork(
        client, place.namespace, sleep=lambda seconds: place.controller.step()
    )


def jobs(place: KubernetesPlace) -> list[Json]:
    return place.own.store.all(("batch", "jobs"))


def held(place: KubernetesPlace) -> list[bool]:
    return [one["spec"]["suspend"] for one in jobs(place)]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", ["get", "create"])
def test_a_fault_that_passes_is_survived_and_nothing_is_made_twice(
    place: KubernetesPlace, work: ClusterWork, verb: str, fault: Fault
) -> None:
    work.create(manifest(), "before")
    place.own.faults.pending = [(verb, fault)]
    made = work.create(manifest(), "launch-1")
    assert made.name == name_of_launch("launch-1")
    assert held(place) == [True, True]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("number", range(2))
def test_a_create_whose_answer_is_lost_finds_what_it_made(
    place: KubernetesPlace,
    work: ClusterWork,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    number: int,
) -> None:
    """The first create is the dry run, the second the real one."""
    if number:
        original = place.own.faults.next
        seen = itertools.count()

        def only_second(verb: str) -> Fault | None:
            is_second = verb == "create" and next(seen) == 1
            return fault if is_second else original(verb)

        monkeypatch.setattr(place.own.faults, "next", only_second)
    else:
        place.own.faults.pending = [("create", fault)]
    first = work.create(manifest(), "launch-1")
    second = work.create(manifest(), "launch-1")
    assert first.uid == second.uid
    assert held(place) == [True]


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("verb", VERBS)
def test_a_fault_that_lasts_is_an_error_with_a_next_step_and_releases_nothing(
    place: KubernetesPlace, work: ClusterWork, verb: str, fault: Fault
) -> None:
    work.create(manifest(), "launch-1")
    place.own.faults.pending = [(verb, fault)] * 20
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: work.find(JOB, "launch-1"),
        "create": lambda: work.create(manifest(), "launch-1"),
        "patch": lambda: work.release(manifest(), "launch-1"),
        "delete": lambda: work.cancel(JOB, "launch-1", grace_seconds=1),
        "list": lambda: list(work.works()),
    }
    is_done = fault in (Fault.LOSE_ANSWER, Fault.CUT_BODY)
    if verb == "patch" and is_done:
        calls[verb]()
        assert held(place) == [False]
        return
    with pytest.raises(ConnectorError) as raised:
        calls[verb]()
    assert isinstance(raised.value, (ConnectorUnavailable, NotAllowed, MalformedInput))
    assert held(place) == [True]


@pytest.mark.parametrize("fault", PASSING)
def test_a_release_whose_answer_is_lost_is_found_done_and_done_once(
    place: KubernetesPlace, work: ClusterWork, fault: Fault
) -> None:
    work.create(manifest(), "launch-1")
    place.own.faults.pending = [("patch", fault)]
    assert not work.release(manifest(), "launch-1").standing.is_held
    assert held(place) == [False]
    (found,) = jobs(place)
    assert found["metadata"]["generation"] == 2


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", ["delete", "get", "list"])
def test_a_cancel_ends_only_when_everything_is_gone(
    place: KubernetesPlace, work: ClusterWork, verb: str, fault: Fault
) -> None:
    work.create(manifest(), "launch-1")
    work.release(manifest(), "launch-1")
    place.controller.step()
    assert place.own.store.all(("", "pods"))
    place.own.faults.pending = [(verb, fault)]
    work.cancel(JOB, "launch-1", grace_seconds=5)
    assert jobs(place) == []
    assert place.own.store.all(("", "pods")) == []


def test_a_cluster_that_is_down_is_unavailable_and_named(
    place: KubernetesPlace, work: ClusterWork
) -> None:
    work.create(manifest(), "launch-1")
    place.own.faults.is_down = True
    with pytest.raises(ConnectorUnavailable) as raised:
        work.create(manifest(), "launch-2")
    assert place.own.address in str(raised.value)
    assert "kubectl" in raised.value.hint


def test_a_cluster_that_is_too_slow_is_not_waited_for_for_ever(
    place: KubernetesPlace, waited: list[float]
) -> None:
    bounds = Bounds(answer_seconds=0.05, attempts=2)
    opens = from_kubeconfig(str(place.kubeconfig))
    client = KubernetesClient(opens, bounds=bounds, sleep=waited.append)
    place.own.faults.delay_seconds = 0.3
    with pytest.raises(ConnectorUnavailable, match="ReadTimeoutError"):
        client.get("/apis/batch/v1")
    client.close()
    place.own.faults.delay_seconds = 0.0


def test_pauses_grow_and_end(
    place: KubernetesPlace, client: KubernetesClient, waited: list[float]
) -> None:
    place.own.faults.pending = [("list", Fault.UNAVAILABLE)] * 20
    with pytest.raises(ConnectorUnavailable):
        client.get(place.batch)
    assert waited == [0.25, 0.5, 1.0]


def test_a_cluster_that_asks_to_wait_is_waited_for(
    place: KubernetesPlace, client: KubernetesClient, waited: list[float]
) -> None:
    place.own.faults.pending = [("list", Fault.TOO_MANY)] * 2
    place.own.faults.retry_after_seconds = 7
    client.get(place.batch)
    assert waited == [7.0, 7.0]


def test_a_cluster_that_asks_to_wait_too_long_is_not(
    place: KubernetesPlace, client: KubernetesClient, waited: list[float]
) -> None:
    place.own.faults.pending = [("list", Fault.TOO_MANY)]
    place.own.faults.retry_after_seconds = 3600
    with pytest.raises(ConnectorUnavailable) as raised:
        client.get(place.batch)
    assert waited == []
    assert raised.value.hint == "The cluster asks to wait 3600 seconds."


def test_what_is_refused_is_not_tried_again(
    place: KubernetesPlace, work: ClusterWork, waited: list[float]
) -> None:
    with pytest.raises(ConnectorRefused):
        work.create(manifest(template={}), "launch-1")
    assert place.own.faults.seen.count("create jobs") == 1
    assert waited == []


def test_an_answer_that_is_too_large_is_refused(place: KubernetesPlace) -> None:
    bounds = Bounds(answer_bytes=2000)
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)), bounds=bounds)
    place.make("configmaps", "a", data={"k": "x" * 5000})
    with pytest.raises(ConnectorRefused, match="more than 2000 bytes"):
        client.get(f"{place.core}/configmaps/a")
    client.close()


def test_pages_that_expire_are_begun_anew(
    place: KubernetesPlace, waited: list[float]
) -> None:
    for number in range(5):
        place.make("secrets", f"s{number}")
    bounds = Bounds(page_size=2)
    opens = from_kubeconfig(str(place.kubeconfig))
    client = KubernetesClient(opens, bounds=bounds, sleep=waited.append)
    pages = client.pages(f"{place.core}/secrets")
    next(pages)
    place.own.faults.pending = [("list", Fault.GONE)]
    found, version = client.items(f"{place.core}/secrets")
    assert [one["metadata"]["name"] for one in found] == [f"s{n}" for n in range(5)]
    assert int(version) > 0
    client.close()


def test_more_pages_than_allowed_are_refused(place: KubernetesPlace) -> None:
    for number in range(5):
        place.make("secrets", f"s{number}")
    bounds = Bounds(page_size=1, pages=3)
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)), bounds=bounds)
    with pytest.raises(ConnectorRefused, match="more than 3 pages"):
        client.items(f"{place.core}/secrets")
    client.close()


@pytest.fixture
def guarded(place: KubernetesPlace, tmp_path: Path) -> KubernetesPlace:
    """A cluster that wants a token, with a kubeconfig that has one."""
    place.own.identities.by_token[TOKEN] = Identity("ana")
    write_kubeconfig(place.kubeconfig, place.own.address, TOKEN, place.namespace)
    return place


def test_a_token_that_expires_is_read_again_before_anything_is_given_up(
    guarded: KubernetesPlace, work: ClusterWork
) -> None:
    work.create(manifest(), "launch-1")
    identities = guarded.own.identities
    identities.by_token[TOKEN] = Identity("ana", expires=time.time() - 1)
    identities.by_token["fresh"] = Identity("ana")
    with pytest.raises(NotAllowed) as raised:
        work.find(JOB, "launch-1")
    assert "Log in again" in raised.value.hint
    write_kubeconfig(guarded.kubeconfig, guarded.own.address, "fresh")
    assert work.find(JOB, "launch-1") is not None


def test_what_is_not_allowed_says_who_may_not_do_what(
    guarded: KubernetesPlace, work: ClusterWork
) -> None:
    rules = (Rule(("get", "list", "watch"), ("*",)),)
    guarded.own.identities.by_token[TOKEN] = Identity("ana", rules)
    with pytest.raises(NotAllowed) as raised:
        work.create(manifest(), "launch-1")
    assert 'User "ana" cannot create resource "jobs"' in str(raised.value)
    assert "docs/kubernetes.md" in raised.value.hint


def _shown(problem: Exception) -> str:
    """The problem with every variable of ours, as a crash of the console shows it."""
    shown = traceback.TracebackException.from_exception(problem, capture_locals=True)
    for frame in list(shown.stack):
        if "/tests/" in frame.filename:
            shown.stack.remove(frame)
    text = "".join(shown.format())
    assert "connectors/kubernetes/client.py" in text
    return text


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("verb", ["get", "create", "list"])
def test_the_token_is_in_no_error_no_log_and_no_repr(
    guarded: KubernetesPlace,
    client: KubernetesClient,
    work: ClusterWork,
    caplog: pytest.LogCaptureFixture,
    verb: str,
    fault: Fault,
) -> None:
    caplog.set_level(logging.DEBUG)
    work.create(manifest(), "launch-1")
    guarded.own.faults.pending = [(verb, fault)] * 20
    said = []
    try:
        work.find(JOB, "launch-1")
        work.create(manifest(), "launch-2")
        list(work.works())
    except ConnectorError as problem:
        said += [_shown(problem), repr(problem), problem.hint]
    assert said
    said += [repr(client), repr(client.access), repr(work), caplog.text]
    assert all(TOKEN not in one for one in said)


def test_a_server_that_tells_the_token_back_does_not_get_it_into_an_error(
    guarded: KubernetesPlace, client: KubernetesClient
) -> None:
    with pytest.raises(ConnectorRefused) as raised:
        client.get(f"{guarded.core}/configmaps/{TOKEN}")
    assert '"***" not found' in str(raised.value)


def test_a_dry_run_that_drops_suspend_makes_nothing(
    place: KubernetesPlace, work: ClusterWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an old operator's definition does, whose fields are pruned without a word."""
    from tests.contract.kubernetes_server import preparing
    from tests.contract.kubernetes_server.schemas import prune as original

    def forgets(value: object, schema: Json, path: str = "") -> list[str]:
        if isinstance(value, dict) and isinstance(value.get("spec"), dict):
            value["spec"].pop("suspend", None)
        return original(value, schema, path)

    monkeypatch.setattr(preparing, "prune", forgets)
    with pytest.raises(ConnectorRefused, match=r"drops spec\.suspend of a Job"):
        work.create(manifest(), "launch-1")
    assert jobs(place) == []


def test_a_cluster_that_releases_by_itself_has_the_job_taken_away_again(
    place: KubernetesPlace, work: ClusterWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.contract.kubernetes_server import writing
    from tests.contract.kubernetes_server.preparing import prepared as original

    def releases(found: Json, request: object) -> Json:
        made = original(found, request)  # type: ignore[arg-type]
        if not request.is_dry:  # type: ignore[attr-defined]
            made["spec"]["suspend"] = False
        return made

    monkeypatch.setattr(writing, "prepared", releases)
    with pytest.raises(ConnectorRefused, match="not held; it was deleted"):
        work.create(manifest(), "launch-1")
    assert jobs(place) == []


def test_no_connection_stays_open(
    place: KubernetesPlace, recwarn: pytest.WarningsRecorder
) -> None:
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)))
    place.own.faults.pending = [("list", Fault.NOT_JSON)]
    with pytest.raises(ConnectorError):
        client.get(place.batch)
    client.get(place.batch)
    client.close()
    del client
    gc.collect()
    assert [one for one in recwarn if one.category is ResourceWarning] == []


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"text"',
        b'{"items": 5}',
        b'{"items": [1]}',
        b'{"items": [{"metadata": []}]}',
        b'{"items": [{"metadata": {"name": 1}}]}',
        b'{"metadata": {"continue": 5}, "items": []}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_an_answer_of_another_form_is_an_error_of_ours(
    place: KubernetesPlace,
    work: ClusterWork,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
) -> None:
    from tests.contract.kubernetes_server import server

    def compact(value: object) -> bytes:
        is_list = isinstance(value, dict) and value.get("kind") == "JobList"
        return body if is_list else json.dumps(value).encode()

    monkeypatch.setattr(server, "compact", compact)
    with pytest.raises(ConnectorError):
        list(work.works())
