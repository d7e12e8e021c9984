"""Nothing that is held goes to Kubeflow Pipelines before a verdict of yes, whatever
fails on the way; and nothing that goes there goes twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from connectors.errors import ConnectorError
from connectors.pipelines.protocols import RunState
from console.services.founding import activate_policy
from console.services.pipelines.launch_log import known_launch
from console.services.pipelines.launchers import launcher_of_all, open_launcher
from console.services.pipelines.releasing import Decided, release
from console.services.problems import Refusal, Undecided
from policies.predicates import Decision, OutcomeKind
from tests.contract.kfp_server.faults import Fault
from tests.contract.kfp_server.installation import Object
from tests.pipelines import POLICY
from tests.services.kfp_launching import TOKEN, KfpWorld, kfp_world
from tests.worlds import World

FIT = Decided(Decision.APPROVE, "fit to run")
UNFIT = Decided(Decision.REJECT, "not today")
FAULTS = (*Fault, None)
ASKED = ("list runs", "list experiments", "create run", "create experiment", "*")
"""Where a fault lies: what is asked and sent on the way, and everything."""


@pytest.fixture
def there(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpWorld]:
    with kfp_world(world, monkeypatch) as found:
        found.put_policy()
        world.hire("vera", "guard")
        yield found


def nothing_decided(there: KfpWorld) -> None:
    """Held, and nobody has said anything."""


def rejected(there: KfpWorld) -> None:
    everywhere = launcher_of_all(there.store)
    release(there.store, there.world.people["vera"], everywhere, "one", UNFIT)


def released_under_an_older_policy(there: KfpWorld) -> None:
    everywhere = launcher_of_all(there.store)
    release(there.store, there.world.people["vera"], everywhere, "one", FIT)
    there.put_policy(version=2)


def released_and_then_unknown(there: KfpWorld) -> None:
    """The policy asks for what a launch does not have: it cannot be told."""
    everywhere = launcher_of_all(there.store)
    release(there.store, there.world.people["vera"], everywhere, "one", FIT)
    text = POLICY.format(version=2, require="commit_known", role="guard")
    activate_policy(there.store, there.world.people["dana"], text.encode())


def every_way_to_start(there: KfpWorld) -> Iterator[Callable[[], object]]:
    store, dana = there.store, there.world.people["dana"]
    everywhere = launcher_of_all(store)
    plan = open_launcher(store, "kfp").plan(there.request())
    yield lambda: release(store, dana, everywhere, "one", None)
    yield lambda: there.launch()
    yield lambda: everywhere.release("one")
    yield lambda: open_launcher(store, "kfp").launch("one", plan, held=False)


@pytest.mark.parametrize(
    "decided",
    [
        nothing_decided,
        rejected,
        released_under_an_older_policy,
        released_and_then_unknown,
    ],
)
def test_what_is_refused_or_unknown_is_not_sent_whatever_fails(
    there: KfpWorld, decided: Callable[[KfpWorld], None]
) -> None:
    assert there.launch().run.state is RunState.SUSPENDED
    decided(there)
    faults = there.here.faults
    for asked in ASKED:
        for fault in FAULTS:
            for start in every_way_to_start(there):
                faults.always = {} if fault is None else {asked: fault}
                if asked == "*" and fault is not None:
                    faults.always, faults.pending = {}, [("*", fault)] * 3
                with contextlib.suppress(ConnectorError, Refusal, Undecided):
                    start()
                faults.pending = []
                assert there.runs() == []
    assert "create run" not in faults.seen
    record = known_launch(there.store, "one", there.store.state())
    assert [entry.held for _, entry in record.intents] == [True]


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("asked", ASKED[:4])
def test_what_is_released_is_sent_once_whatever_fails_and_however_often_it_is_tried(
    there: KfpWorld, fault: Fault, asked: str
) -> None:
    people, store = there.world.people, there.store
    there.launch()
    everywhere = launcher_of_all(store)
    release(store, people["vera"], everywhere, "one", FIT)
    there.here.faults.always = {asked: fault}
    for _ in range(2):
        with contextlib.suppress(ConnectorError, Refusal, Undecided):
            release(store, people["dana"], launcher_of_all(store), "one", None)
    assert len(there.runs()) <= 1
    there.here.faults.always = {}
    there.here.forward(601)
    with contextlib.suppress(Refusal):
        # A refusal ended it, or an answer told that it had begun.
        release(store, people["dana"], launcher_of_all(store), "one", None)
    with contextlib.suppress(Refusal):
        there.launch()
    record = known_launch(store, "one", store.state())
    is_done = record.ended is not None and "refused" not in record.ended.read_back
    assert len(there.runs()) == int(is_done)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("answer", [None, Fault.LOSE_ANSWER, Fault.CUT_BODY])
def test_what_was_sent_and_cannot_be_looked_at_is_not_said_to_have_failed(
    there: KfpWorld, fault: Fault, answer: Fault | None
) -> None:
    there.put_policy(is_released=False, version=2)
    here, usual = there.here, there.here.add_run

    def from_then_on(body: Object) -> Object:
        looked = ("list runs", "get run", "get version", "list experiments")
        here.faults.always = dict.fromkeys(looked, fault)
        return usual(body)

    here.add_run = from_then_on  # type: ignore[method-assign]
    here.faults.pending = [("create run", answer)] if answer else []
    # A single 401 is overcome where it does not come again; this one does.
    with pytest.raises(Undecided, match="not known whether"):
        there.launch()
    record = known_launch(there.store, "one", there.store.state())
    assert record.ended is None
    here.faults.always = {}
    assert there.launch().run.state is RunState.PENDING
    assert len(there.runs()) == 1
    record = known_launch(there.store, "one", there.store.state())
    assert record.ended is not None
    assert record.ended.outcome is OutcomeKind.DONE


def test_a_policy_that_changes_while_it_is_not_known_whether_it_was_sent_decides(
    there: KfpWorld,
) -> None:
    """What was claimed and never shown is judged again before it is sent again."""
    there.put_policy(is_released=False, version=2)
    there.here.faults.always = {"create run": Fault.RESET}
    with pytest.raises(Undecided):
        there.launch()
    there.here.faults.always = {}
    there.here.forward(601)
    found = launcher_of_all(there.store).find("one")
    assert found is not None
    assert found.state is RunState.UNKNOWN
    there.put_policy(version=3)
    with pytest.raises(Refusal, match="would now have to be released"):
        there.launch()
    assert there.runs() == []


def test_a_token_is_in_no_plan_statement_object_or_answer(
    there: KfpWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    there.put_policy(is_released=False, version=2)
    done = there.launch()
    there.token_file.write_text("another-token-of-nobody")
    with pytest.raises(ConnectorError) as caught:
        launcher_of_all(there.store).find("one")
    there.token_file.write_text(f"{TOKEN}\n")
    assert launcher_of_all(there.store).find("one") is not None
    kept = b"".join(
        path.read_bytes()
        for path in there.world.folder.rglob("*")
        if path.is_file() and path != there.token_file
    )
    assert TOKEN.encode() not in kept
    assert TOKEN not in repr(done) + str(caught.value) + caplog.text
    assert "another-token" not in str(caught.value)
