"""What may be let go, what a restored backup lacks, and how both are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from console.services.checkpoints import verify_log
from console.services.configuration import Configuration
from console.services.demonstration import Demonstrated
from console.services.erasing import erase_facts
from console.services.opened import open_store
from console.services.places import Places
from console.services.problems import Misuse, Refusal
from console.services.recovering import recover
from console.services.rotating import Changes
from console.services.signing import act_as_person, append
from console.services.words import erase, put_words, read_words
from policies.predicates import Withdrawal
from policies.predicates.records import Comment
from policies.predicates.upkeep import ErasedKind, Erasure
from store.errors import StoreDamaged, StoreRefused
from store.facts import Fact, FactKind
from tests.services.test_rotation import rotated
from tests.worlds import World, new_world


def comment(world: World, text: str, by: str = "dana") -> str:
    """Say something about a model; the digest of the words."""
    words = put_words(world.store, text)
    said = Comment("model:mlflow/fraud", "", words)
    append(world.store, world.people[by], said, ("fraud", words))
    return words


def run_fact(number: int, value: str) -> Fact:
    return Fact(
        kind=FactKind.TAG, subject=f"run:mlflow/{number}", name="note", text=value
    )


def test_an_erased_comment_is_gone_and_verification_says_who_let_it_go(
    world: World,
) -> None:
    words = comment(world, "Ana called from +43 1 234")
    done = erase(world.store, world.people["dana"], words, "asked for by Ana")
    assert done.is_removed
    assert world.store.objects.find(words) is None
    assert read_words(world.store, words) == "(erased)"
    assert verify_log(world.store, deep=True).problems == ()


def test_the_same_object_missing_without_an_erasure_is_damage(world: World) -> None:
    words = comment(world, "a remark")
    (world.folder / "store" / "object" / words[:2] / words).unlink()
    assert read_words(world.store, words) == "(missing)"
    problems = verify_log(world.store, deep=False).problems
    assert problems == (f"object {words} is missing, and nobody erased it",)


def test_a_person_s_name_can_go_and_their_id_stays(world: World) -> None:
    from console.services.founding import printed_name

    vera = world.hire("vera", "validator")
    erase(world.store, world.people["dana"], "person:Vera", "left, asked for it")
    person = world.store.state().people[vera.id]
    assert printed_name(world.store, person.profile, "(erased)") == "(erased)"
    assert person.holds("validator")


def test_what_a_decision_rests_on_cannot_be_erased(world: World) -> None:
    root = world.store.root().digest
    dana = world.people["dana"]
    with pytest.raises(Misuse, match="may be erased"):
        erase(world.store, dana, root, "no")
    sly = Withdrawal("0" * 64, "model:mlflow/fraud", root)
    with pytest.raises(StoreRefused):
        append(world.store, dana, sly, ("x", root))
    said = Comment("model:mlflow/fraud", "", root)
    append(world.store, dana, said, ("x", root))
    with pytest.raises(StoreRefused, match="a decision rests on that object"):
        erase(world.store, dana, root, "named as a comment first")


def test_only_root_holders_erase_and_only_with_a_reason(world: World) -> None:
    world.hire("vera", "validator")
    words = comment(world, "a remark")
    with pytest.raises(StoreRefused, match="may not let objects be erased"):
        erase(world.store, world.people["vera"], words, "no")
    with pytest.raises(Misuse, match="reason"):
        erase(world.store, world.people["dana"], words, "  ")
    erase(world.store, world.people["dana"], words, "yes")
    with pytest.raises(Refusal, match="already"):
        erase(world.store, world.people["dana"], words, "again")


def test_a_batch_is_not_erased_without_a_replacement(world: World) -> None:
    world.tell(run_fact(1, "x"))
    digest = world.store.index.batches(0)[0].judgement.batch
    bare = Erasure(digest, ErasedKind.LINEAGE_BATCH, "", put_words(world.store, "r"))
    with pytest.raises(StoreRefused, match="a lineage batch is replaced"):
        append(world.store, world.people["dana"], bare, ("x", digest))


def test_facts_about_one_run_go_from_store_and_every_projection(world: World) -> None:
    world.tell(run_fact(1, "Ana's laptop"), run_fact(2, "stays"))
    world.store.projection.catch_up()
    other = world.reopened(world.elsewhere("other"))
    other.projection.catch_up()
    old = world.store.index.batches(0)[0].judgement.batch
    done = erase_facts(world.store, world.people["dana"], "run:mlflow/1", "asked")
    assert [e.digest for e in done] == [old]
    assert world.store.objects.find(old) is None
    other.catch_up()
    for store in (world.store, other):
        store.projection.catch_up()
        with store.projection.reading() as connection:
            rows = connection.execute("SELECT subject, text FROM tag").fetchall()
        assert rows == [("run:mlflow/2", "stays")]
        assert verify_log(store, deep=True).problems == ()
    other.close()
    with pytest.raises(Misuse, match="no facts speak of"):
        erase_facts(world.store, world.people["dana"], "run:mlflow/1", "again")


def test_an_erased_reason_leaves_promotion_and_audit_file_standing(
    demo: Demonstrated, tmp_path: Path
) -> None:
    from console.reports.audit_report import Scope
    from console.reports.bundle import export_audit
    from console.reports.verification import verify_file
    from console.services.checkpoints import make_checkpoint

    places = Places(demo.home / "data", demo.home / "config")
    store = open_store(str(demo.store), places, Configuration())
    approval = next(
        e.judgement.statement_id
        for e in store.index.entries()
        if e.judgement.predicate_type.endswith("approval/v1")
    )
    holders = [
        act_as_person(store, store.state(), str(path), lambda _: None)
        for path in places.keys.glob("*.pem")
    ]
    founder = next(a for a in holders if store.state().people[a.id].holds("root"))
    done = erase(store, founder, f"statement:{approval[:16]}", "asked for")
    data = export_audit(store, Scope(), make_checkpoint(store))
    target = tmp_path / "audit.zip"
    target.write_bytes(data)
    found = verify_file(target, demo.anchor)
    assert found.problems == ()
    assert done.digest.encode() in data, "the report tells of the erasure"
    store.close()


def backed_up(world: World) -> Path:
    backup = world.folder / "backup"
    shutil.copytree(world.folder / "store", backup)
    return backup


def restore(world: World, backup: Path) -> None:
    shutil.rmtree(world.folder / "store")
    shutil.copytree(backup, world.folder / "store")


def sign_recovery(world: World, places: Places, by: str) -> bool:
    key = str(world.places.keys / f"{by}.pem")
    return recover(
        world.store.address,
        places,
        Configuration(),
        lambda store: act_as_person(store, store.state(), key, lambda _: None),
        "restored the backup of Sunday",
        clock=world.clock,
    ).is_in_force


def test_machines_go_on_after_a_signed_recovery_and_refuse_before(
    world: World,
) -> None:
    world.tell(run_fact(1, "kept"))
    backup = backed_up(world)
    world.tell(run_fact(2, "lost"))
    other = world.elsewhere("other")
    world.reopened(other).close()
    world.store.projection.catch_up()
    restore(world, backup)
    for places in (world.places, other):
        with pytest.raises(StoreDamaged, match="has seen"):
            world.reopened(places)
    assert sign_recovery(world, world.places, "dana")
    for places in (world.places, other):
        store = world.reopened(places)
        assert store.state().abandoned[0].lost_size == 4 - 1
        store.projection.catch_up()
        with store.projection.reading() as connection:
            rows = connection.execute("SELECT text FROM tag").fetchall()
        assert rows == [("kept",)]
        assert verify_log(store, deep=True).problems == ()
        store.close()


def test_a_recovery_takes_as_many_root_holders_as_a_trust_root(world: World) -> None:
    world.hire("vera", "validator")
    grant = Changes(grant={"Vera": ("root",)}, root_threshold=2)
    assert rotated(world, grant, "dana", "vera")
    backup = backed_up(world)
    world.tell(run_fact(1, "lost"))
    restore(world, backup)
    assert not sign_recovery(world, world.places, "dana")
    with pytest.raises(StoreDamaged):
        world.reopened()
    assert sign_recovery(world, world.places, "vera")
    world.reopened().close()


def test_a_recovery_signed_by_nobody_entitled_is_refused(world: World) -> None:
    world.hire("vera", "validator")
    backup = backed_up(world)
    world.tell(run_fact(1, "lost"))
    restore(world, backup)
    with pytest.raises(StoreRefused, match="may not declare history lost"):
        sign_recovery(world, world.places, "vera")


def test_a_machine_that_saw_more_than_was_declared_lost_still_refuses(
    world: World,
) -> None:
    backup = backed_up(world)
    world.tell(run_fact(1, "lost"))
    early = world.elsewhere("early")
    world.reopened(early).close()
    world.tell(run_fact(2, "lost too"))
    late = world.elsewhere("late")
    world.reopened(late).close()
    restore(world, backup)
    assert sign_recovery(world, early, "dana")
    world.reopened(early).close()
    with pytest.raises(StoreDamaged):
        world.reopened(late)


def test_where_nothing_is_lost_nothing_is_signed(world: World) -> None:
    world.tell(run_fact(1, "x"))
    with pytest.raises(Refusal, match="holds everything"):
        sign_recovery(world, world.places, "dana")
    stranger = new_world(world.folder / "stranger").places
    with pytest.raises(Refusal, match="remembers nothing"):
        sign_recovery(world, stranger, "dana")


def test_truncation_is_noticed_by_a_machine_whose_index_is_whole(
    world: World,
) -> None:
    from store.backend import entry_path

    world.tell(run_fact(1, "x"))
    last = world.store.index.size - 1
    (world.folder / "store" / entry_path(last)).unlink()
    with pytest.raises(StoreDamaged, match="has seen"):
        world.store.catch_up()


def test_facts_about_a_second_thing_in_the_same_batch_go_as_well(world: World) -> None:
    dana, names = world.people["dana"], [f"run:mlflow/{n}" for n in range(3)]
    world.tell(*(Fact(kind=FactKind.RUN, subject=name, name=name) for name in names))
    erase_facts(world.store, dana, names[1], "asked")
    (between,) = erase_facts(world.store, dana, names[2], "asked")
    assert world.store.objects.find(between.digest) is None, "it named the second run"
    world.store.projection.catch_up()
    with world.store.projection.reading() as connection:
        rows = connection.execute("SELECT subject FROM run").fetchall()
    assert rows == [(names[0],)]
    assert verify_log(world.store, deep=True).problems == ()
