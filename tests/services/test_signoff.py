"""Sign-off on the sample history: who may, what binds, and what makes it stale."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from console.services import scanning
from console.services.checkpoints import verify_log
from console.services.demonstration import MODEL
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.importing import import_address
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.problems import Refusal, Undecided
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.signing import Acting, act_as_person, act_as_service
from console.services.signoff import answer_request, request_transition, withdraw
from console.services.standing import incomplete_records, unapproved_changes
from policies.predicates import Decision
from policies.trust_root import ServiceKind
from policies.verdict import exit_code
from store.errors import StoreRefused
from store.facts import Fact, FactKind

As = Callable[[str], Acting]
CURRENT = f"model:{MODEL}@6"
OTHER = f"model:{MODEL}@2"
"""Asked for in `eu`, where no version holds the stage yet."""


@pytest.fixture
def acting(demo_store: OpenStore) -> As:
    """Somebody of the demonstration, by the name of their key."""

    def act(name: str) -> Acting:
        path = str(demo_store.places.keys / f"{name}.pem")
        return act_as_person(demo_store, demo_store.state(), path, lambda _: None)

    return act


def ask(store: OpenStore, who: Acting, number: str = "2") -> str:
    version = find_version(store, f"model:{MODEL}@{number}")
    where = "default" if number == "6" else "eu"
    made = request_transition(store, who, version, "production", where, "because")
    return made.appended.statement_id


def answer(
    store: OpenStore, who: Acting, request: str, decision: Decision = Decision.APPROVE
) -> None:
    sheet = review_sheet(
        store, find_request(store, request, store.state()), store.state()
    )
    answer_request(store, who, sheet, decision, "read it")


def code(store: OpenStore, reference: str, **options: str) -> int:
    where = "default" if reference == CURRENT else "eu"
    return exit_code(gate(store, reference, "production", where, **options).tree)


def test_the_gate_says_no_then_yes_and_still_yes_beside_other_entries(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    assert code(demo_store, OTHER) == 1
    answer(demo_store, acting("vera"), request)
    assert code(demo_store, OTHER) == 1
    answer(demo_store, acting("rik"), request)
    assert code(demo_store, OTHER) == 0
    policy = demo_store.objects.get(demo_store.policies(demo_store.state())[0].digest)
    other = policy.replace(b'"diabetes-production"', b'"unrelated"').replace(
        b"diabetes-*", b"nothing-like-it"
    )
    activate_policy(demo_store, acting("dana"), other)
    assert code(demo_store, OTHER) == 0
    promote(
        demo_store,
        acting("rik"),
        find_request(demo_store, request, demo_store.state()),
        environment={},
    )
    assert code(demo_store, OTHER) == 0
    assert code(demo_store, CURRENT) == 0
    assert verify_log(demo_store, deep=True).problems == ()


def test_a_promoted_version_whose_file_changed_is_refused_and_the_file_named(
    demo_store: OpenStore,
) -> None:
    assert code(demo_store, CURRENT) == 0
    location = find_version(demo_store, CURRENT).location.removeprefix(
        "mlflow-artifacts:/"
    )
    folder = demo_store.folder.parents[2] / "sample" / "mlartifacts" / location
    with open(folder / "model.pkl", "ab") as stream:
        stream.write(b"x")
    judged = gate(demo_store, CURRENT, "production", "default")
    assert exit_code(judged.tree) == 1
    wrong = [n for n in judged.tree.leaves() if n.verdict.value == "no"]
    assert [n.rule for n in wrong] == ["bytes-unchanged"]
    assert "model.pkl" in wrong[0].observed
    assert code(demo_store, CURRENT, artifact_folder=str(folder)) == 1


def test_an_artifact_out_of_reach_is_not_a_yes(demo_store: OpenStore) -> None:
    (demo_store.folder.parents[2] / "sample" / "mlartifacts").rename(
        demo_store.folder / "moved"
    )
    assert code(demo_store, CURRENT) == 3


def test_the_requester_cannot_approve_and_nobody_without_the_role(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    with pytest.raises(Refusal, match="none of the roles"):
        answer(demo_store, acting("ana"), request)
    with pytest.raises(Refusal, match="none of the roles"):
        answer(demo_store, acting("dana"), request)


def test_a_rejection_blocks_until_it_is_withdrawn(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    answer(demo_store, acting("vera"), request)
    answer(demo_store, acting("rik"), request, Decision.REJECT)
    assert code(demo_store, OTHER) == 1
    state = demo_store.state()
    record = find_request(demo_store, request, state)
    rejection = record.answers[-1][0].id
    with pytest.raises(StoreRefused, match="only who signed"):
        withdraw(demo_store, acting("vera"), f"statement:{rejection}", "mine now")
    withdraw(demo_store, acting("rik"), f"statement:{rejection}", "I misread")
    assert code(demo_store, OTHER) == 1
    answer(demo_store, acting("rik"), request)
    assert code(demo_store, OTHER) == 0


def test_a_new_policy_makes_approvals_stale_and_the_gate_says_so(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    for name in ("vera", "rik"):
        answer(demo_store, acting(name), request)
    current = next(
        p
        for p in demo_store.policies(demo_store.state())
        if p.id.startswith("diabetes")
    )
    changed = demo_store.objects.get(current.digest).replace(
        b"version = 1", b"version = 2"
    )
    activate_policy(demo_store, acting("dana"), changed)
    judged = gate(demo_store, OTHER, "production", "eu")
    assert exit_code(judged.tree) == 1
    stale = [n.observed for n in judged.tree.leaves() if "STALE" in n.observed]
    assert len(stale) == 2
    assert "version 2" in stale[0]
    assert code(demo_store, CURRENT) == 0
    with pytest.raises(Refusal, match="verdict is no"):
        promote(
            demo_store,
            acting("rik"),
            find_request(demo_store, request, demo_store.state()),
            environment={},
        )


def test_evidence_that_changed_since_the_request_is_not_signed(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    version = find_version(demo_store, OTHER)
    from console.services.importing import import_source
    from tests.worlds import ToldSource

    relogged = Fact(
        kind=FactKind.METRIC,
        subject=version.run_key,
        name="rmse",
        text="1.0",
        number=1.0,
        step=99,
    )
    service = act_as_service(demo_store, demo_store.state(), ServiceKind.IMPORT)
    import_source(demo_store, service, ToldSource("mlflow", [relogged]))
    with pytest.raises(Refusal, match="evidence changed since the request: metrics"):
        answer(demo_store, acting("vera"), request)


def test_a_promotion_needs_a_yes_and_a_promoter(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    record = find_request(demo_store, request, demo_store.state())
    size = demo_store.index.size
    with pytest.raises(Refusal, match="nothing was changed"):
        promote(demo_store, acting("rik"), record, environment={})
    assert demo_store.catch_up() == size
    for name in ("vera", "rik"):
        answer(demo_store, acting(name), request)
    with pytest.raises(StoreRefused, match="does not hold the role 'promoter'"):
        promote(demo_store, acting("ana"), record, environment={})


def test_a_machine_that_confirmed_no_anchor_decides_nothing(
    demo_store: OpenStore,
) -> None:
    (demo_store.folder / "anchor").unlink()
    with pytest.raises(Undecided) as caught:
        code(demo_store, CURRENT)
    assert demo_store.first_root in caught.value.hint


def test_who_trained_and_wrote_is_recorded_although_two_sources_tell_of_the_run(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    state = demo_store.state()
    text = review_sheet(
        demo_store, find_request(demo_store, request, state), state
    ).text
    assert "trained by:   mlflow:ana (claimed)" in text
    assert "git:ana@example.org" in text


def test_the_same_request_twice_is_refused(demo_store: OpenStore, acting: As) -> None:
    ask(demo_store, acting("ana"))
    with pytest.raises(Refusal, match="asks for this already"):
        ask(demo_store, acting("bo"))
    with pytest.raises(Refusal, match="already"):
        ask(demo_store, acting("ana"), "6")


def test_the_sample_s_problems_are_found_by_itself(demo_store: OpenStore) -> None:
    found = incomplete_records(demo_store)
    gaps = {
        f"{s.version.model}@{s.version.version}": {g.code for g in s.gaps}
        for s in found
    }
    assert gaps["diabetes-progression@3"] == {"dirty-tree"}
    assert "no-dataset" in gaps["diabetes-progression@4"]
    assert gaps["tumour-screening@2"] == {"altered-after-registration"}
    assert gaps["tumour-screening@3"] == {"no-signature"}
    assert gaps["diabetes-progression@6"] == set()
    moved = {(c.model, c.registry, c.approved) for c in unapproved_changes(demo_store)}
    assert ("mlflow/diabetes-progression", "5", "6") in moved


def test_facts_set_aside_for_many_versions_say_what_all_facts_say(
    demo_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = scanning.scan(demo_store)
    monkeypatch.setattr(scanning, "_VERSIONS_AT_ONCE", 2)
    assert scanning.scan(demo_store) == together
    monkeypatch.setattr(scanning, "narrowed_to", lambda *_: nullcontext())
    assert scanning.scan(demo_store) == together
    assert scanning.scan(demo_store, most=3) == together[:3]
    assert len(together) == 9


def test_importing_the_sample_again_adds_nothing(demo_store: OpenStore) -> None:
    sample = demo_store.folder.parents[2] / "sample"
    service = act_as_service(demo_store, demo_store.state(), ServiceKind.IMPORT)
    reports = import_address(demo_store, service, str(sample))
    assert {report.source for report in reports} >= {
        "mlflow",
        "openlineage",
        "training",
    }
    assert [report.new for report in reports] == [{}] * len(reports)


def test_nothing_but_the_sample_is_read(demo_store: OpenStore, tmp_path: Path) -> None:
    assert all(
        str(tmp_path) in setting.address for setting in demo_store.sources().values()
    )
