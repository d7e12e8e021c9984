"""Whatever Kubeflow Pipelines does: nothing starts twice, and nothing is given away."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from connectors.errors import (
    ConnectorError,
    ConnectorRefused,
    ConnectorUnavailable,
)
from connectors.kubeflow.access import endpoint
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.client import BASE, LARGEST_PAGE, Bounds, Json, KfpClient
from connectors.kubeflow.problems import NotAllowed, OutcomeUnknown
from connectors.mlflow.client import Secret
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kfp_sending import Clock
from connectors.pipelines.protocols import LaunchPlan, LaunchRequest, RunState
from tests.contract.kfp_launching import (
    KeptHolds,
    PassingTime,
    write_package,
)
from tests.contract.kfp_server import engine
from tests.contract.kfp_server.faults import AFTER_THE_EFFECT, Fault
from tests.contract.kfp_server.installation import Installation
from tests.contract.kfp_server.server import serving
from tests.contract.kubernetes_launching import KeptPlans

TOKEN = "very-secret-token-0123456789"
COOKIE = "authservice_session=very-secret-session"
PASSING = (
    Fault.RESET,
    Fault.LOSE_ANSWER,
    Fault.CUT_BODY,
    Fault.BROKEN_AFTER,
    Fault.TOO_MANY,
    Fault.BROKEN,
    Fault.UNAVAILABLE,
    Fault.EXPIRED_TOKEN,
)
LASTING = (*PASSING, Fault.LOG_IN, Fault.NOT_JSON)
NOT_TOLD_APART = (Fault.RESET, Fault.BROKEN, Fault.UNAVAILABLE)
"""Nothing was done, and whoever sends cannot tell that from a lost answer."""
SENDING = (
    "list runs",
    "list experiments",
    "get pipeline",
    "create pipeline",
    "list versions",
    "upload version",
    "create experiment",
    "create run",
    "archive experiment",
    "get run",
    "get version",
)


@dataclass
class Way:
    """An installation, and launchers on a bad way to it."""

    here: Installation
    folder: Path
    time: PassingTime
    plans: KeptPlans = field(default_factory=KeptPlans)
    holds: KeptHolds = field(default_factory=KeptHolds)
    token: str = TOKEN

    def client(self) -> KfpClient:
        def says() -> dict[str, Secret]:
            return {"Authorization": Secret(f"Bearer {self.token}")}

        return KfpClient(
            endpoint(self.here.address, credentials=says),
            bounds=Bounds(first_pause_seconds=0.001, answer_seconds=2.0),
            sleep=self.time.sleep,
        )

    def launcher(self) -> KfpLauncher:
        clock = Clock(self.time.sleep, self.time.monotonic)
        return KfpLauncher(self.client(), self.plans, self.holds, clock=clock)

    def plan(self, *does: str) -> LaunchPlan:
        path = write_package(self.folder, *(does or ("quick",)))
        return self.launcher().plan(LaunchRequest(str(path)))

    def started(self) -> int:
        return len(self.here.runs)


def shown_by_ours(problem: BaseException) -> str:
    """What an error shows where the variables of each call are shown with it, as far as
    the calls are the connector's, and through all that it came from."""
    found = [str(problem), repr(problem)]
    for frame, _ in traceback.walk_tb(problem.__traceback__):
        if "connectors" in frame.f_code.co_filename:
            found += [f"{name}={value!r}" for name, value in frame.f_locals.items()]
    for inner in (problem.__cause__, problem.__context__):
        if inner is not None:
            found.append(shown_by_ours(inner))
    return "\n".join(found)


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    here = Installation(header=("Authorization", f"Bearer {TOKEN}"))
    with serving(here):
        yield Way(here, tmp_path, PassingTime(here))


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        pair
        for pair in itertools.product(SENDING, PASSING)
        if pair[0] != "create run" or pair[1] not in NOT_TOLD_APART
    ],
)
def test_one_fault_on_the_way_starts_it_once_and_is_overcome(
    way: Way, operation: str, fault: Fault
) -> None:
    way.here.faults.pending = [(operation, fault)]
    run = way.launcher().launch("one", way.plan(), held=False)
    assert run.state is RunState.PENDING
    assert way.here.faults.pending == []
    way.launcher().launch("one", way.plan(), held=False)
    assert way.started() == 1


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("operation", SENDING)
def test_a_fault_that_lasts_starts_it_once_at_most_and_once_when_it_is_over(
    way: Way, fault: Fault, operation: str
) -> None:
    way.here.faults.always = {operation: fault}
    plan = way.plan()
    for _ in range(2):
        with contextlib.suppress(ConnectorError):
            way.launcher().launch("one", plan, held=False)
    assert way.started() <= 1
    way.here.faults.always = {}
    way.here.forward(601)
    way.launcher().launch("one", plan, held=False)
    assert way.started() == 1


@pytest.mark.parametrize(
    ("first", "second"),
    list(itertools.product(("create run", "create experiment"), PASSING)),
)
def test_when_it_and_the_look_after_it_get_lost_it_is_started_once(
    way: Way, first: str, second: Fault
) -> None:
    way.here.faults.pending = [(first, Fault.LOSE_ANSWER), ("list runs", second)]
    way.here.faults.pending += [("list experiments", second)]
    way.launcher().launch("one", way.plan(), held=False)
    assert way.started() == 1


class Died(BaseException):
    """Whoever launches is gone, at once."""


class DyingClient(KfpClient):
    """Dies at one of its requests: before it is sent, or before it is answered."""

    left = 0
    is_before = False

    def _once(self, request: object) -> Json:
        self.left -= 1
        if self.left == 0 and self.is_before:
            raise Died
        answer = super()._once(request)  # type: ignore[arg-type]  # as it came
        if self.left == 0:
            raise Died
        return answer


@pytest.mark.parametrize("is_before", [True, False])
def test_whoever_dies_at_any_request_and_tries_again_has_started_it_once(
    way: Way, is_before: bool
) -> None:
    plan, died = way.plan(), 0
    for number in range(1, 30):
        launch = f"n{number}"
        client = DyingClient(way.client().endpoint, bounds=Bounds(attempts=1))
        client.left, client.is_before = number, is_before
        launcher = KfpLauncher(
            client, way.plans, way.holds, clock=Clock(way.time.sleep)
        )
        try:
            launcher.launch(launch, plan, held=False)
        except Died:
            died += 1
            way.here.forward(601)
            way.launcher().launch(launch, plan, held=False)
        names = [run.told["display_name"] for run in way.here.runs.values()]
        assert names.count(launch) == 1, number
    assert died > 11


def test_a_run_that_no_list_shows_yet_is_waited_for_and_not_sent_again(
    way: Way,
) -> None:
    way.here.loses = frozenset({"one"})
    way.here.faults.pending = [("create run", Fault.LOSE_ANSWER)]
    plan = way.plan()
    for _ in range(3):
        with pytest.raises(ConnectorUnavailable):
            way.launcher().launch("one", plan, held=False)
    found = way.launcher().find("one")
    assert found is not None
    assert (found.state, way.started()) == (RunState.PENDING, 1)
    with pytest.raises(ConnectorUnavailable, match="on its way"):
        way.launcher().cancel("one", grace_seconds=0)
    way.here.loses = frozenset()
    way.launcher().launch("one", plan, held=False)
    assert way.started() == 1


def test_what_was_claimed_long_ago_and_never_shown_is_unknown_until_it_is_sent_anew(
    way: Way,
) -> None:
    """Whoever claimed it died before sending it."""
    way.here.faults.always = {"create run": Fault.RESET}
    plan = way.plan()
    with pytest.raises(ConnectorUnavailable, match="does not show"):
        way.launcher().launch("one", plan, held=False)
    way.here.faults.always = {}
    with pytest.raises(ConnectorUnavailable, match="was claimed"):
        way.launcher().launch("one", plan, held=False)
    way.here.forward(601)
    found = way.launcher().find("one")
    assert found is not None
    assert found.state is RunState.UNKNOWN
    way.launcher().launch("one", plan, held=False)
    assert way.started() == 1


def test_one_that_is_too_slow_between_claiming_and_sending_sends_nothing(
    way: Way,
) -> None:
    ticks = itertools.count(step=61)
    clock = Clock(way.time.sleep, lambda: next(ticks))
    slow = KfpLauncher(way.client(), way.plans, way.holds, clock=clock)
    with pytest.raises(ConnectorUnavailable, match="nothing was sent"):
        slow.launch("one", way.plan(), held=False)
    assert way.started() == 0
    assert way.launcher().find("one") is None


def test_of_many_that_go_on_from_an_old_claim_one_sends(way: Way) -> None:
    way.here.faults.always = {"create run": Fault.RESET}
    plan = way.plan()
    with pytest.raises(ConnectorUnavailable):
        way.launcher().launch("one", plan, held=False)
    way.here.faults.always = {}
    way.here.forward(601)
    way.time.installation = None  # nothing of this takes ten minutes
    problems: list[Exception] = []

    def launch() -> None:
        try:
            way.launcher().launch("one", plan, held=False)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=launch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert way.started() == 1
    assert all(isinstance(problem, ConnectorUnavailable) for problem in problems)


def test_ids_that_differ_in_case_alone_are_two_launches(way: Way) -> None:
    """Also where the database does not tell upper from lower case."""
    for launch in ("one", "ONE", "One"):
        way.launcher().launch(launch, way.plan(), held=False)
        run = way.launcher().find(launch)
        assert run is not None
        assert run.launch == launch
    assert way.started() == 3


def test_a_claim_of_the_longest_id_fits_into_a_name(way: Way) -> None:
    way.here.faults.always = {"create run": Fault.RESET}
    launch, plan = "a" * 100, way.plan()
    for _ in range(21):
        with pytest.raises(ConnectorUnavailable):
            way.launcher().launch(launch, plan, held=False)
        way.here.forward(601)
    names = [one["display_name"] for one in way.here.experiments.values()]
    assert max(map(len, names)) == 128
    assert len(names) == 21


def test_a_launch_that_is_refused_gives_its_claim_back(way: Way) -> None:
    way.here.faults.pending = [("create run", Fault.LOG_IN)]
    with pytest.raises(NotAllowed):
        way.launcher().launch("one", way.plan(), held=False)
    assert way.launcher().find("one") is None
    way.launcher().launch("one", way.plan(), held=False)
    assert way.started() == 1


def test_two_runs_with_the_marks_of_one_launch_are_unknown_and_both_ended(
    way: Way,
) -> None:
    way.launcher().launch("one", way.plan("waits"), held=False)
    [run] = way.here.runs.values()
    keys = ("display_name", "description", "experiment_id", "runtime_config")
    body = {key: run.told[key] for key in (*keys, "pipeline_version_reference")}
    way.here.add_run(body)
    found = way.launcher().find("one")
    assert found is not None
    assert (found.state, "2 runs" in found.reason) == (RunState.UNKNOWN, True)
    for _ in range(3):
        engine.step(way.here)
    usual = way.time.sleep

    def turn(seconds: float) -> None:
        usual(seconds)
        engine.step(way.here)

    way.time.sleep = turn  # type: ignore[method-assign]
    way.launcher().cancel("one", grace_seconds=0)
    assert {run.told["state"] for run in way.here.runs.values()} == {"FAILED"}


def test_a_run_of_something_else_under_its_marks_is_not_taken_for_it(way: Way) -> None:
    way.launcher().launch("one", way.plan("quick"), held=False)
    way.launcher().launch("two", way.plan("fails"), held=False)
    one, two = way.here.runs.values()
    one.told["pipeline_version_reference"] = two.told["pipeline_version_reference"]
    found = way.launcher().find("one")
    assert found is not None
    assert found.state is RunState.UNKNOWN
    assert "its plan does not name" in found.reason
    two.told["runtime_config"] = {"parameters": {"mark": "elsewhere"}}
    found = way.launcher().find("two")
    assert found is not None
    assert "parameters" in found.reason


def test_what_is_not_what_was_planned_can_be_cancelled(way: Way) -> None:
    way.launcher().launch("one", way.plan("waits"), held=False)
    [one] = way.here.runs.values()
    one.told["runtime_config"] = {"parameters": {"mark": "elsewhere"}}
    usual = way.time.sleep

    def turn(seconds: float) -> None:
        usual(seconds)
        engine.step(way.here)

    way.time.sleep = turn  # type: ignore[method-assign]
    run = way.launcher().cancel("one", grace_seconds=0)
    assert run.state is RunState.UNKNOWN  # what ended is not what the log knows
    assert one.told["state"] == "FAILED"


def other_image(spec: Json) -> Json:
    executors = spec["deploymentSpec"]["executors"]
    executors["exec-quick"]["container"]["image"] = f"other@sha256:{'cd' * 32}"
    return spec


def other_constant(spec: Json) -> Json:
    parameters = spec["root"]["dag"]["tasks"]["quick"]["inputs"]["parameters"]
    parameters["mark"] = {"runtimeValue": {"constant": "s3://other"}}
    return spec


def something_imported(spec: Json) -> Json:
    uri = {"artifactUri": {"constant": "s3://other"}}
    spec["deploymentSpec"]["executors"]["exec-other"] = {"importer": uri}
    return spec


def settings_of_the_cluster(spec: Json) -> Json:
    secret = {"secretAsEnv": [{"secretName": "other"}]}
    of_cluster = {"deploymentSpec": {"executors": {"exec-quick": secret}}}
    platform = {"platforms": {"kubernetes": of_cluster}}
    return {"pipeline_spec": spec, "platform_spec": platform}


@pytest.mark.parametrize(
    "change", [other_image, other_constant, something_imported, settings_of_the_cluster]
)
def test_another_package_under_the_name_of_its_version_is_not_run(
    way: Way, change: Callable[[Json], Json]
) -> None:
    way.launcher().launch("one", way.plan(), held=False)
    [version] = way.here.versions.values()
    version["pipeline_spec"] = change(version["pipeline_spec"])
    found = way.launcher().find("one")
    assert found is not None
    assert found.state is RunState.UNKNOWN
    with pytest.raises(ConnectorRefused, match="is not what the plan holds"):
        way.launcher().launch("two", way.plan(), held=False)
    assert way.started() == 1


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("operation", ["terminate run", "get run", "list runs"])
def test_a_cancel_whose_answer_is_lost_ends_when_the_run_has_ended(
    way: Way, fault: Fault, operation: str
) -> None:
    way.launcher().launch("one", way.plan("waits"), held=False)
    engine.step(way.here)
    engine.step(way.here)
    usual = way.time.sleep

    def turn(seconds: float) -> None:
        usual(seconds)
        engine.step(way.here)

    way.time.sleep = turn  # type: ignore[method-assign]
    way.here.faults.pending = [(operation, fault)]
    run = way.launcher().cancel("one", grace_seconds=0)
    assert run.state is RunState.CANCELLED
    assert way.here.faults.pending == []


@pytest.mark.parametrize("ends_as", ["FAILED", "CANCELED"])
def test_what_was_cancelled_is_told_so_however_the_server_tells_it(
    way: Way, ends_as: str
) -> None:
    way.here.ends_as = ends_as
    way.launcher().launch("one", way.plan("waits"), held=False)
    way.launcher().launch("two", way.plan("fails"), held=False)
    usual = way.time.sleep

    def turn(seconds: float) -> None:
        usual(seconds)
        engine.step(way.here)

    way.time.sleep = turn  # type: ignore[method-assign]
    for _ in range(4):
        engine.step(way.here)
    assert way.launcher().cancel("one", grace_seconds=0).state is RunState.CANCELLED
    found = way.launcher().find("one")
    assert found is not None
    assert (found.state, found.steps[0].state) == (
        RunState.CANCELLED,
        RunState.CANCELLED,
    )
    failed = way.launcher().cancel("two", grace_seconds=0)
    assert failed.state is RunState.FAILED
    assert way.launcher().find("two") == failed


def test_a_run_that_does_not_end_is_not_said_to_be_cancelled(way: Way) -> None:
    way.here.cancel_seconds = 10**6
    way.launcher().launch("one", way.plan("waits"), held=False)
    engine.step(way.here)
    with pytest.raises(ConnectorUnavailable, match="has not"):
        way.launcher().cancel("one", grace_seconds=1)
    found = way.launcher().find("one")
    assert found is not None
    assert (found.state, found.reason) == (RunState.RUNNING, "it is being cancelled")


def test_a_run_that_somebody_else_ends_at_the_same_time_is_ended_all_the_same(
    way: Way,
) -> None:
    way.launcher().launch("one", way.plan("waits"), held=False)
    way.here.cancel_seconds = 3
    for started in way.here.runs.values():
        engine.terminate(way.here, started)
    usual = way.time.sleep

    def turn(seconds: float) -> None:
        usual(seconds)
        engine.step(way.here)

    way.time.sleep = turn  # type: ignore[method-assign]
    run = way.launcher().cancel("one", grace_seconds=0)
    assert run.state is RunState.CANCELLED
    assert way.here.faults.seen.count("terminate run") == 1


@pytest.mark.parametrize("fault", [*AFTER_THE_EFFECT, Fault.RESET, Fault.BROKEN])
def test_a_change_whose_answer_is_lost_is_sent_once(way: Way, fault: Fault) -> None:
    way.here.faults.pending = [("create experiment", fault)]
    with pytest.raises(OutcomeUnknown):
        way.client().change(f"{BASE}/experiments", {"display_name": "x"})
    assert way.here.faults.seen == ["create experiment"]
    assert len(way.here.experiments) == (fault in AFTER_THE_EFFECT)


def test_a_server_that_is_too_slow_with_its_answer_is_not_sent_it_again(
    way: Way,
) -> None:
    way.here.faults.delays = {"create run": 1.0}
    client = KfpClient(
        endpoint(way.here.address, credentials=way.client().endpoint.credentials),
        bounds=Bounds(first_pause_seconds=0.001, answer_seconds=0.4),
        sleep=way.time.sleep,
    )
    real = Clock()
    launcher = KfpLauncher(client, way.plans, way.holds, clock=real)
    assert launcher.launch("one", way.plan(), held=False).state is RunState.PENDING
    assert way.here.faults.seen.count("create run") == 1
    assert way.started() == 1


def test_retry_after_is_waited_for_unless_it_is_too_long(way: Way) -> None:
    way.here.faults.pending = [("list runs", Fault.TOO_MANY)]
    way.here.faults.retry_after_seconds = 7
    list(way.client().pages(f"{BASE}/runs", "runs"))
    assert way.time.now == 7
    way.here.faults.pending = [("list runs", Fault.TOO_MANY)]
    way.here.faults.retry_after_seconds = 3600
    with pytest.raises(ConnectorUnavailable):
        list(way.client().pages(f"{BASE}/runs", "runs"))
    assert way.time.now == 7


def test_lists_are_read_to_their_end_at_the_largest_page(way: Way) -> None:
    for number in range(450):
        way.here.add_experiment({"display_name": f"e{number}"})
    found = list(way.client().pages(f"{BASE}/experiments", "experiments"))
    assert len({one["experiment_id"] for one in found}) == 450
    assert way.here.faults.seen == ["list experiments"] * 3


def test_what_is_added_while_a_list_is_read_hides_and_doubles_nothing(way: Way) -> None:
    way.launcher().launch("one", way.plan(), held=False)
    [run] = way.here.runs.values()
    keys = ("display_name", "description", "experiment_id", "runtime_config")
    body = {key: run.told[key] for key in (*keys, "pipeline_version_reference")}
    for _ in range(LARGEST_PAGE + 5):
        way.here.add_run(body)
    before = set(way.here.runs)
    found = []
    for one in KfpApi(way.client()).runs("display_name", "EQUALS", "one"):
        found.append(one.run_id)
        if len(found) == 1:
            way.here.add_run(body)
    assert len(found) == len(set(found))
    assert before <= set(found)


def test_a_token_that_is_renewed_in_between_is_used_at_once(way: Way) -> None:
    client = way.client()
    way.token = "expired-token-0123456789"
    with pytest.raises(NotAllowed, match="who you are"):
        client.get(f"{BASE}/runs")
    way.token = TOKEN
    client.get(f"{BASE}/runs")


@pytest.mark.parametrize(
    "address",
    [
        "http://kubeflow.example",
        "https://user:pass@kubeflow.example",
        "ftp://kubeflow.example",
        "https://",
        "https://kubeflow.example?x=1",
        "https://[kubeflow",
        "",
    ],
)
def test_an_address_that_may_not_be_spoken_to_is_refused(address: str) -> None:
    with pytest.raises(ConnectorRefused) as caught:
        endpoint(address)
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("name", ["Host", "content-length", "a b", "", "é", "x\r\nY"])
def test_a_header_that_says_nothing_of_who_asks_is_refused(name: str) -> None:
    found = endpoint("http://127.0.0.1:1", credentials=lambda: {name: Secret("x")})
    with pytest.raises(ConnectorRefused):
        found.headers()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "tok\x00en", "tokén"])
def test_a_credential_that_cannot_stand_in_a_header_is_refused_unseen(
    value: str,
) -> None:
    found = endpoint("http://127.0.0.1:1", credentials=lambda: {"X-A": Secret(value)})
    with pytest.raises(ConnectorRefused) as caught:
        found.headers()
    assert value not in shown_by_ours(caught.value)


@pytest.mark.parametrize("header", ["Authorization", "Cookie", "kubeflow-userid"])
@pytest.mark.parametrize("is_let_in", [True, False])
def test_credentials_show_in_no_log_error_or_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, header: str, is_let_in: bool
) -> None:
    """Whether the server repeats them, and with the variables of every call shown."""
    values = {"Authorization": f"Bearer {TOKEN}", "Cookie": COOKIE}
    value = values.get(header, "ana-very-secret@example.org")
    wanted = value if is_let_in else "another"
    here = Installation(header=(header, wanted))
    caplog.set_level(logging.DEBUG)
    with serving(here):
        client = KfpClient(
            endpoint(here.address, credentials=lambda: {header: Secret(value)}),
            bounds=Bounds(first_pause_seconds=0.001, attempts=2),
            sleep=lambda _: None,
        )
        if is_let_in:
            client.get(f"{BASE}/runs")
            here.faults.is_down = True
        with pytest.raises(ConnectorError) as caught:
            client.get(f"{BASE}/runs")
    gc.collect()
    told = [str(caught.value), caught.value.hint, repr(client.endpoint), caplog.text]
    secret = value.removeprefix("Bearer ").rpartition("=")[2]
    assert secret not in "".join([*told, shown_by_ours(caught.value)])


def test_what_a_stranger_writes_where_ours_stands_is_refused_not_believed(
    way: Way,
) -> None:
    way.here.add_experiment(
        {
            "display_name": f"countersign/one.{sha256(b'one').hexdigest()[:12]}",
            "description": "mine now",
        }
    )
    with pytest.raises(ConnectorError):
        way.launcher().find("one")
    with pytest.raises(ConnectorError):
        way.launcher().launch("one", way.plan(), held=False)
    assert way.started() == 0


def test_one_damaged_run_does_not_hide_the_others(way: Way) -> None:
    for launch in ("one", "two"):
        way.launcher().launch(launch, way.plan(), held=False)
    first = next(iter(way.here.runs.values()))
    first.told["run_details"] = {"task_details": [{"start_time": "2026-11-26"}]}
    states = {run.launch: run.state for run in way.launcher().runs()}
    assert states == {"one": RunState.UNKNOWN, "two": RunState.PENDING}


def test_the_plan_holds_what_is_sent_to_the_byte(way: Way) -> None:
    plan = way.plan("quick")
    sent = json.loads("\n".join(plan.manifest))
    package = "\n".join(sent["package"])
    assert package == (way.folder / "quick.yaml").read_text()
    way.launcher().launch("one", plan, held=False)
    [run], [version] = way.here.runs.values(), way.here.versions.values()
    assert run.told["runtime_config"] == sent["run"]["runtime_config"]
    assert version["name"] == sent["version"]["name"]
