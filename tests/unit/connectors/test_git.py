"""Git: every commit is read, and a hostile repository runs nothing."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors import git, git_facts, git_objects, git_running
from connectors.errors import ConnectorRefused, ConnectorUnavailable, MalformedInput
from connectors.git import GitSource
from store.facts import Fact, FactKind
from store.git_commit import commit_id, read_signature
from store.identifiers import commit_key, repository_key
from store.ssh_wire import blob_fingerprint
from tests.repositories import git as run
from tests.repositories import (
    new_repository,
    raw_commit,
    signed_commit,
    written_commit,
)
from tests.ssh_programs import ssh_key
from tests.unit.connectors.facts import of_kind, told_by


def commits_of(source: GitSource) -> list[Fact]:
    return of_kind(told_by(source), FactKind.COMMIT)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = new_repository(tmp_path / "training")
    run(folder, "commit", "-q", "--allow-empty", "-m", "first")
    run(folder, "commit", "-q", "--allow-empty", "-m", "second [/x]\n\nbody")
    return folder


def test_commit_is_told_with_parents_author_and_time(repository: Path) -> None:
    facts = commits_of(GitSource("training", repository))
    second, first = facts
    assert second.subject == commit_key(run(repository, "rev-parse", "HEAD"))
    assert second.digest == run(repository, "rev-parse", "HEAD")
    assert second.name == "second [/x]"
    assert json.loads(second.text or "") == [first.digest]
    assert json.loads(first.text or "") == []
    assert second.actor == "git:ann@example.org git:bo@example.org"
    assert second.started == datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
    assert second.object == repository_key("training")


@pytest.mark.parametrize("form", ["bundle", "bare", "detached"])
def test_every_form_of_repository_tells_the_same(
    repository: Path, tmp_path: Path, form: str
) -> None:
    run(repository, "tag", "released")
    run(repository, "reset", "-q", "--hard", "HEAD~1")
    place = repository
    if form == "bundle":
        place = tmp_path / "t.bundle"
        run(repository, "bundle", "create", "-q", str(place), "--all")
    elif form == "bare":
        place = tmp_path / "bare"
        run(tmp_path, "clone", "-q", "--mirror", str(repository), str(place))
    else:
        run(repository, "checkout", "-q", "--detach", "released")
    names = {fact.name for fact in commits_of(GitSource("t", place))}
    assert names == {"first", "second [/x]"}


def test_repository_is_named_by_its_remote_without_credentials(
    repository: Path,
) -> None:
    url = "https://ann:secret@example.org/team/training.git"
    run(repository, "remote", "add", "origin", url)
    shown = repository_key("https://example.org/team/training.git")
    assert {f.object for f in commits_of(GitSource("t", repository))} == {shown}
    named = GitSource("t", repository, repository="given")
    assert {f.object for f in commits_of(named)} == {repository_key("given")}


@pytest.mark.parametrize(
    "subject",
    ["\x1b]52;c;aGk=\x07", "\x1e\x1f fields", "\u202egnp", "🦊" * 3000, "--format=x"],
)
def test_hostile_messages_stay_one_commit(repository: Path, subject: str) -> None:
    run(repository, "commit", "-q", "--allow-empty", "-m", subject)
    facts = commits_of(GitSource("t", repository))
    assert len(facts) == 3
    assert facts[0].name == subject[: git_facts.LONGEST_SUBJECT]


def test_author_cannot_pass_for_two(repository: Path) -> None:
    run(
        repository,
        *("commit", "-q", "--allow-empty", "-m", "x"),
        GIT_AUTHOR_EMAIL="eve git:ann@example.org",
        GIT_COMMITTER_EMAIL="eve git:ann@example.org",
    )
    assert (
        commits_of(GitSource("t", repository))[0].actor == "git:evegit:ann@example.org"
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("core.fsmonitor", "{}"),
        ("core.pager", "{}"),
        ("gpg.program", "{}"),
        ("core.sshCommand", "{}"),
        ("remote.origin.uploadpack", "{}"),
        ("alias.log", "!{}"),
        ("diff.external", "{}"),
    ],
)
def test_configuration_of_a_repository_runs_nothing(
    repository: Path, tmp_path: Path, setting: str, value: str
) -> None:
    trace = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    run(repository, "config", setting, value.format(program))
    run(repository, "config", "log.showSignature", "true")
    assert len(commits_of(GitSource("t", repository))) == 2
    assert not trace.exists()


def test_replaced_commits_are_read_as_they_are(repository: Path) -> None:
    head, first = run(repository, "rev-list", "HEAD").split()
    run(repository, "replace", "-f", head, first)
    facts = {fact.digest: fact.name for fact in commits_of(GitSource("t", repository))}
    assert facts[head] == "second [/x]"


@pytest.mark.parametrize("content", [b"", b"# v2 git bundle\nrubbish", b"\x00" * 100])
def test_what_is_no_bundle_is_malformed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "--upload-pack=x.bundle"
    path.write_bytes(content)
    with pytest.raises(MalformedInput, match="git cannot read"):
        commits_of(GitSource("t", path))


def test_damaged_repository_is_malformed(repository: Path) -> None:
    head = run(repository, "rev-parse", "HEAD")
    blob = repository / ".git" / "objects" / head[:2] / head[2:]
    blob.chmod(0o644)
    blob.write_bytes(b"rubbish")
    with pytest.raises(MalformedInput):
        commits_of(GitSource("t", repository))


def test_number_of_commits_is_bounded(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "MOST_COMMITS", 1)
    with pytest.raises(ConnectorRefused, match="more than 1 commits"):
        commits_of(GitSource("t", repository))


def test_git_that_says_nothing_is_given_up(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(git_running, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(ConnectorUnavailable, match="too long"):
        commits_of(GitSource("t", repository, repository="given"))


def test_missing_git_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConnectorRefused, match="not installed"):
        commits_of(GitSource("t", repository))


def branches_of(folder: Path) -> dict[str, str]:
    facts = of_kind(told_by(GitSource("t", folder)), FactKind.BRANCH)
    return {fact.name: fact.digest for fact in facts}


def test_branches_that_live_long_are_told_with_their_heads(repository: Path) -> None:
    head = run(repository, "rev-parse", "HEAD")
    for name in ("release/1.2", "topic", "mainly", "tags/main"):
        run(repository, "branch", name)
    assert branches_of(repository) == {"main": head, "release/1.2": head}


def test_the_branch_that_origin_follows_is_told_whatever_its_name(
    repository: Path, tmp_path: Path
) -> None:
    head = run(repository, "rev-parse", "HEAD")
    run(repository, "branch", "-m", "main", "line")
    run(tmp_path, "clone", "-q", str(repository), str(tmp_path / "clone"))
    assert branches_of(tmp_path / "clone") == {"line": head}


def signatures_of(folder: Path) -> list[Fact]:
    return of_kind(told_by(GitSource("t", folder)), FactKind.COMMIT_SIGNATURE)


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_a_signed_commit_is_told_whole_with_the_key_it_names(
    tmp_path: Path, form: str
) -> None:
    folder = new_repository(tmp_path / "r", f"--object-format={form}")
    key = ssh_key(tmp_path)
    sha = signed_commit(folder, key)
    (fact,) = signatures_of(folder)
    assert (fact.subject, fact.name, fact.status) == (commit_key(sha), "ssh", "")
    public = Path(f"{key}.pub").read_text().split()[1]
    assert fact.actor == blob_fingerprint(base64.b64decode(public))
    data = base64.b64decode(fact.text or "")
    assert commit_id(data, sha) == sha
    signature = read_signature(data, sha)
    assert signature is not None
    assert fact.digest == signature.payload_digest


def test_signatures_that_are_not_verified_here_are_told_without_the_commit(
    repository: Path,
) -> None:
    data = raw_commit(repository, "HEAD")
    armour = b"-----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n"
    head, _, message = data.partition(b"\n\n")
    sha = written_commit(repository, head + b"\ngpgsig " + armour + b"\n" + message)
    (fact,) = signatures_of(repository)
    assert (fact.subject, fact.name, fact.text) == (commit_key(sha), "openpgp", None)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"gpgsig -----BEGIN SSH SIGNATURE-----\n rubbish", "not an armoured"),
        (b"gpgsig x\ngpgsig y", "two signatures of one kind"),
        (b"gpgsig -----BEGIN SSH SIGNATURE-----\n " + b"A" * 70_000, "too large"),
    ],
)
def test_a_signature_that_cannot_be_read_says_why_and_stops_nothing(
    repository: Path, header: bytes, status: str
) -> None:
    head, _, message = raw_commit(repository, "HEAD").partition(b"\n\n")
    written_commit(repository, head + b"\n" + header + b"\n\n" + message)
    (fact,) = signatures_of(repository)
    assert status in fact.status
    assert fact.text is None
    assert len(commits_of(GitSource("t", repository))) == 2


def test_a_commit_under_another_s_name_is_refused(repository: Path) -> None:
    head, first = run(repository, "rev-list", "HEAD").split()
    objects = repository / ".git" / "objects"
    there = objects / head[:2] / head[2:]
    there.chmod(0o644)
    there.write_bytes((objects / first[:2] / first[2:]).read_bytes())
    with pytest.raises(MalformedInput):
        commits_of(GitSource("t", repository))


def test_a_commit_with_other_bytes_than_its_id_is_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_objects, "commit_id", lambda data, sha: "0" * len(sha))
    with pytest.raises(MalformedInput, match="is another one"):
        commits_of(GitSource("t", repository))


def test_grafts_of_a_repository_give_a_commit_no_other_parents(
    repository: Path,
) -> None:
    head, first = run(repository, "rev-list", "HEAD").split()
    (repository / ".git" / "info").mkdir(exist_ok=True)
    (repository / ".git" / "info" / "grafts").write_text(f"{head}\n")
    told = {f.digest: f.text for f in commits_of(GitSource("t", repository))}
    assert json.loads(told[head] or "") == [first]


def test_a_commit_larger_than_can_be_read_is_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_objects, "LARGEST_COMMIT_BYTES", 100)
    with pytest.raises(MalformedInput, match="larger than can be read"):
        commits_of(GitSource("t", repository))
