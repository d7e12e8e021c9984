"""Signed commits: whose key counts, who is shown as author, what a policy can ask."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.git import GitSource
from console.cli import main
from console.services.catalogue import commits
from console.services.code_changes import _LONGEST_PATH, MOST_FROZEN
from console.services.configuration import (
    FILE_NAME,
    Configuration,
    load_configuration,
)
from console.services.gathering_code import _MOST_COMMITS
from console.services.importing import import_source
from console.services.inspection import details
from console.services.makers import commit_signers
from console.services.problems import Misuse
from console.services.revoking import revoke
from policies.commit_signers import Signed, signer_of
from policies.document_reading import read_policy
from policies.evidence import Evidence, item_bytes
from policies.evidence_code import (
    ChangedFile,
    CodeChangesItem,
    CodeItem,
    SignedCommitUse,
)
from policies.evidence_reading import LARGEST_ITEM_BYTES
from policies.predicates import RevocationCause
from policies.rules.context import Context
from policies.rules.signed_commit import judge_signed_commit
from policies.verdict import Node, Verdict
from store.facts import Fact, FactKind
from store.git_commit import LARGEST_SIGNED_BYTES
from store.identifiers import commit_key, repository_key
from tests.repositories import (
    committed,
    new_repository,
    raw_commit,
    signed_commit,
    written_commit,
)
from tests.services.test_provenance import evidence_of, service, trained
from tests.ssh_programs import ssh_key
from tests.unit.policies.test_rules import HEAD, QUORUMS
from tests.worlds import NOON, World

TRAIN, TEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64


class Signing:
    """A person with an SSH key, and a repository."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.key = ssh_key(folder)
        self.folder = new_repository(folder / "code")

    def enrol(self, name: str = "vera") -> str:
        return self.world.hire_with(
            str(self.key), name, "validator", identities=("git:ann@example.org",)
        ).id

    def imported(self, sha: str) -> Evidence:
        """Evidence for a version that was trained from a commit."""
        self.world.tell(*trained(sha, TRAIN, TEST))
        import_source(
            self.world.store, service(self.world), GitSource("code", self.folder)
        )
        return evidence_of(self.world)

    def signed(self, evidence: Evidence) -> Signed:
        (found,) = commit_signers(evidence, self.world.store.state())
        return found.signed


@pytest.fixture
def signing(world: World, tmp_path: Path) -> Signing:
    return Signing(world, tmp_path)


def judged(signing: Signing, evidence: Evidence, fields: str = "") -> Node:
    rules = '[[rules]]\nid = "other"\nkind = "run_finished"\n'
    rules += f'[[rules]]\nid = "r"\nkind = "signed_commit"\n{fields}\n'
    rule = read_policy((HEAD + rules + QUORUMS).encode()).rules[1]
    state = signing.world.store.state()
    signers = commit_signers(evidence, state)
    people = (
        state.person_of_identity(a) for c in evidence.lineage.commits for a in c.authors
    )
    authors = frozenset(person.id for person in people if person)
    context = Context(
        *("p-req", frozenset(), authors, (), (), NOON),
        signers=signers,
        addressed=authors,
    )
    return judge_signed_commit(rule, evidence, context)


def test_a_lineage_says_how_its_commits_are_signed(
    signing: Signing, capsys: pytest.CaptureFixture[str]
) -> None:
    signing.enrol()
    signing.imported(signed_commit(signing.folder, signing.key))
    address = signing.world.store.address
    assert main(["--store", address, "lineage", "model:fraud@1"]) == 0
    said = capsys.readouterr().err
    assert "Commits: 1 signed by a person of the trust root." in said


def test_a_commit_signed_with_a_person_s_key_is_theirs(signing: Signing) -> None:
    vera = signing.enrol()
    sha = signed_commit(signing.folder, signing.key)
    evidence = signing.imported(sha)
    (signer,) = commit_signers(evidence, signing.world.store.state())
    assert (signer.signed, signer.person) == (Signed.BY_PERSON, vera)
    for fields in ("", 'by = "author"', f'people = ["{vera}"]'):
        assert judged(signing, evidence, fields).verdict is Verdict.YES
    node = judged(signing, evidence, 'people = ["p-1"]')
    assert (node.verdict, "does not name" in node.observed) == (Verdict.NO, True)


def test_the_author_that_a_signature_shows_is_authenticated_and_others_are_claimed(
    signing: Signing,
) -> None:
    signing.enrol()
    signing.world.hire("bo", "risk", identities=("git:bo@example.org",))
    signing.imported(signed_commit(signing.folder, signing.key))
    unsigned = committed(signing.folder, "later", a="1")
    signing.imported(unsigned)
    stranger = signed_commit(
        signing.folder, signing.key, GIT_AUTHOR_EMAIL="who@example.org"
    )
    signing.imported(stranger)
    found = {
        one.sha: [(m.person, m.standing.value) for m in one.makers]
        for one in commits(signing.world.store, limit=9)
    }
    assert found[unsigned] == [("Vera", "claimed"), ("Bo", "claimed")]
    assert found[stranger] == [("", "unknown"), ("Bo", "claimed")]
    (signed,) = found.keys() - {unsigned, stranger}
    assert found[signed] == [("Vera", "authenticated"), ("Bo", "claimed")]
    shown = dict(details(signing.world.store, f"commit:{unsigned}").fields)
    assert shown["author"] == "git:ann@example.org = Vera (claimed)"
    assert shown["signature"] == "not signed"


def test_by_author_wants_the_signer_to_be_whose_address_the_commit_names(
    signing: Signing,
) -> None:
    signing.enrol()
    sha = signed_commit(
        signing.folder,
        signing.key,
        GIT_AUTHOR_EMAIL="bo@example.org",
    )
    evidence = signing.imported(sha)
    assert judged(signing, evidence).verdict is Verdict.YES
    node = judged(signing, evidence, 'by = "author"')
    assert node.verdict is Verdict.NO
    assert "neither author nor committer" in node.observed


def test_a_key_that_nobody_holds_is_a_stranger_s_until_it_is_enrolled(
    signing: Signing,
) -> None:
    evidence = signing.imported(signed_commit(signing.folder, signing.key))
    assert signing.signed(evidence) is Signed.BY_STRANGER
    assert judged(signing, evidence).verdict is Verdict.NO
    gaps = {g.code for g in details(signing.world.store, "model:fraud@1").gaps}
    assert "commit-signed-by-stranger" in gaps
    signing.enrol()
    assert signing.signed(evidence) is Signed.BY_PERSON
    assert item_bytes(evidence_of(signing.world).code) == item_bytes(evidence.code)


def test_a_key_that_is_lost_later_still_counts_for_what_was_told_before(
    signing: Signing,
) -> None:
    signing.enrol()
    before = signing.imported(signed_commit(signing.folder, signing.key, "before"))
    dana = signing.world.people["dana"]
    key = f"key:{signing.world.people['vera'].key.id[:16]}"
    revoke(signing.world.store, dana, key, RevocationCause.LOST, "why")
    assert signing.signed(before) is Signed.BY_PERSON
    (signer,) = commit_signers(before, signing.world.store.state())
    assert "counted until entry" in signer.said
    sha = signed_commit(signing.folder, signing.key, "after")
    signing.world.tell(
        Fact(
            kind=FactKind.COMMIT,
            subject=commit_key(sha),
            object=repository_key("code"),
            digest=sha,
        )
    )
    signing.imported(sha)
    shown = dict(details(signing.world.store, f"commit:{sha}").fields)
    assert "no longer in force" in shown["signature"]


def test_a_stolen_key_counts_for_nothing_told_since_the_theft(
    signing: Signing,
) -> None:
    signing.enrol()
    evidence = signing.imported(signed_commit(signing.folder, signing.key))
    told = evidence.code.signatures[0].entry
    key = f"key:{signing.world.people['vera'].key.id[:16]}"
    revoke(
        signing.world.store,
        signing.world.people["dana"],
        key,
        RevocationCause.COMPROMISED,
        "why",
        since=told,
    )
    assert signing.signed(evidence) is Signed.BY_LOST_KEY
    node = judged(signing, evidence)
    assert node.verdict is Verdict.NO
    assert f"stolen since entry {told}" in node.observed


def test_an_unsigned_commit_is_information_and_no_for_the_rule(
    signing: Signing,
) -> None:
    evidence = signing.imported(committed(signing.folder, "plain"))
    assert evidence.code.signatures == ()
    assert judged(signing, evidence).verdict is Verdict.NO
    assert "commit-not-signed" not in {g.code for g in evidence.lineage.gaps}
    gaps = {g.code for g in details(signing.world.store, "model:fraud@1").gaps}
    assert "commit-not-signed" in gaps


def told_signature(sha: str, whole: bytes) -> Fact:
    return Fact(
        kind=FactKind.COMMIT_SIGNATURE,
        subject=commit_key(sha),
        object=repository_key("code"),
        name="ssh",
        text=base64.b64encode(whole).decode(),
        strength="reread",
    )


def test_another_commit_s_signature_told_for_this_one_makes_it_badly_signed(
    signing: Signing,
) -> None:
    signing.enrol()
    signed = signed_commit(signing.folder, signing.key, "good")
    whole = raw_commit(signing.folder, signed)
    plain = committed(signing.folder, "evil", a="1")
    signing.world.tell(told_signature(plain, whole), source="liar")
    evidence = signing.imported(plain)
    assert signing.signed(evidence) is Signed.BAD
    assert judged(signing, evidence).verdict is Verdict.NO


def test_a_liar_who_speaks_first_does_not_hide_a_good_signature(
    signing: Signing,
) -> None:
    signing.enrol()
    sha = signed_commit(signing.folder, signing.key)
    signing.world.tell(told_signature(sha, b"rubbish"), source="liar")
    assert signing.signed(signing.imported(sha)) is Signed.BY_PERSON


def test_a_liar_s_commit_that_is_far_too_large_is_not_kept(signing: Signing) -> None:
    sha = committed(signing.folder, "plain")
    signing.world.tell(told_signature(sha, bytes(200_000)), source="liar")
    evidence = signing.imported(sha)
    (use,) = evidence.code.signatures
    assert (use.whole, use.problem) == ("", "it is too large")
    assert signing.signed(evidence) is Signed.BAD


def test_openpgp_is_told_and_does_not_count(signing: Signing) -> None:
    sha = committed(signing.folder, "plain")
    head, _, message = raw_commit(signing.folder, sha).partition(b"\n\n")
    armour = b"-----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    sha = written_commit(
        signing.folder, head + b"\ngpgsig " + armour + b"\n\n" + message
    )
    evidence = signing.imported(sha)
    assert signing.signed(evidence) is Signed.UNVERIFIABLE
    assert "OpenPGP" in judged(signing, evidence).observed


def test_a_version_without_a_commit_is_unknown(signing: Signing) -> None:
    told = [f for f in trained("0" * 40, TRAIN, TEST) if f.name != "used"]
    signing.world.tell(*told)
    assert judged(signing, evidence_of(signing.world)).verdict is Verdict.UNKNOWN


def test_a_key_among_the_allowed_signers_is_named_and_counts_for_no_policy(
    signing: Signing, tmp_path: Path
) -> None:
    sha = signed_commit(signing.folder, signing.key)
    evidence = signing.imported(sha)
    line = Path(f"{signing.key}.pub").read_text()
    (tmp_path / "allowed").write_text(f"ann@example.org {line}")
    store = signing.world.store
    store.configuration = Configuration(allowed_signers=str(tmp_path / "allowed"))
    shown = dict(details(store, f"commit:{sha}").fields)
    assert "listed as ann@example.org among the allowed signers" in shown["signature"]
    assert judged(signing, evidence).verdict is Verdict.NO
    (tmp_path / "allowed").write_text("rubbish")
    with pytest.raises(Misuse, match="line 1"):
        details(store, f"commit:{sha}")


def test_a_configuration_that_was_merely_found_names_no_allowed_signers(
    signing: Signing, tmp_path: Path
) -> None:
    path = tmp_path / FILE_NAME
    path.write_text('[git]\nallowed_signers = "evil"\n')
    with pytest.raises(Misuse, match="may not set 'git'"):
        load_configuration(signing.world.places, environment={}, folder=tmp_path)
    given = load_configuration(signing.world.places, explicit=str(path))
    assert given.allowed_signers == "evil"
    path.write_text('[git]\nallowed = "x"\n')
    with pytest.raises(Misuse, match="did you mean 'allowed_signers'"):
        load_configuration(signing.world.places, explicit=str(path))


def test_a_key_of_a_service_or_of_somebody_gone_is_nobody_s_signature(
    signing: Signing,
) -> None:
    signing.enrol()
    evidence = signing.imported(signed_commit(signing.folder, signing.key))
    (use,) = evidence.code.signatures
    state = signing.world.store.state()
    key = next(p for p in state.periods if p.owner == signing.world.people["vera"].id)
    state.periods = (replace(key, owner="import-1"),)
    found = signer_of(use.sha, use, state)
    assert (found.signed, found.person) == (Signed.BY_LOST_KEY, "")
    name = next(iter(state.services))
    state.periods = (replace(key, owner=name),)
    found = signer_of(use.sha, use, state)
    assert (found.signed, found.person) == (Signed.BY_SERVICE, "")


def test_a_whole_commit_of_evidence_stays_within_what_is_read_back() -> None:
    path = "\\" * _LONGEST_PATH
    files = (ChangedFile(path, "a" * 64, "b" * 64),) * MOST_FROZEN
    assert len(item_bytes(CodeChangesItem(files=files))) < LARGEST_ITEM_BYTES
    whole = "A" * (2 * LARGEST_SIGNED_BYTES)
    uses = (SignedCommitUse("c" * 64, "ssh", "", whole, 1),) * _MOST_COMMITS
    assert len(item_bytes(CodeItem(uses))) < LARGEST_ITEM_BYTES
