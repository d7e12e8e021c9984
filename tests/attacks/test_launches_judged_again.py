"""Forged histories of launches: what an operator's own program writes into the log.

Each entry is accepted or void by its form and its signer's roles; whether what it says
follows from policy, plan and people is found by whoever verifies the auditor's file.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.pipelines.protocols import CanCancel
from console.cli import main
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit, write_zip
from console.reports.verification import Verified, verify_file
from console.services.checkpoints import make_checkpoint
from console.services.founding import activate_policy
from console.services.pipelines.launch_log import launch_record
from console.services.pipelines.launchers import open_launcher
from console.services.signing import append, sign_statement
from policies.predicates import (
    Decision,
    OutcomeKind,
    Revocation,
    RevocationCause,
    RevokedKind,
    Withdrawal,
)
from policies.predicates.operations import LaunchIntent, LaunchOutcome, LaunchRelease
from policies.verdict import Node, Verdict
from store.backend import entry_path
from store.identifiers import launched_pipeline_key
from store.objects import sha256_hex
from tests.pipelines import POLICY, commit_all, launch_in, make_project, put_policy
from tests.worlds import World

REASON = b'{"salt":"","text":"fit to run"}'


@pytest.fixture
def held(world: World, tmp_path: Path) -> Iterator[LaunchIntent]:
    """A launch that olga declared as she should, and that waits for a guard."""
    put_policy(world)
    world.hire("olga", "operator", "guard")
    world.hire("vera", "guard")
    world.hire("otto", "validator")
    project = make_project(tmp_path / "code")
    commit_all(project)
    launch_in(world, project, "one", by="olga")
    record = launch_record(world.store, "one", world.store.state())
    assert record is not None
    yield record.intent
    launcher = open_launcher(world.store)
    assert isinstance(launcher, CanCancel)
    launcher.cancel("one", grace_seconds=0)


def put(world: World, by: str, said: object, at: str = "") -> tuple[str, str]:
    """Write an entry as any program could; its id, and what it counts for."""
    subject = ("pipeline/tried", getattr(said, "definition", "a" * 64))
    moment = at or world.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    prefix = world.store.prefix()
    envelope = sign_statement(world.people[by], said, subject, prefix, moment)
    index = world.store.index.size
    assert world.store.backend.put_if_absent(entry_path(index), envelope.to_bytes())
    world.store.catch_up()
    entry = world.store.index.entry(index)
    assert entry is not None
    return envelope.statement_id, entry.judgement.standing.value


def intent_of(world: World) -> str:
    record = launch_record(world.store, "one", world.store.state())
    assert record is not None
    return record.entry.id


def release(world: World, held: LaunchIntent, by: str, **more: object) -> None:
    """Sign a release of the held launch, whoever it is by."""
    said = LaunchRelease(
        intent=intent_of(world),
        launch="one",
        pipeline=held.pipeline,
        environment=held.environment,
        definition=held.definition,
        policy=held.policy,
        decision=Decision.APPROVE,
        role="guard",
        reason=world.store.objects.put(REASON),
    )
    assert put(world, by, replace(said, **more))[1] == "accepted"  # type: ignore[arg-type]


def let_go(world: World, held: LaunchIntent, **more: object) -> str:
    """Declare that it starts, with a verdict of one's own making; and that it did."""
    verdict = Node("pipeline/tried: launch in default", Verdict.YES, "all is well")
    said = replace(
        held,
        held=False,
        takes_over=intent_of(world),
        judged_at=world.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        verdict=world.store.objects.put(verdict.to_bytes()),
    )
    said = replace(said, **more)  # type: ignore[arg-type]
    found, standing = put(world, "olga", said)
    assert standing == "accepted"
    put(world, "olga", outcome(found, said))
    return found


def outcome(of: str, intent: LaunchIntent, **more: object) -> LaunchOutcome:
    said = LaunchOutcome(
        of,
        intent.pipeline,
        intent.environment,
        OutcomeKind.DONE,
        intent.launch,
        f"local {intent.launch} running",
    )
    return replace(said, **more)  # type: ignore[arg-type]


def exported(world: World) -> Path:
    target = world.folder / "audit.zip"
    target.write_bytes(export_audit(world.store, Scope(), make_checkpoint(world.store)))
    return target


def verified(world: World) -> Verified:
    return verify_file(exported(world), world.store.first_root)


def revoke(world: World, kind: RevokedKind, name: str, cause: RevocationCause) -> None:
    words = world.store.objects.put(b'{"salt":"","text":"lost on a train"}')
    since = 1 if cause is RevocationCause.COMPROMISED else None
    revocation = Revocation(kind, name, cause, since, words)
    digest = name if kind is RevokedKind.KEY else sha256_hex(name.encode())
    append(world.store, world.people["dana"], revocation, (kind.value, digest))


def test_what_was_declared_as_it_should_be_is_found_good(
    world: World, held: LaunchIntent, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verified(world)
    assert (found.problems, found.launches, found.doubts) == ((), 1, ())
    told = ["verify", str(exported(world)), "--anchor", world.store.first_root]
    assert main(told) == 0
    assert "1 launches judged again, all as recorded" in capsys.readouterr().out


def by_nobody(world: World, held: LaunchIntent) -> None:
    let_go(world, held)


def by_the_requester(world: World, held: LaunchIntent) -> None:
    release(world, held, "olga")
    let_go(world, held)


def run_out(world: World, held: LaunchIntent) -> None:
    release(world, held, "vera")
    world.clock.forward(days=8)
    let_go(world, held)


def by_somebody_put_out(world: World, held: LaunchIntent) -> None:
    release(world, held, "vera")
    vera = world.people["vera"].id
    revoke(world, RevokedKind.PERSON, vera, RevocationCause.LEFT)
    let_go(world, held)


def with_a_stolen_key(world: World, held: LaunchIntent) -> None:
    release(world, held, "vera")
    key = world.people["vera"].key.id
    revoke(world, RevokedKind.KEY, key, RevocationCause.COMPROMISED)
    let_go(world, held)


def by_too_few(world: World, held: LaunchIntent) -> None:
    text = POLICY.format(version=2, require="clean_tree", role="guard")
    text = text.replace("count = 1", "count = 2")
    new = activate_policy(world.store, world.people["dana"], text.encode())
    assert new is not None
    digest = world.store.policies(world.store.state())[0].digest
    release(world, held, "vera", policy=digest)
    let_go(world, held, policy=digest)


def under_an_older_policy(world: World, held: LaunchIntent) -> None:
    release(world, held, "vera")
    put_policy(world, version=2)
    digest = world.store.policies(world.store.state())[0].digest
    let_go(world, held, policy=digest)


def against_a_rejection(world: World, held: LaunchIntent) -> None:
    world.hire("vito", "guard")
    release(world, held, "vera")
    release(world, held, "vito", decision=Decision.REJECT)
    let_go(world, held)


def by_one_who_took_it_back(world: World, held: LaunchIntent) -> None:
    release(world, held, "vera")
    take_back(world, "vera")
    let_go(world, held)


def take_back(world: World, by: str) -> None:
    """Withdraw what was decided last about the launch."""
    record = launch_record(world.store, "one", world.store.state())
    assert record is not None
    released, said = record.releases[-1]
    key, words = launched_pipeline_key(said.pipeline), world.store.objects.put(REASON)
    assert put(world, by, Withdrawal(released.id, key, words))[1] == "accepted"


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (by_nobody, "nobody"),
        (by_one_who_took_it_back, "nobody"),
        (by_the_requester, "guard"),
        (run_out, "guard"),
        (by_somebody_put_out, "guard"),
        (with_a_stolen_key, "guard"),
        (by_too_few, "guard"),
        (under_an_older_policy, "guard"),
        (against_a_rejection, "reject"),
    ],
    ids=lambda part: part.__name__ if callable(part) else "",
)
def test_one_let_go_without_the_releases_that_its_policy_wants_is_found(
    world: World,
    held: LaunchIntent,
    history: Callable[[World, LaunchIntent], None],
    why: str,
) -> None:
    history(world, held)
    found = verified(world)
    wrong = [p for p in found.problems if "let go though it was not allowed" in p]
    assert len(wrong) == 1, found.problems
    last = world.store.index.size - 2
    assert f"the launch one at entry {last}" in wrong[0]
    assert "countersign pipeline cancel one" in wrong[0]
    assert why in wrong[0]
    told = ["verify", str(exported(world)), "--anchor", world.store.first_root]
    assert main(told) == 1


def test_one_released_as_its_policy_wants_is_good_whoever_wrote_the_program(
    world: World, held: LaunchIntent
) -> None:
    from connectors.pipelines.plans import read_plan
    from console.services.pipelines.launch_judging import judge_launch

    release(world, held, "vera")
    record = launch_record(world.store, "one", world.store.state())
    plan = read_plan(world.store.objects.get(held.definition))
    judged = judge_launch(world.store, plan, "default", world.people["olga"].id, record)
    let_go(world, held, verdict=world.store.objects.put(judged.tree.to_bytes()))
    assert verified(world).problems == ()


def test_one_whose_rejection_was_taken_back_is_good(
    world: World, held: LaunchIntent
) -> None:
    world.hire("vito", "guard")
    release(world, held, "vito", decision=Decision.REJECT)
    take_back(world, "vito")
    test_one_released_as_its_policy_wants_is_good_whoever_wrote_the_program(world, held)


def test_a_key_found_stolen_afterwards_is_told_and_turns_nothing(
    world: World, held: LaunchIntent, capsys: pytest.CaptureFixture[str]
) -> None:
    test_one_released_as_its_policy_wants_is_good_whoever_wrote_the_program(world, held)
    key = world.people["vera"].key.id
    revoke(world, RevokedKind.KEY, key, RevocationCause.COMPROMISED)
    found = verified(world)
    assert found.problems == ()
    assert "not with what is known now" in found.doubts[0]
    told = ["verify", str(exported(world)), "--anchor", world.store.first_root]
    assert main(told) == 0
    assert "NOTE: the launch one" in capsys.readouterr().out


def test_a_verdict_that_does_not_follow_is_found(
    world: World, held: LaunchIntent
) -> None:
    said = Node("pipeline/tried: launch in default", Verdict.NO, "it waits")
    digest = world.store.objects.put(said.to_bytes())
    again = replace(held, cause="again", verdict=digest, takes_over=intent_of(world))
    assert put(world, "olga", again)[1] == "accepted"
    assert any("verdict that is recorded does not follow" in p for p in told(world))


def told(world: World) -> tuple[str, ...]:
    return verified(world).problems


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"policy": ""}, "and it names another"),
        ({"policy": "c" * 64}, "and it names another"),
        ({"root": "c" * 64}, "another trust root"),
        ({"verdict": "c" * 64}, "is missing"),
        ({"evidence": "c" * 64}, "is missing"),
        ({"verdict": "held.definition"}, "cannot be read"),
        ({"evidence": "held.definition"}, "cannot be read"),
    ],
)
def test_a_declaration_that_names_other_documents_is_found(
    world: World, held: LaunchIntent, change: dict[str, str], why: str
) -> None:
    named = {
        n: held.definition if v.startswith("held") else v for n, v in change.items()
    }
    again = replace(held, cause="again", takes_over=intent_of(world), **named)  # type: ignore[arg-type]
    assert put(world, "olga", again)[1] == "accepted"
    assert any(why in problem for problem in told(world))


def test_a_plan_of_another_pipeline_or_with_other_parameters_is_found(
    world: World, held: LaunchIntent
) -> None:
    other = world.store.objects.put(b'{"rate": "9"}')
    for launch, change, why in (
        ("two", {"pipeline": "harmless"}, "its plan is of 'tried'"),
        ("three", {"parameters": other}, "not those of its plan"),
        ("four", {"definition": other}, "cannot be read"),
        ("five", {"definition": "d" * 64}, "is missing"),
    ):
        said = replace(held, launch=launch, **change)  # type: ignore[arg-type]
        assert put(world, "olga", said)[1] == "accepted"
        assert any(f"the launch {launch}" in p and why in p for p in told(world))


def test_a_plan_whose_bytes_were_changed_in_the_file_is_found(
    world: World, held: LaunchIntent
) -> None:
    with zipfile.ZipFile(exported(world)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = f"object/{held.definition}"
    files[name] = files[name].replace(b'"tried"', b'"tr1ed"')
    target = world.folder / "altered.zip"
    target.write_bytes(write_zip(files))
    found = verify_file(target, world.store.first_root).problems
    assert any(p.startswith("the launch one") and held.definition in p for p in found)


def test_one_let_go_where_no_policy_is_for_it_is_found(
    world: World, held: LaunchIntent
) -> None:
    apart = POLICY.format(version=2, require="clean_tree", role="guard")
    apart = apart.replace('["launch"]', '["launch"]\nenvironments = ["default"]')
    activate_policy(world.store, world.people["dana"], apart.encode())
    verdict = Node("pipeline/tried: launch in prod", Verdict.YES, "fine")
    said = replace(
        held,
        launch="two",
        environment="prod",
        policy="",
        held=False,
        verdict=world.store.objects.put(verdict.to_bytes()),
    )
    found, standing = put(world, "olga", said)
    assert standing == "accepted"
    put(world, "olga", outcome(found, said))
    wrong = [p for p in told(world) if "let go though it was not allowed" in p]
    assert "no policy in force is for it" in wrong[0]


def test_one_declared_by_somebody_without_the_role_is_found(
    world: World, held: LaunchIntent
) -> None:
    said = replace(held, launch="two", environment="prod", held=False, policy="")
    found, standing = put(world, "otto", said)
    assert standing == "void"
    assert put(world, "otto", outcome(found, said))[1] == "void"
    wrong = told(world)
    assert any("says that it is let go, and counts for nothing" in p for p in wrong)
    assert any("says that it was started, and counts for nothing" in p for p in wrong)
    assert all("operator" in p or "not in the log" in p for p in wrong)


def test_an_outcome_of_what_nobody_declared_is_found(
    world: World, held: LaunchIntent
) -> None:
    assert put(world, "olga", outcome("e" * 64, held))[1] == "void"
    assert any("says that it was started" in problem for problem in told(world))


def test_an_outcome_that_says_started_after_a_refusal_is_found(
    world: World, held: LaunchIntent
) -> None:
    of = intent_of(world)
    failed = outcome(of, held, outcome=OutcomeKind.FAILED, read_back="refused: quota")
    assert put(world, "olga", failed)[1] == "accepted"
    assert told(world) == ()
    again = outcome(of, held, read_back="local one suspended")
    assert put(world, "olga", again)[1] == "accepted"
    assert any("after an earlier outcome" in problem for problem in told(world))


def test_what_runs_though_it_was_only_declared_as_held_is_found(
    world: World, held: LaunchIntent
) -> None:
    assert put(world, "olga", outcome(intent_of(world), held))[1] == "accepted"
    wrong = told(world)
    assert any("declared to be held" in p and "local one running" in p for p in wrong)


def test_rubbish_that_no_enrolled_key_signed_is_no_finding(
    world: World, held: LaunchIntent
) -> None:
    genuine = sign_statement(
        world.people["otto"],
        outcome("e" * 64, held),
        ("pipeline/tried", "a" * 64),
        world.store.prefix(),
        "2026-03-01T12:00:00Z",
    )
    forged = replace(genuine, signature=bytes(len(genuine.signature)))
    index = world.store.index.size
    assert world.store.backend.put_if_absent(entry_path(index), forged.to_bytes())
    world.store.catch_up()
    found = verified(world)
    assert (found.problems, found.void_entries) == ((), 1)


def test_a_report_without_its_launches_is_refused(
    world: World, held: LaunchIntent
) -> None:
    path = exported(world)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert b'"launches": [\n' in files["report.json"]
    assert b"<h2>Launches</h2>" in files["report.html"]
    files["report.json"] = files["report.json"].replace(b'"one"', b'"two"')
    path.write_bytes(write_zip(files))
    found = verify_file(path, world.store.first_root).problems
    assert any("report.json was changed" in problem for problem in found)
