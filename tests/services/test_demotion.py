"""Taking versions out of stages, and putting back only what still stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.demands import Demands
from console.reports.verification import verify_file
from console.services.checkpoints import make_checkpoint
from console.services.demoting import demote
from console.services.gating import gate
from console.services.judging import model_record
from console.services.opened import OpenStore
from console.services.problems import Misuse, Refusal
from console.services.revoking import revoke
from console.services.signing import append
from console.services.words import put_words
from policies.predicates import RevocationCause
from policies.predicates.records import Demotion
from policies.verdict import exit_code
from policies.workflow import Holder
from store.errors import StoreRefused
from tests.services.test_waivers import As, acting

__all__ = ["acting"]
MODEL = "model:diabetes-progression"
KEY = "model:mlflow/diabetes-progression"


def code(store: OpenStore, number: str) -> int:
    return exit_code(gate(store, f"{MODEL}@{number}", "production", "default").tree)


def held(store: OpenStore) -> list[Holder]:
    return model_record(store, KEY, store.state()).holders["default", "production"]


def out(
    store: OpenStore, acting: As, reference: str = MODEL, *, restores: bool = False
) -> None:
    demote(
        store,
        acting("rik"),
        reference,
        "production",
        "default",
        "it drifts",
        restores=restores,
        variables={},
    )


def good_file(store: OpenStore, folder: Path) -> bool:
    checkpoint = make_checkpoint(store)
    target = folder / "audit.zip"
    target.write_bytes(export_audit(store, Scope(), checkpoint))
    return verify_file(target, store.first_root, Demands(head=checkpoint)).is_good


def test_a_version_that_was_taken_out_may_not_be_there_any_more(
    demo_store: OpenStore, acting: As, tmp_path: Path
) -> None:
    assert code(demo_store, "6") == 0
    out(demo_store, acting, f"{MODEL}@6")
    assert code(demo_store, "6") == 1
    assert held(demo_store)[-1].ended is not None
    with pytest.raises(Refusal, match="nothing holds production"):
        out(demo_store, acting)
    assert good_file(demo_store, tmp_path)


def test_the_version_before_takes_the_stage_again_under_its_own_promotion(
    demo_store: OpenStore, acting: As, tmp_path: Path
) -> None:
    assert code(demo_store, "2") == 1
    out(demo_store, acting, restores=True)
    assert code(demo_store, "2") == 0
    assert code(demo_store, "6") == 1
    assert held(demo_store)[-1].version.endswith("/2")
    assert good_file(demo_store, tmp_path)
    out(demo_store, acting, f"{MODEL}@2")
    assert code(demo_store, "2") == 1
    assert good_file(demo_store, tmp_path)


def test_what_a_thief_promoted_is_not_put_back(
    demo_store: OpenStore, acting: As
) -> None:
    earlier = held(demo_store)[0]
    vera = demo_store.state().people[acting("vera").id]
    revoke(
        demo_store,
        acting("dana"),
        f"key:{vera.keys[0].id}",
        RevocationCause.COMPROMISED,
        "stolen",
        since=earlier.intent.index - 3,
    )
    size = demo_store.index.size
    with pytest.raises(Refusal, match="does not stand any more"):
        out(demo_store, acting, restores=True)
    assert demo_store.index.size == size


def test_what_was_taken_out_itself_or_never_was_there_is_not_put_back(
    demo_store: OpenStore, acting: As
) -> None:
    out(demo_store, acting, restores=True)
    with pytest.raises(Refusal, match="was taken out of it"):
        out(demo_store, acting, restores=True)
    with pytest.raises(Refusal, match="is held by diabetes-progression@2"):
        out(demo_store, acting, f"{MODEL}@6")
    with pytest.raises(Misuse, match="has a reason"):
        demote(demo_store, acting("rik"), MODEL, "production", "default", " ")
    with pytest.raises(StoreRefused, match="does not hold the role"):
        demote(
            demo_store,
            acting("ana"),
            MODEL,
            "production",
            "default",
            "mine",
            variables={},
        )
    assert code(demo_store, "2") == 0


def test_a_demotion_written_past_the_command_restores_nothing_foreign(
    demo_store: OpenStore, acting: As
) -> None:
    six, two = held(demo_store)[-1], held(demo_store)[0]
    said = Demotion(
        promotion=six.intent.id,
        model=KEY,
        version=six.version,
        environment="default",
        stage="production",
        goes_to="",
        reason=put_words(demo_store, "by hand"),
        registry="",
        read_back="",
        restores=six.outcome.id,
    )
    with pytest.raises(StoreRefused, match="no promotion intent put there"):
        append(demo_store, acting("rik"), said, (six.version, six.manifest))
    out(demo_store, acting, restores=True)
    again = Demotion(
        promotion=two.intent.id,
        model=KEY,
        version=two.version,
        environment="default",
        stage="production",
        goes_to="",
        reason=put_words(demo_store, "back again"),
        registry="",
        read_back="",
        restores=six.intent.id,
    )
    append(demo_store, acting("rik"), again, (two.version, two.manifest))
    assert code(demo_store, "6") == 1
