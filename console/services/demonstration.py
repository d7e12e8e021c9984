"""The demonstration: a real history, two sign-offs, an audit file, all in one folder.

Everything runs through the same services as everyday use. Its keys are marked as
demonstration keys in the trust root, and every report says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connectors.signers.files import create_key_file
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit
from console.reports.demands import Demands
from console.reports.verification import verify_file
from console.services.checkpoints import make_checkpoint
from console.services.configuration import DEFAULT_ENVIRONMENT, Configuration
from console.services.founding import (
    activate_policy,
    enrol,
    found_store,
    make_offer,
    read_offer,
)
from console.services.gating import gate
from console.services.hopes import Hopeless
from console.services.importing import import_address
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.places import Places
from console.services.problems import Misuse, Refusal
from console.services.promoting import promote
from console.services.reviewing import find_request, review_sheet
from console.services.signing import Acting, act_as_person, act_as_service
from console.services.signoff import Requested, answer_request, request_transition
from console.services.standing import unapproved_changes
from policies.predicates import Decision, Grant
from policies.trust_root import ServiceKind

Tell = Callable[[str], None]
MODEL, FIRST, SECOND = "diabetes-progression", "2", "6"
WAITING = "model:tumour-screening@1"
MARK = "made-by-countersign-demo"
STAFF = (
    ("ana", "Ana Lima", ("mlflow:ana", "git:ana@example.org"), ("requester",)),
    ("bo", "Bo Berg", ("mlflow:bo", "git:bo@example.org"), ("requester",)),
    ("vera", "Vera Novak", (), ("validator",)),
    ("rik", "Rik Jansen", (), ("risk", "promoter")),
)
"""Key name, printed name, outside identities and roles."""


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """What a demonstration leaves behind."""

    store: Path
    audit: Path
    anchor: str
    home: Path


def sample_folder() -> Path:
    """Where the sample history lies: in the wheel, or beside the sources.

    Raises:
        Refusal: it is in neither.
    """
    here = Path(__file__).resolve().parent.parent
    for folder in (here / "_sample_data", here.parent / "sample_data"):
        if (folder / "mlflow.db").is_file():
            return folder
    raise Refusal("the sample history is missing from this installation")


def run_demonstration(folder: Path, *, tell: Tell) -> Demonstrated:
    """Make everything anew in a folder that is empty or an earlier demonstration's.

    Raises:
        Misuse: the folder holds something else.
    """
    _clear(folder)
    sample = folder / "sample"
    shutil.copytree(
        sample_folder(), sample, ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    places = Places(folder / "home" / "data", folder / "home" / "config")
    address = str(folder / "store")
    founder_key = create_key_file(places.keys / "dana.pem", None, is_demonstration=True)
    founded = found_store(
        address, places, Configuration(), founder_key, name="Dana Okafor", is_demo=True
    )
    store = founded.store
    tell("1. A store, with Dana as its founder.")
    reports = import_address(
        store,
        act_as_service(store, store.state(), ServiceKind.IMPORT),
        str(sample),
    )
    facts = sum(sum(report.new.values()) for report in reports)
    names = ", ".join(report.source for report in reports)
    tell(f"2. Imported {facts} facts from {names}.")
    _hire(store, places, tell)
    for change in unapproved_changes(store):
        tell(
            f"   Found: {change.model} {change.stage} is version {change.registry} in "
            f"the registry; the log approves {change.approved or 'none'}."
        )
    _sign_off(store, places, FIRST, "The version that served before", tell)
    _refuse(store, places, "5", tell)
    _sign_off(store, places, SECOND, "Serves both sexes alike", tell)
    _leave_waiting(store, places, tell)
    checkpoint = make_checkpoint(store)
    audit = folder / "audit.zip"
    audit.write_bytes(export_audit(store, Scope(), checkpoint))
    verified = verify_file(audit, founded.first_root, Demands(head=checkpoint))
    if not verified.is_good:
        raise Refusal(f"the audit file does not verify: {verified.problems[0]}")
    head = store.log.head()
    (folder / "anchor.txt").write_text(
        f"{founded.first_root}\n{head.size} {head.root}\n"
    )
    tell(f"7. Wrote audit.zip and verified it: {verified.size} entries, GOOD.")
    store.close()
    return Demonstrated(folder / "store", audit, founded.first_root, folder / "home")


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise Misuse(
                f"{folder} holds something that no demonstration made",
                hint="Give another folder: countersign demo --dir DIR",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("This folder is made anew by every demonstration.\n")


def _hire(store: OpenStore, places: Places, tell: Tell) -> None:
    dana = _person(store, places, "dana")
    for key_name, name, identities, roles in STAFF:
        signer = create_key_file(
            places.keys / f"{key_name}.pem", None, is_demonstration=True
        )
        offer = make_offer(store.origin, signer, name=name, identities=identities)
        grants = tuple(Grant(role) for role in roles)
        enrol(store, dana, read_offer(offer, store.origin), grants)
    tell(f"3. Dana enrolled {', '.join(name for _, name, _, _ in STAFF)}.")
    for path in sorted((sample_folder() / "policies").glob("*.toml")):
        activate_policy(store, dana, path.read_bytes())
    tell("4. Dana put the policies in force.")


def _person(store: OpenStore, places: Places, name: str) -> Acting:
    path = str(places.keys / f"{name}.pem")
    return act_as_person(store, store.state(), path, lambda _: None)


def _sign_off(
    store: OpenStore, places: Places, number: str, reason: str, tell: Tell
) -> None:
    reference = f"model:{MODEL}@{number}"
    version = find_version(store, reference)
    made = request_transition(
        store,
        _person(store, places, "bo" if number == FIRST else "ana"),
        version,
        "production",
        DEFAULT_ENVIRONMENT,
        reason,
    )
    before = gate(store, reference, "production", DEFAULT_ENVIRONMENT)
    for name in ("vera", "rik"):
        state = store.state()
        record = find_request(store, made.appended.statement_id, state)
        sheet = review_sheet(store, record, state)
        acting = _person(store, places, name)
        answer_request(store, acting, sheet, Decision.APPROVE, "Read and checked")
    record = find_request(store, made.appended.statement_id, store.state())
    promote(store, _person(store, places, "rik"), record, environment={})
    after = gate(store, reference, "production", DEFAULT_ENVIRONMENT)
    step = "5" if number == FIRST else "6"
    tell(
        f"{step}. {reference} to production: the gate said {before.tree.verdict.value} "
        f"when it was asked for, {after.tree.verdict.value} after Vera and Rik signed "
        "and Rik promoted it."
    )


def _leave_waiting(store: OpenStore, places: Places, tell: Tell) -> None:
    """Something for whoever looks around to read and to sign."""
    request_transition(
        store,
        _person(store, places, "bo"),
        find_version(store, WAITING),
        "production",
        DEFAULT_ENVIRONMENT,
        "It serves already; now it is signed for",
    )
    tell(f"   {WAITING} to production waits for Vera and Rik: countersign requests")


def _refuse(store: OpenStore, places: Places, number: str, tell: Tell) -> None:
    reference = f"model:{MODEL}@{number}"
    version, bo = find_version(store, reference), _person(store, places, "bo")

    def ask(*, allows_failing: bool) -> Requested:
        return request_transition(
            store,
            bo,
            version,
            "production",
            DEFAULT_ENVIRONMENT,
            "Better on average",
            allows_failing=allows_failing,
        )

    try:
        made = ask(allows_failing=False)
    except Hopeless as problem:
        tell(f"   {reference}: {problem}; Bo asks all the same, for a waiver.")
        made = ask(allows_failing=True)
    state = store.state()
    record = find_request(store, made.appended.statement_id, state)
    sheet = review_sheet(store, record, state)
    acting = _person(store, places, "vera")
    answer_request(store, acting, sheet, Decision.REJECT, "One sex pays for it")
    tell("   Nobody waived anything, and Vera rejected it.")
