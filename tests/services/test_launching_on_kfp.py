"""Launching on Kubeflow Pipelines: held in the log, released, run, ended, recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.errors import ConnectorRefused
from connectors.pipelines.protocols import CanStreamLogs, RunState
from console.reports.launches import check_launches
from console.reports.whole_log import WholeLog
from console.services.configuration import SourceSetting
from console.services.pipelines.cancelling import Cancelled, cancel_launch
from console.services.pipelines.launch_log import known_launch
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.recording import record_run
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.repeating import once_more
from console.services.pipelines.viewing import list_launches
from console.services.problems import Refusal, Undecided
from console.services.signing import act_as_service
from policies.predicates import Decision, OutcomeKind
from policies.predicates.operations import CancelResult
from policies.trust_root import ServiceKind
from store.queries.sql import fetch
from tests.contract.kfp_launching import IMAGE
from tests.contract.kfp_server.faults import Fault
from tests.services.kfp_launching import KfpWorld, kfp_world
from tests.worlds import World

FIT = Decided(Decision.APPROVE, "fit to run")


@pytest.fixture
def there(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpWorld]:
    with kfp_world(world, monkeypatch) as found:
        yield found


def rows(there: KfpWorld, query: str) -> list[dict[str, object]]:
    there.store.projection.catch_up()
    with there.store.projection.reading() as connection:
        return [dict(row) for row in fetch(connection, query)]


def record(there: KfpWorld, launch: str = "one") -> None:
    store = there.store
    service = act_as_service(store, store.state(), ServiceKind.IMPORT)
    record_run(store, service, launcher_of_all(store), launch)


def test_without_a_policy_nothing_goes_there(there: KfpWorld) -> None:
    with pytest.raises(Refusal, match="a policy for this launch"):
        there.launch()
    assert there.here.faults.seen == []


def test_it_is_held_in_the_log_released_by_another_run_and_recorded(
    there: KfpWorld,
) -> None:
    there.put_policy()
    people, store = there.world.people, there.store
    there.world.hire("vera", "guard")
    done = there.launch("one", "quick", "talks")
    assert done.run.state is RunState.SUSPENDED
    assert {seen.partition(" ")[0] for seen in there.here.faults.seen} == {"list"}
    everywhere = launcher_of_all(store)
    with pytest.raises(Refusal):
        release(store, people["dana"], everywhere, "one", None)
    with pytest.raises(ConnectorRefused, match="released"):
        everywhere.release("one")
    release(store, people["vera"], everywhere, "one", FIT)
    assert there.runs() == []
    release(store, people["dana"], everywhere, "one", None)
    [run] = there.runs()
    there.run_on()
    [line] = list_launches(store, everywhere)
    assert (line.run.state, line.run.backend) == (RunState.SUCCEEDED, "kfp")
    assert [step.name for step in line.run.steps] == ["quick", "talks"]
    record(there)
    tags = {r["name"]: r["text"] for r in rows(there, "SELECT name, text FROM tag")}
    assert tags["countersign.launch.images"] == IMAGE
    assert tags["countersign.launch.place"] == done.plan.place
    assert tags["countersign.told.kfp.run"] == run["run_id"]
    assert tags["countersign.told.wrote.quick.data"] == "artifact 1"
    record_of = known_launch(store, "one", store.state())
    assert [entry.held for _, entry in record_of.intents] == [True, False]
    assert record_of.outcomes[-1][1].outcome is OutcomeKind.DONE


def test_artifacts_and_the_run_on_mlflow_become_lineage_where_they_are_told(
    there: KfpWorld,
) -> None:
    there.here.has_tasks = True
    there.here.has_mlflow = "http://127.0.0.1:9"
    there.put_policy(is_released=False)
    there.reopen(tracking=SourceSetting("http://127.0.0.1:9"))
    there.launch()
    there.run_on()
    record(there)
    edges = {
        (r["name"], r["object"], r["strength"])
        for r in rows(there, "SELECT name, object, strength FROM edge")
    }
    [run] = there.runs()
    tracked = run["run_id"].replace("-", "")
    assert ("contains", f"run:tracking/{tracked}", "declared") in edges
    [wrote] = [target for relation, target, _ in edges if relation == "wrote"]
    assert "s3%3A%2F%2Fmlpipeline%2Fv2%2Fone%2Fquick%2Fdata" in str(wrote)
    assert "none" in str(wrote)


def test_what_was_cancelled_before_it_was_sent_is_never_sent(there: KfpWorld) -> None:
    there.put_policy()
    there.world.hire("vera", "guard")
    there.launch()
    everywhere = launcher_of_all(there.store)
    assert everywhere.cancel("one", grace_seconds=1).state is RunState.CANCELLED
    assert there.launch().run.state is RunState.CANCELLED
    with pytest.raises(Refusal, match="cancelled"):
        release(there.store, there.world.people["vera"], everywhere, "one", FIT)
    record(there)
    assert there.runs() == []


def cancel(there: KfpWorld) -> Cancelled:
    return cancel_launch(
        there.store,
        launcher_of_all(there.store),
        "one",
        lambda: there.world.people["dana"],
        grace_seconds=60,
    )


@pytest.mark.parametrize("is_released", [True, False], ids=["held", "sent"])
def test_who_cancelled_it_is_in_the_log(there: KfpWorld, is_released: bool) -> None:
    there.put_policy(is_released=is_released)
    there.launch("one", "waits")
    there.here.steps_on_get = True
    done = cancel(there)
    assert (done.result, done.is_new) == (CancelResult.CANCELLED, True)
    again = cancel(there)
    assert (again.result, again.entry) == (CancelResult.WAS_CANCELLED, done.entry)
    assert there.launch("one", "waits").run.state is RunState.CANCELLED
    [line] = list_launches(there.store, launcher_of_all(there.store))
    assert line.cancellation is not None
    assert line.cancellation.entry == done.entry
    assert not line.is_cancelled_in_silence
    assert check_launches(WholeLog(there.store)) == []


def test_an_endpoint_that_is_down_leaves_its_end_unknown(there: KfpWorld) -> None:
    there.put_policy(is_released=False)
    there.launch("one", "waits")
    there.here.steps_on_get = True
    there.here.faults.is_down = True
    done = cancel(there)
    assert (done.result, done.is_new) == (CancelResult.UNKNOWN, True)
    there.here.faults.is_down = False
    assert cancel(there).result is CancelResult.CANCELLED


def test_a_retry_is_the_same_once_more_under_an_id_of_its_own(there: KfpWorld) -> None:
    there.put_policy(is_released=False)
    done = there.launch()
    with pytest.raises(Refusal, match="only what has ended"):
        once_more(there.store, launcher_of_all(there.store), "one")
    there.run_on()
    launcher = launcher_of_all(there.store).of("one")
    asked = once_more(there.store, launcher, "one")
    assert launcher.plan(asked.request).digest == done.plan.digest


def test_an_endpoint_that_is_down_hides_nothing_of_the_others(there: KfpWorld) -> None:
    there.put_policy(is_released=False)
    there.launch()
    there.here.faults.is_down = True
    [line] = list_launches(there.store, launcher_of_all(there.store))
    assert line.run.state is RunState.UNKNOWN
    assert "does not answer" in line.run.reason


def test_what_is_held_there_and_what_runs_there_are_listed_together(
    there: KfpWorld,
) -> None:
    there.put_policy(is_released=False)
    there.launch("one")
    there.put_policy(version=2)
    there.launch("two")
    there.launch("three")
    launcher = open_launcher(there.store, "kfp")
    launcher_of_all(there.store).cancel("three", grace_seconds=0)
    found = {run.launch: run.state for run in launcher.runs()}
    assert found == {
        "one": RunState.PENDING,
        "two": RunState.SUSPENDED,
        "three": RunState.CANCELLED,
    }


def test_it_tells_of_no_log(there: KfpWorld) -> None:
    there.put_policy(is_released=False)
    there.launch()
    assert not isinstance(open_launcher(there.store, "kfp"), CanStreamLogs)
    with pytest.raises(ConnectorRefused, match="shows no logs"):
        list(launcher_of_all(there.store).log_lines("one"))


def test_a_name_that_leads_elsewhere_by_now_is_refused(there: KfpWorld) -> None:
    there.put_policy(is_released=False)
    there.launch()
    there.here.address = "https://elsewhere.example"
    there.reopen()
    [line] = list_launches(there.store, launcher_of_all(there.store))
    assert line.run.state is RunState.UNKNOWN
    assert "leads to" in line.run.reason


def test_an_answer_that_is_lost_for_good_is_undecided_and_ends_with_one_run(
    there: KfpWorld,
) -> None:
    there.put_policy(is_released=False)
    there.here.loses = frozenset({"one"})
    there.here.faults.pending = [("create run", Fault.LOSE_ANSWER)]
    with pytest.raises(Undecided, match="not known whether"):
        there.launch()
    with pytest.raises(Undecided):
        there.launch()
    there.here.loses = frozenset()
    assert there.launch().run.state is RunState.PENDING
    assert len(there.runs()) == 1
    record_of = known_launch(there.store, "one", there.store.state())
    assert (len(record_of.intents), len(record_of.outcomes)) == (1, 1)
