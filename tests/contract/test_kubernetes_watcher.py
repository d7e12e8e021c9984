"""What a watcher shows is what is there, whatever happened on the way."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConnectorError
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Bounds, Json, KubernetesClient
from connectors.kubernetes.problems import NotAllowed, ObjectMissing
from connectors.kubernetes.watcher import Pace, Picture, Watcher
from tests.contract.kubernetes_places import (
    KINDS,
    MERGE,
    KubernetesPlace,
    kubernetes_place,
)
from tests.contract.kubernetes_server.faults import Fault, Faults
from tests.contract.kubernetes_server.identities import Identity, Rule
from tests.contract.kubernetes_server.kubeconfigs import write_kubeconfig

QUICK = Pace(watch=1, idle=3.0, poll=0.02, first_pause=0.002, longest_pause=0.02)
BOUNDS = Bounds(first_pause_seconds=0.001, attempts=2)
TOKEN = "token-of-the-watcher"


def versions(objects: object) -> dict[str, str]:
    assert isinstance(objects, dict)
    return {name: one["metadata"]["resourceVersion"] for name, one in objects.items()}


@dataclass
class Following:
    """A watcher in a thread of its own, and what it has shown."""

    place: KubernetesPlace
    watcher: Watcher
    shown: list[Picture] = field(default_factory=list)
    failed: list[ConnectorError] = field(default_factory=list)
    has_shown: threading.Condition = field(default_factory=threading.Condition)

    @property
    def path(self) -> str:
        return f"{self.place.core}/secrets"

    def run(self) -> None:
        try:
            for picture in self.watcher.pictures():
                with self.has_shown:
                    self.shown.append(picture)
                    self.has_shown.notify_all()
        except ConnectorError as problem:
            self.failed.append(problem)

    def there(self) -> dict[str, str]:
        items = self.place.ask("GET", self.path)["items"]
        return versions({one["metadata"]["name"]: one for one in items})

    def is_right(self) -> bool:
        return bool(self.shown) and versions(self.shown[-1].objects) == self.there()

    def until(self, seconds: float = 10.0) -> None:
        """Wait until it shows what is there."""
        with self.has_shown:
            is_right = self.has_shown.wait_for(self.is_right, seconds)
        assert is_right, (versions(self.shown[-1].objects), self.there())


@contextmanager
def following(place: KubernetesPlace, pace: Pace = QUICK) -> Iterator[Following]:
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)), bounds=BOUNDS)
    found = Following(place, Watcher(client, f"{place.core}/secrets", pace=pace))
    thread = threading.Thread(target=found.run, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.watcher.stop()
        thread.join(10)
        client.close()
        assert not thread.is_alive()


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubernetesPlace]:
    with kubernetes_place(request.param, tmp_path) as found:
        yield found
        if found.cluster is not None:
            found.cluster.faults = Faults()


def test_what_is_there_is_shown_at_once_and_what_happens_as_it_happens(
    place: KubernetesPlace,
) -> None:
    place.make("secrets", "a")
    with following(place) as found:
        found.until()
        assert set(found.shown[0].objects) == {"a"}
        place.make("secrets", "b")
        found.until()
        place.ask("PATCH", f"{found.path}/a", {"data": {"k": "dg=="}}, MERGE)
        found.until()
        place.ask("DELETE", f"{found.path}/b")
        found.until()
        assert set(found.shown[-1].objects) == {"a"}
        assert found.shown[-1].is_live
        assert found.shown[-1].trouble is None


def test_a_watch_that_ends_goes_on_without_a_new_list(place: KubernetesPlace) -> None:
    cluster = place.own
    with following(place) as found:
        found.until()
        for number in range(3):
            time.sleep(0.6)
            place.make("secrets", f"s{number}")
            found.until()
    listed = [one for one in cluster.faults.seen if one == "list secrets"]
    asked_by_test = 2 * len(found.shown) + 20
    assert cluster.faults.seen.count("watch secrets") >= 2
    assert len(listed) < asked_by_test
    assert all(one.trouble is None for one in found.shown)


def test_a_version_that_expired_leads_to_a_new_list(place: KubernetesPlace) -> None:
    cluster = place.own
    with following(place) as found:
        found.until()
        watches = cluster.faults.seen.count("watch secrets")
        place.make("configmaps", "elsewhere")
        cluster.store.forget()
        for _ in range(200):
            if cluster.faults.seen.count("watch secrets") > watches + 1:
                break
            time.sleep(0.02)
        place.make("secrets", "a")
        found.until()
    assert found.failed == []


def test_bookmarks_keep_a_version_from_expiring(place: KubernetesPlace) -> None:
    cluster = place.own
    cluster.bookmark_seconds = 0.05
    with following(place) as found:
        found.until()
        place.make("configmaps", "elsewhere")
        time.sleep(0.3)
        cluster.store.forget()
        watches = cluster.faults.seen.count("watch secrets")
        for _ in range(200):
            if cluster.faults.seen.count("watch secrets") > watches:
                break
            time.sleep(0.02)
        before = len([one for one in found.shown if one.version])
        place.make("secrets", "a")
        found.until()
    assert before > 2
    assert all(one.trouble is None and one.is_live for one in found.shown)


@pytest.mark.parametrize("fault", [Fault.GONE, Fault.GONE_EVENT])
def test_a_cluster_that_says_gone_is_asked_for_a_new_list(
    place: KubernetesPlace, fault: Fault
) -> None:
    cluster = place.own
    cluster.faults.pending = [("watch", fault)]
    with following(place) as found:
        found.until()
        place.make("secrets", "a")
        found.until()
    assert cluster.faults.pending == []
    assert found.failed == []


def test_events_that_come_twice_or_out_of_order_do_no_harm(
    place: KubernetesPlace,
) -> None:
    cluster = place.own
    with following(place) as found:
        found.until()
        cluster.faults.duplicates_events = cluster.faults.reorders_events = True
        with cluster.store.changed:
            for name in "abc":
                place_secret(place, name)
                place_secret(place, name)
            cluster.store.remove(("", "secrets"), (place.namespace, "b"))
        found.until()
        assert set(found.shown[-1].objects) == {"a", "c"}


def test_a_stream_that_breaks_off_out_of_order_is_not_gone_on_with(
    place: KubernetesPlace,
) -> None:
    """The last of three changes was told, the first two were not and never will be."""
    cluster = place.own
    with following(place) as found:
        found.until()
        cluster.faults = Faults(reorders_events=True, cuts_watch_after=1)
        with cluster.store.changed:
            for name in "abc":
                place_secret(place, name)
        for _ in range(200):
            if found.shown[-1].objects:
                break
            time.sleep(0.02)
        cluster.faults = Faults()
        found.until()


def place_secret(place: KubernetesPlace, name: str) -> None:
    """A change under the lock of the store, so that several make one batch."""
    found: Json = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": place.namespace, "uid": name},
    }
    place.own.store.put(("", "secrets"), found)


def test_a_cluster_that_goes_away_leaves_the_last_picture_with_its_age(
    place: KubernetesPlace,
) -> None:
    cluster = place.own
    place.make("secrets", "a")
    with following(place) as found:
        found.until()
        cluster.faults.is_down = True
        for _ in range(200):
            if found.shown[-1].trouble is not None:
                break
            time.sleep(0.02)
        last = found.shown[-1]
        assert last.trouble is not None
        assert set(last.objects) == {"a"}
        assert not last.is_live
        assert last.age(last.heard_at + 60) == 60
        cluster.faults.is_down = False
        place.make("secrets", "b")
        found.until()
        assert found.shown[-1].trouble is None


def test_where_watching_is_not_allowed_it_asks_again_and_again(
    place: KubernetesPlace,
) -> None:
    cluster = place.own
    rules = (Rule(("get", "list", "create"), ("*",)),)
    cluster.identities.by_token[TOKEN] = Identity("ana", rules)
    write_kubeconfig(place.kubeconfig, cluster.address, TOKEN, place.namespace)
    place.close()
    place._pool = None
    with following(place) as found:
        found.until()
        place.make("secrets", "late")
        found.until()
        assert not found.shown[-1].is_live
    assert any(isinstance(one.trouble, NotAllowed) for one in found.shown)
    cluster.identities.by_token.clear()


def test_what_may_not_even_be_listed_is_refused_at_once(
    place: KubernetesPlace,
) -> None:
    cluster = place.own
    cluster.identities.by_token[TOKEN] = Identity("ana", ())
    write_kubeconfig(place.kubeconfig, cluster.address, TOKEN, place.namespace)
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)))
    with pytest.raises(NotAllowed):
        next(Watcher(client, f"{place.core}/secrets").pictures())
    client.close()
    cluster.identities.by_token.clear()


def test_a_resource_that_is_none_is_refused_at_once(place: KubernetesPlace) -> None:
    client = KubernetesClient(from_kubeconfig(str(place.kubeconfig)))
    with pytest.raises(ObjectMissing):
        next(Watcher(client, "/apis/batch/v1/namespaces/default/nothing").pictures())
    client.close()


def test_a_watch_is_ended_from_another_thread_while_nothing_happens(
    place: KubernetesPlace,
) -> None:
    slow = Pace(watch=60, idle=60.0)
    with following(place, slow) as found:
        found.until()
        time.sleep(0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "INVENTED", "object": {}}\n',
        b'{"type": "ADDED", "object": []}\n',
        b'{"type": "ADDED", "object": {"metadata": {"name": "x"}}}\n',
        b'{"type": "ADDED", "object": {"metadata": {"name": 1}}}\n',
        b'{"type": "ERROR", "object": {"code": "x"}}\n',
        b'{"type": "ADDED", "object": {"metadata"',
    ],
)
def test_an_event_that_makes_no_sense_is_not_believed(
    place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    from tests.contract.kubernetes_server import server
    from tests.contract.kubernetes_server.objects import compact as original

    if place.cluster is None:
        pytest.skip("only a server of one's own talks nonsense when asked")
    place.make("secrets", "a")
    rubbish = itertools.chain([line], itertools.repeat(b""))

    def compact(value: object) -> bytes:
        is_event = isinstance(value, dict) and "type" in value and "object" in value
        return (next(rubbish) if is_event else b"") + original(value)

    with following(place) as found:
        found.until()
        monkeypatch.setattr(server, "compact", compact)
        place.make("secrets", "b")
        found.until()
    assert any(one.trouble is not None for one in found.shown)
    assert found.failed == []


ACTIONS = st.sampled_from(["create", "change", "delete", "replace"])
TROUBLES = st.sampled_from(
    [
        "none",
        "cut",
        "cut",
        "reset",
        "gone",
        "gone-event",
        "forget",
        "unavailable",
        "list-cut",
    ]
)
NAMES = st.sampled_from("abcd")
STEPS = st.lists(
    st.tuples(TROUBLES, st.booleans(), st.lists(st.tuples(ACTIONS, NAMES), max_size=5)),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
@settings(max_examples=40)
@given(steps=STEPS)
def test_after_any_sequence_of_changes_and_faults_it_shows_what_is_there(
    steps: list[tuple[str, bool, list[tuple[str, str]]]],
) -> None:
    with (
        TemporaryDirectory() as folder,
        kubernetes_place("in-repo", Path(folder)) as place,
        following(place) as found,
    ):
        found.until()
        for trouble, is_disordered, actions in steps:
            _trouble(place, trouble, is_disordered)
            with place.own.store.changed:
                for action, name in actions:
                    _act(place, action, name)
            time.sleep(0.03)
        place.own.faults = Faults(reorders_events=True, duplicates_events=True)
        found.until()
        place.make("secrets", "last")
        found.until()
        place.own.faults = Faults()
        assert found.failed == []


def _trouble(place: KubernetesPlace, trouble: str, is_disordered: bool) -> None:
    faults = Faults(
        reorders_events=is_disordered,
        duplicates_events=is_disordered,
        drops_bookmarks=is_disordered,
    )
    match trouble:
        case "cut":
            faults.cuts_watch_after = 1
        case "reset":
            faults.pending = [("watch", Fault.RESET)]
        case "gone":
            faults.pending = [("watch", Fault.GONE)]
        case "gone-event":
            faults.pending = [("watch", Fault.GONE_EVENT)]
        case "unavailable":
            faults.pending = [("watch", Fault.UNAVAILABLE)] * 3
        case "list-cut":
            faults.pending = [("list", Fault.CUT_BODY)]
        case "forget":
            place.own.store.forget()
    place.own.faults = faults


def _act(place: KubernetesPlace, action: str, name: str) -> None:
    store, key, where = place.own.store, ("", "secrets"), (place.namespace, name)
    is_there = store.get(key, where) is not None
    if action == "delete" and is_there:
        store.remove(key, where)
    elif action == "replace" and is_there:
        store.remove(key, where)
        place_secret(place, name)
    elif action in ("create", "change"):
        place_secret(place, name)
