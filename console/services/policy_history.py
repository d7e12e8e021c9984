"""Every version of every policy: who endorsed it, whether it came into force, and what
it changed. And endorsing one: by its file, or as it waits in the log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from console.services.founding import activate_policy, printed_name
from console.services.opened import OpenStore
from console.services.problems import Misuse, Refusal
from console.services.signing import Acting, Appended
from policies.authoring.changes import PolicyChange, policy_changes
from policies.document import Policy
from policies.document_reading import LARGEST_POLICY_BYTES, read_policy
from policies.predicates import Endorsement
from policies.topics import POLICY
from policies.trust_state import TrustState


class VersionStanding(StrEnum):
    """What became of one version of a policy."""

    IN_FORCE = "in force"
    PROPOSED = "proposed"
    """It waits for more endorsements."""
    REPLACED = "replaced"
    PASSED_OVER = "passed over"
    """Another document took its version, or its endorsements no longer count."""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy in the log."""

    id: str
    version: int
    digest: str
    standing: VersionStanding
    since_entry: int | None
    """From where it was in force."""
    endorsed_by: tuple[str, ...]
    """Printed names of those whose endorsement counts, or counted then."""
    wanted: int
    """How many people with the role `policy` must endorse it."""
    changes: tuple[str, ...]
    """What it changes over the version in force before it."""


def policy_versions(store: OpenStore, policy_id: str = "") -> list[PolicyVersion]:
    """Every version of every policy, or of one, in the order of their first entry."""
    state = store.state()
    told: dict[str, Endorsement] = {}
    for entry in store.index.on_topics(POLICY):
        _, statement = store.entry(entry.index)
        endorsement = statement.predicate
        if isinstance(endorsement, Endorsement):
            told.setdefault(endorsement.digest, endorsement)
    adopted = {(e.name, e.version): e.digest for e in told.values() if _was(state, e)}
    return [
        _version(store, state, endorsement, adopted)
        for endorsement in told.values()
        if policy_id in ("", endorsement.name)
    ]


def _was(state: TrustState, endorsement: Endorsement) -> bool:
    return endorsement.digest in state.adoptions


def _version(
    store: OpenStore,
    state: TrustState,
    endorsement: Endorsement,
    adopted: dict[tuple[str, int], str],
) -> PolicyVersion:
    digest, adoption = endorsement.digest, state.adoptions.get(endorsement.digest)
    signers = adoption.endorsements if adoption else state.pending.get(digest, ())
    threshold = 1 if state.root is None else state.root.policy_threshold
    before = adopted.get((endorsement.name, endorsement.version - 1), "")
    return PolicyVersion(
        id=endorsement.name,
        version=endorsement.version,
        digest=digest,
        standing=_standing(state, endorsement),
        since_entry=adoption.since if adoption else None,
        endorsed_by=tuple(_named(store, state, e.person) for e in signers),
        wanted=adoption.threshold if adoption else threshold,
        changes=tuple(str(change) for change in _changes(store, before, digest)),
    )


def _standing(state: TrustState, endorsement: Endorsement) -> VersionStanding:
    active = state.policies.get(endorsement.name)
    if active is not None and active.digest == endorsement.digest:
        return VersionStanding.IN_FORCE
    if endorsement.digest in state.adoptions:
        return VersionStanding.REPLACED
    following = 1 if active is None else active.version + 1
    waits = endorsement.version == following and state.pending.get(endorsement.digest)
    return VersionStanding.PROPOSED if waits else VersionStanding.PASSED_OVER


def _named(store: OpenStore, state: TrustState, person_id: str) -> str:
    person = state.people.get(person_id)
    return printed_name(store, person.profile, person_id) if person else person_id


def _changes(store: OpenStore, before: str, after: str) -> tuple[PolicyChange, ...]:
    if not before:
        return ()
    return policy_changes(document(store, before), document(store, after))


def document(store: OpenStore, digest: str) -> Policy:
    """A policy by the digest of its bytes.

    Raises:
        StoreError: the store lacks it.
        MalformedPolicy: this program cannot read it.
    """
    return read_policy(store.objects.get(digest), path=f"policy {digest[:16]}")


def find_policy(store: OpenStore, text: str) -> PolicyVersion:
    """The policy that a person typed: `ID`, in force or else proposed, or `ID@VERSION`.

    Raises:
        Misuse: there is none, or several wait under that name.
    """
    name, _, number = text.partition("@")
    versions = policy_versions(store)
    found = [v for v in versions if v.id == name and number in ("", str(v.version))]
    for wanted in VersionStanding:
        best = [v for v in found if v.standing is wanted]
        if len(best) == 1 or (best and wanted is VersionStanding.REPLACED):
            return best[-1]
        if best:
            raise Misuse(
                f"several documents wait as {text}", hint="Name one by its file."
            )
    known = dict.fromkeys(f"{v.id}@{v.version}" for v in versions)
    raise Misuse(
        f"there is no file and no policy {text!r}",
        hint=f"Known: {', '.join(known) or 'none'}",
    )


@dataclass(frozen=True, slots=True)
class ToEndorse:
    """A document that somebody is about to stand behind."""

    policy: Policy
    data: bytes
    changes: tuple[PolicyChange, ...]
    """Over the version in force."""


def to_endorse(store: OpenStore, text: str) -> ToEndorse:
    """The document that a person named, by its file or as it waits in the log.

    Raises:
        Misuse: there is none.
        Refusal: it is in force already, or passed over.
        MalformedPolicy: the file is no policy.
    """
    path = Path(text)
    data = _read(path) if path.is_file() else _waiting(store, text)
    policy = read_policy(data, path=text)
    active = store.state().policies.get(policy.id)
    if active is None:
        return ToEndorse(policy, data, ())
    if active.digest == policy.digest:
        raise Refusal(f"{policy.id} version {policy.version} is in force already")
    current = document(store, active.digest)
    return ToEndorse(policy, data, policy_changes(current, policy))


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(LARGEST_POLICY_BYTES + 1)
    except OSError as cause:
        raise Misuse(f"cannot read {path}: {cause.strerror}") from cause


def _waiting(store: OpenStore, text: str) -> bytes:
    """The one document that waits in the log under a name."""
    found = find_policy(store, text)
    waiting = [
        version
        for version in policy_versions(store, found.id)
        if version.standing is VersionStanding.PROPOSED
        and text in (version.id, f"{version.id}@{version.version}")
    ]
    if not waiting:
        raise Refusal(
            f"{text} is {found.standing.value}; nothing waits to be signed",
            hint="See what waits: countersign policy list --all",
        )
    if len(waiting) > 1:
        raise Misuse(f"several documents wait as {text}", hint="Name one by its file.")
    return store.objects.get(waiting[0].digest)


def endorse_policy(
    store: OpenStore, acting: Acting, data: bytes
) -> tuple[Appended, PolicyVersion]:
    """Endorse a document, and say how it stands afterwards.

    Raises:
        StoreRefused: it is not the next version, or the signer may not.
    """
    done = activate_policy(store, acting, data)
    policy = read_policy(data)
    versions = policy_versions(store, policy.id)
    return done, next(v for v in versions if v.digest == policy.digest)


def policy_named(store: OpenStore | None, text: str) -> Policy:
    """A policy by its file, or by `ID` or `ID@VERSION` in the log.

    Raises:
        Misuse: there is none.
        MalformedPolicy: the file is none.
    """
    path = Path(text)
    if path.is_file():
        return read_policy(_read(path), path=text)
    if store is None:
        raise Misuse(
            f"there is no file {text}", hint="A policy in the log needs --store."
        )
    return document(store, find_policy(store, text).digest)
