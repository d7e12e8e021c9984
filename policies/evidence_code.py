"""What the code of a version is, as evidence: how its commits are signed, what changed.

A signed commit is kept whole, so that whoever judges verifies it again.
"""

from dataclasses import dataclass

from policies.predicates.forms import Count, Flag, Text


@dataclass(frozen=True, slots=True)
class SignedCommitUse:
    """The signature of a commit, as an import read it."""

    sha: Text
    form: Text
    """`ssh`, `openpgp`, `x509` or `unknown`."""
    problem: Text
    """Why nobody can verify it, as the import found, or empty."""
    whole: Text
    """The commit in base64, where its signature can be verified; else empty."""
    entry: Count
    """First entry of the log that told of it."""


@dataclass(frozen=True, slots=True)
class CodeItem:
    """How the commits of a version are signed; a commit not named here is not."""

    signatures: tuple[SignedCommitUse, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file of the repository that two commits have differently."""

    path: Text
    before: Text
    """Git's id of its content, or empty where it was not there."""
    after: Text


@dataclass(frozen=True, slots=True)
class CodeChangesItem:
    """What lies between the commit of the version now in the stage and the one asked
    for, as the requester's machine read it from the repository."""

    is_readable: Flag = False
    before: Text = ""
    after: Text = ""
    commits: Count = 0
    """Commits that the later one has and the earlier has not."""
    missing: Count = 0
    """Commits that the earlier one has and the later has not."""
    files: tuple[ChangedFile, ...] = ()
    all_files: Count = 0
    """How many files changed, also where not all of them are kept here."""
