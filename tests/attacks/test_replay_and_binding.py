"""Signatures out of their place: other requests, models, stages, people, bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from console.services.checkpoints import verify_log
from console.services.demonstration import MODEL
from console.services.gating import gate
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.problems import Refusal
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.revoking import revoke
from console.services.signing import Acting, act_as_person, append, sign_statement
from console.services.signoff import answer_request, request_transition, withdraw
from policies.errors import Refused
from policies.predicates import (
    Approval,
    Decision,
    PromotionIntent,
    Request,
    RevocationCause,
    Transition,
)
from policies.verdict import Verdict
from store.backend import object_path
from store.errors import StoreDamaged, StoreRefused
from tests.worlds import World

As = Callable[[str], Acting]
VERSION = f"model:{MODEL}@2"


@pytest.fixture
def acting(demo_store: OpenStore) -> As:
    def act(name: str) -> Acting:
        path = str(demo_store.places.keys / f"{name}.pem")
        return act_as_person(demo_store, demo_store.state(), path, lambda _: None)

    return act


def ask(store: OpenStore, who: Acting, where: str = "eu") -> str:
    version = find_version(store, VERSION)
    made = request_transition(store, who, version, "production", where, "because")
    return made.appended.statement_id


def approve(store: OpenStore, who: Acting, request: str) -> int:
    state = store.state()
    sheet = review_sheet(store, find_request(store, request, state), state)
    return answer_request(store, who, sheet, Decision.APPROVE, "read it").index


def verdict(store: OpenStore, where: str = "eu") -> Verdict:
    return gate(store, VERSION, "production", where).tree.verdict


def approval_at(store: OpenStore, index: int) -> Approval:
    predicate = store.entry(index)[1].predicate
    assert isinstance(predicate, Approval)
    return predicate


def refused(store: OpenStore, who: Acting, predicate: object, why: str) -> None:
    size = store.index.size
    manifest = getattr(predicate, "manifest", "0" * 64)
    with pytest.raises(StoreRefused, match=why):
        append(store, who, predicate, ("x", manifest))
    assert store.catch_up() == size


def declared(store: OpenStore, request: str, bound: Request) -> PromotionIntent:
    """An intent that answers a request, with a verdict that says nothing."""
    return PromotionIntent(
        request,
        bound.model,
        bound.version,
        bound.manifest,
        bound.transition,
        bound.policy,
        bound.root,
        store.objects.put(b"{}"),
        "2026-03-01T12:00:00Z",
        "",
        "",
    )


def test_an_approval_is_not_replayed_for_another_request(
    demo_store: OpenStore, acting: As
) -> None:
    first = ask(demo_store, acting("ana"))
    index = approve(demo_store, acting("vera"), first)
    withdraw(demo_store, acting("ana"), f"request:{first}", "once more")
    second = ask(demo_store, acting("ana"))
    copy = demo_store.log.entry_bytes(index)
    assert demo_store.log.append(copy) == index, "the same statement, where it was"
    record = find_request(demo_store, second, demo_store.state())
    assert record.answers == ()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "model:mlflow/tumour-screening"},
        {"version": "model-version:mlflow/diabetes-progression/5"},
        {"manifest": "0" * 64},
        {"transition": Transition("", "production", "default")},
        {"transition": Transition("", "staging", "eu")},
    ],
    ids=["model", "version", "manifest", "environment", "stage"],
)
def test_an_approval_for_something_else_than_its_request_is_refused(
    demo_store: OpenStore, acting: As, change: dict[str, object]
) -> None:
    request = ask(demo_store, acting("ana"))
    index = approve(demo_store, acting("vera"), request)
    moved = replace(approval_at(demo_store, index), **change)  # type: ignore[arg-type]  # names checked by the dataclass
    refused(demo_store, acting("vera"), moved, "another model, version or transition")


@pytest.mark.parametrize("bound", ["evidence", "review", "policy"])
def test_an_approval_bound_to_other_documents_does_not_count(
    demo_store: OpenStore, acting: As, bound: str
) -> None:
    request = ask(demo_store, acting("ana"))
    index = approve(demo_store, acting("vera"), request)
    other = replace(approval_at(demo_store, index), **{bound: "9" * 64})  # type: ignore[arg-type]  # names checked by the dataclass
    append(demo_store, acting("vera"), other, ("x", other.manifest))
    approve(demo_store, acting("rik"), request)
    judged = gate(demo_store, VERSION, "production", "eu")
    wrong = [leaf for leaf in judged.tree.leaves() if leaf.verdict is Verdict.NO]
    assert ["STALE" in leaf.observed for leaf in wrong] == [True]


def test_a_role_that_a_statement_claims_is_not_a_role_that_is_held(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    index = approve(demo_store, acting("vera"), request)
    claimed = replace(approval_at(demo_store, index), role="risk")
    refused(demo_store, acting("vera"), claimed, "does not hold the role 'risk'")


def test_a_request_whose_version_belongs_to_another_model_is_refused(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    record = find_request(demo_store, request, demo_store.state())
    for version in (
        "model-version:mlflow/tumour-screening/1",
        "model-version:other/diabetes-progression/2",
        "model:mlflow/diabetes-progression",
        "rubbish",
        "model-version:mlflow/diabetes-progression/2/x",
    ):
        crossed = replace(record.request, version=version)
        refused(demo_store, acting("ana"), crossed, "not the key of a version")
    crossed = replace(record.request, model="model:x", version="y")
    refused(demo_store, acting("ana"), crossed, "not the key of a model")


def test_a_subject_that_names_other_bytes_than_the_statement_is_refused(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    record = find_request(demo_store, request, demo_store.state())
    again = replace(record.request, request_id="f" * 32)
    with pytest.raises(StoreRefused, match="subject is not the manifest"):
        append(demo_store, acting("ana"), again, ("x", "1" * 64))


def test_two_keys_of_one_person_are_one_vote(demo_store: OpenStore, acting: As) -> None:
    from connectors.signers.files import create_key_file
    from console.services.founding import enrol, make_offer, read_offer
    from policies.predicates import Grant

    vera = acting("vera")
    path = demo_store.places.keys / "vera-2.pem"
    signer = create_key_file(path, None, is_demonstration=True)
    offer = read_offer(
        make_offer(demo_store.origin, signer, name="Vera"), demo_store.origin
    )
    person = demo_store.state().people[vera.id]
    proof = _possession(demo_store, vera.id, person.profile, signer)
    enrol(
        demo_store,
        acting("dana"),
        replace(offer, person=vera.id, proof=proof),
        (Grant("risk"),),
    )
    request = ask(demo_store, acting("ana"))
    approve(demo_store, vera, request)
    second = approval_at(demo_store, approve(demo_store, acting("vera-2"), request))
    append(
        demo_store,
        acting("vera-2"),
        replace(second, role="validator", reason=second.reason),
        ("x", second.manifest),
    )
    record = find_request(demo_store, request, demo_store.state())
    assert {e.statement.by for e, _ in record.answers} == {vera.id}
    judged = gate(demo_store, VERSION, "production", "eu")
    counted = [
        leaf.observed
        for leaf in judged.tree.leaves()
        if leaf.rule == "approval by 1 x validator"
    ]
    assert counted == ["Vera Novak"]


def _possession(store: OpenStore, person: str, profile: str, signer: object) -> str:
    import base64

    from connectors.signers.files import FileSigner
    from policies.keys import public_key
    from policies.trust_root import possession_bytes

    assert isinstance(signer, FileSigner)
    key = public_key(signer.spki)
    signed = possession_bytes(store.origin, person, profile, key)
    return base64.b64encode(signer.sign(signed)).decode()


def test_evidence_swapped_in_the_store_after_signing_stops_the_promotion(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    approve(demo_store, acting("vera"), request)
    approve(demo_store, acting("rik"), request)
    assert verdict(demo_store) is Verdict.YES
    record = find_request(demo_store, request, demo_store.state())
    path = demo_store.folder.parents[2] / "store" / object_path(record.request.evidence)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(StoreDamaged, match="does not have the content"):
        gate(demo_store, VERSION, "production", "eu")
    with pytest.raises(StoreDamaged):
        promote(demo_store, acting("rik"), record, environment={})


def test_a_review_text_swapped_after_the_request_is_never_shown(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    state = demo_store.state()
    record = find_request(demo_store, request, state)
    rosy = replace(
        record, request=replace(record.request, review=demo_store.objects.put(b"Fine."))
    )
    with pytest.raises(Refusal, match="not the one the request froze"):
        review_sheet(demo_store, rosy, state)


def test_a_promotion_cannot_rest_on_approvals_that_are_not_in_the_log(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    record = find_request(demo_store, request, demo_store.state())
    intent = declared(demo_store, "e" * 64, record.request)
    refused(demo_store, acting("rik"), intent, "which is not in the log")
    with pytest.raises(Refusal, match="the verdict is no"):
        promote(demo_store, acting("rik"), record, environment={})


def test_a_promotion_that_bypassed_its_approvals_is_no_at_the_gate(
    demo_store: OpenStore, acting: As
) -> None:
    from policies.predicates import OutcomeKind, PromotionOutcome

    request = ask(demo_store, acting("ana"))
    bound = find_request(demo_store, request, demo_store.state()).request
    intent = declared(demo_store, request, bound)
    begun = append(demo_store, acting("rik"), intent, ("x", bound.manifest))
    outcome = PromotionOutcome(
        begun.statement_id,
        bound.model,
        bound.version,
        bound.transition,
        OutcomeKind.DONE,
        "",
        "",
        "",
        "",
    )
    append(demo_store, acting("rik"), outcome, ("x", bound.manifest))
    assert verdict(demo_store) is Verdict.NO


def test_an_approval_with_a_stolen_key_counts_no_more_even_after_promotion(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    index = approve(demo_store, acting("vera"), request)
    approve(demo_store, acting("rik"), request)
    record = find_request(demo_store, request, demo_store.state())
    promote(demo_store, acting("rik"), record, environment={})
    assert verdict(demo_store) is Verdict.YES
    done = revoke(
        demo_store,
        acting("dana"),
        f"key:{acting('vera').key.id}",
        RevocationCause.COMPROMISED,
        "stolen",
        since=index,
    )
    assert f"model:{MODEL}@2 in production of eu" in done.doubtful
    judged = gate(demo_store, VERSION, "production", "eu")
    wrong = [leaf for leaf in judged.tree.leaves() if leaf.verdict is Verdict.NO]
    assert ["stolen by then" in leaf.observed for leaf in wrong] == [True]
    assert verify_log(demo_store, deep=False).problems == ()


def test_a_theft_after_the_approval_leaves_it_standing(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    approve(demo_store, acting("vera"), request)
    approve(demo_store, acting("rik"), request)
    revoke(
        demo_store,
        acting("dana"),
        f"key:{acting('vera').key.id}",
        RevocationCause.COMPROMISED,
        "stolen later",
        since=demo_store.index.size,
    )
    assert verdict(demo_store) is Verdict.YES


def test_a_policy_that_only_a_thief_endorsed_allows_nothing(
    demo_store: OpenStore, acting: As
) -> None:
    from console.services.rotating import Changes, hand_in, propose, sign_proposal

    grant = Changes(grant={"Vera Novak": ("policy",)})
    proposal, _ = sign_proposal(
        propose(demo_store, grant), acting("dana").signer, "2026-03-01T12:00:00Z"
    )
    assert hand_in(demo_store, proposal).is_in_force
    stolen_at = demo_store.index.size
    from console.services.founding import activate_policy

    active = demo_store.state().policies["diabetes-production"]
    text = demo_store.objects.get(active.digest)
    weaker = text.replace(b"version = 1", b"version = 2")
    activate_policy(demo_store, acting("vera"), weaker)
    request = ask(demo_store, acting("ana"))
    approve(demo_store, acting("vera"), request)
    approve(demo_store, acting("rik"), request)
    assert verdict(demo_store) is Verdict.YES
    revoke(
        demo_store,
        acting("dana"),
        f"key:{acting('vera').key.id}",
        RevocationCause.COMPROMISED,
        "stolen",
        since=stolen_at,
    )
    judged = gate(demo_store, VERSION, "production", "eu")
    rules = {n.rule for n in judged.tree.leaves() if n.verdict is Verdict.NO}
    assert "nobody else can have signed the request, policy and trust root" in rules


def test_an_expired_trust_root_decides_nothing_new(
    demo_store: OpenStore, acting: As
) -> None:
    from datetime import timedelta

    request = ask(demo_store, acting("ana"))
    approve(demo_store, acting("vera"), request)
    approve(demo_store, acting("rik"), request)
    now = demo_store.clock()
    demo_store.clock = lambda: now + timedelta(days=731)
    judged = gate(demo_store, VERSION, "production", "eu")
    rules = {n.rule for n in judged.tree.leaves() if n.verdict is Verdict.NO}
    assert "the trust root has not expired" in rules


def test_a_malleated_ecdsa_signature_is_the_same_statement(world: World) -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import (
        decode_dss_signature,
        encode_dss_signature,
    )

    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    pat = _hire_with_p256(world)
    from policies.predicates import LineageBatch

    batch = LineageBatch(
        "m", "c", world.store.objects.put(b"b"), 0, "2026-01-01T00:00:00Z"
    )
    envelope = sign_statement(
        pat, batch, ("m", "0" * 64), world.store.prefix(), "2026-01-01T00:00:00Z"
    )
    index = world.store.log.append(envelope.to_bytes())
    r, s = decode_dss_signature(envelope.signature)
    twin = replace(envelope, signature=encode_dss_signature(r, order - s))
    assert twin.to_bytes() != envelope.to_bytes()
    assert world.store.log.append(twin.to_bytes()) == index


def _hire_with_p256(world: World) -> Acting:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    from connectors.signers.files import open_key_file
    from console.services.founding import enrol, make_offer, read_offer
    from policies.predicates import Grant

    path = world.places.keys / "pat.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    signer = open_key_file(path, lambda _: None)
    offer = make_offer(world.store.origin, signer, name="Pat")
    read = read_offer(offer, world.store.origin)
    enrol(world.store, world.people["dana"], read, (Grant("validator"),))
    return act_as_person(world.store, world.store.state(), str(path), lambda _: None)


def test_a_statement_of_another_organisation_with_the_same_keys_is_refused(
    world: World, demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    entry = demo_store.index.find_statement(request)
    assert entry is not None
    with pytest.raises(StoreRefused, match="not enrolled"):
        world.store.log.append(demo_store.log.entry_bytes(entry.index))


def test_a_checkpoint_is_no_statement_and_a_statement_no_checkpoint(
    demo_store: OpenStore,
) -> None:
    from console.services.checkpoints import checked_checkpoint, make_checkpoint
    from policies.errors import MalformedStatement, PolicyError

    with pytest.raises(StoreRefused, match="not JSON"):
        demo_store.log.append(make_checkpoint(demo_store))
    with pytest.raises((MalformedStatement, PolicyError, Refused)):
        checked_checkpoint(demo_store, demo_store.log.entry_bytes(0))


def test_a_request_that_was_withdrawn_is_not_promoted(
    demo_store: OpenStore, acting: As
) -> None:
    request = ask(demo_store, acting("ana"))
    approve(demo_store, acting("vera"), request)
    approve(demo_store, acting("rik"), request)
    withdraw(demo_store, acting("ana"), f"request:{request}", "no longer")
    record = find_request(demo_store, request, demo_store.state())
    assert isinstance(record.request, Request)
    with pytest.raises(Refusal, match="withdrawn"):
        promote(demo_store, acting("rik"), record, environment={})
    assert verdict(demo_store) is Verdict.NO
