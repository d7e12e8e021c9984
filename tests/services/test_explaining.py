"""What a transition needs, explained on the sample history."""

from __future__ import annotations

import pytest

from console.cli.authoring import explained_lines
from console.rendering import width_of
from console.services.demonstration import MODEL, Demonstrated
from console.services.explained import Explained, Point, Standing
from console.services.explaining import explain
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.opened import OpenStore
from console.services.signing import act_as_person
from policies.errors import MalformedPolicy
from policies.verdict import Verdict
from store.errors import UnknownReference


def told(store: OpenStore, number: str, environment: str = "default") -> Explained:
    return explain(store, f"model:{MODEL}@{number}", "production", environment)


def point(explained: Explained, name: str) -> Point:
    return next(p for p in explained.points if p.name == name)


def test_a_version_nobody_asked_for_is_told_what_it_lacks_and_who_could_sign(
    demo_store: OpenStore,
) -> None:
    found = told(demo_store, "4")
    assert found.request == ""
    assert point(found, "error-is-small").standing is Standing.UNKNOWN
    assert point(found, "bytes-unchanged").standing is Standing.MET
    approval = point(found, "approval by 1 x validator")
    assert approval.standing is Standing.NOT_MET
    assert approval.could_sign == ("Vera Novak",)
    assert [gap.code for gap in found.gaps] == ["no-dataset", "no-evaluation-dataset"]
    assert found.next_step == (
        f"countersign request model:mlflow/{MODEL}@4 --to production --reason TEXT"
    )


def test_another_environment_is_part_of_the_next_command(
    demo_store: OpenStore,
) -> None:
    assert " --env eu " in told(demo_store, "2", "eu").next_step


def test_an_open_request_says_of_every_point_what_the_gate_says(
    demo_store: OpenStore,
) -> None:
    found = told(demo_store, "5")
    judged = gate(demo_store, f"model:{MODEL}@5", "production", "default").tree
    refused = {
        child.rule
        for part in judged.children
        for child in ((part,) if not part.children else part.children)
        if child.verdict is not Verdict.YES
    }
    open_points = {p.name for p in found.points if p.standing is not Standing.MET}
    assert open_points == refused
    assert found.next_step.startswith("countersign withdraw request:")


def test_every_open_point_of_a_request_names_what_to_do(
    demo_store: OpenStore,
) -> None:
    found = told(demo_store, "5")
    for one in found.points:
        assert bool(one.next_step) is (one.standing is not Standing.MET), one.name
    rejected = point(found, "no rejection stands").next_step
    statement = rejected.partition("statement:")[2].partition(" ")[0]
    assert len(statement) == 12
    assert [e for e in demo_store.index.statements_starting(statement)]
    approval = point(found, "approval by 1 x risk")
    assert approval.next_step.startswith("countersign approve request:")


def test_a_role_nobody_holds_is_to_be_given_to_somebody(demo_store: OpenStore) -> None:
    key = str(demo_store.places.keys / "dana.pem")
    dana = act_as_person(demo_store, demo_store.state(), key, lambda _: None)
    current = demo_store.policies(demo_store.state())[0]
    data = demo_store.objects.get(current.digest)
    data = data.replace(b"version = 1", b"version = 2")
    activate_policy(demo_store, dana, data.replace(b'"validator"', b'"auditor"'))
    approval = point(told(demo_store, "4"), "approval by 1 x auditor")
    assert approval.could_sign == ()
    assert approval.next_step.endswith("countersign key enrol OFFER --role auditor")


def test_a_version_in_the_stage_is_explained_by_its_promotion(
    demo_store: OpenStore,
) -> None:
    found = told(demo_store, "6")
    assert found.is_held
    assert all(p.standing is Standing.MET for p in found.points)
    assert found.next_step.startswith("countersign gate model:")


def test_what_no_policy_covers_and_what_there_is_not_are_told_so(
    demo_store: OpenStore,
) -> None:
    with pytest.raises(MalformedPolicy, match="no policy in force covers"):
        explain(demo_store, f"model:{MODEL}@2", "nowhere", "default")
    with pytest.raises(UnknownReference):
        told(demo_store, "99")


def test_a_policy_that_changed_since_is_told_rule_by_rule(
    demo_store: OpenStore,
) -> None:
    current = demo_store.policies(demo_store.state())[0]
    data = demo_store.objects.get(current.digest).replace(b'"55.0"', b'"54.0"')
    key = str(demo_store.places.keys / "dana.pem")
    dana = act_as_person(demo_store, demo_store.state(), key, lambda _: None)
    activate_policy(demo_store, dana, data.replace(b"version = 1", b"version = 2"))
    found = told(demo_store, "5")
    assert [change.partition(":")[0] for change in found.policy_changes] == [
        "error-is-small stricter"
    ]
    assert found.next_step.startswith("countersign withdraw ")
    assert any("approvals are stale" in line for line in explained_lines(found))
    assert told(demo_store, "4").policy_changes == ()


def test_it_reads_at_eighty_columns_commands_aside(demo_store: OpenStore) -> None:
    for number in ("4", "5", "6"):
        for line in explained_lines(told(demo_store, number)):
            assert width_of(line) <= 80 or "countersign " in line


def test_the_command_reads_a_file_without_a_store_and_a_version_with_one(
    demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from console.cli import main
    from tests.conftest import REPOSITORY

    path = REPOSITORY / "docs" / "policy-vectors" / "good-smallest.toml"
    assert main(["policy", "explain", str(path)]) == 0
    assert capsys.readouterr().out.startswith("# production, version 1\n")
    bad = path.with_name("bad-float.toml")
    assert main(["policy", "explain", str(bad)]) == 2
    assert main(["policy", "explain", "no-such-file.toml"]) == 2
    assert "there is no file" in capsys.readouterr().err
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
    assert main(["policy", "explain", "diabetes-production"]) == 0
    assert capsys.readouterr().out.startswith("# diabetes-production, version 1\n")
    assert main(["policy", "explain", "diabetes"]) == 2
    reference = f"model:{MODEL}@5"
    assert main(["policy", "explain", reference]) == 2
    assert main(["policy", "explain", reference, "--to", "production"]) == 0
    assert "could sign: Rik Jansen" in capsys.readouterr().out
