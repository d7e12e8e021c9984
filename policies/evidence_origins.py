"""How well the record knows where a version came from, as evidence for a decision.

Each thing is as strong as the best account of it: what the run said of itself, what a
reader saw happen, or bytes that were read again. Nothing here names a time of reading.
"""

from dataclasses import dataclass
from enum import StrEnum

from policies.predicates.forms import Flag, Text, Texts


class Known(StrEnum):
    """How a recorded thing is known, from the weakest up."""

    INFERRED = "inferred"
    DECLARED = "declared"
    """The run, or its author, said so."""
    OBSERVED = "observed"
    """A system that watched the run said so."""
    REREAD = "reread"
    """The bytes were read and hashed, or the commit found, by an import."""
    BY_SERVICE = "collected_by_service"
    """Read again so, and committed to the log by a service, which asks for nothing."""


STRENGTHS = (Known.DECLARED, Known.OBSERVED, Known.REREAD, Known.BY_SERVICE)
"""What a policy can ask for, from the weakest up."""
_ORDER = tuple(Known)


def is_at_least(known: Known, wanted: Known) -> bool:
    """Whether a strength is no weaker than another."""
    return _ORDER.index(known) >= _ORDER.index(wanted)


def strongest(found: list[Known]) -> Known:
    """The best of several accounts; inferred where there is none."""
    return max(found, key=_ORDER.index, default=Known.INFERRED)


@dataclass(frozen=True, slots=True)
class Account:
    """How one thing that a rule can require is known."""

    requirement: Text
    """As a policy names it: `dataset_version`, `commit_known`."""
    name: Text
    known: Known


@dataclass(frozen=True, slots=True)
class CommitBranches:
    """The branches that a commit was on when its repositories were imported."""

    sha: Text
    on: Texts
    recorded: Texts
    """Every branch of those repositories whose head is known."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """A run that wrote dataset versions upstream of those the version used.

    A version is its digest where that is a SHA-256, else `name@digest`.
    """

    run: Text
    read: Texts
    wrote: Texts


@dataclass(frozen=True, slots=True)
class DatasetName:
    """What a dataset version upstream is called."""

    version: Text
    name: Text


@dataclass(frozen=True, slots=True)
class Collector:
    """Who committed facts about the version or its run to the log."""

    id: Text
    is_service: Flag


@dataclass(frozen=True, slots=True)
class OriginsItem:
    """What stands behind the lineage of a version."""

    run_ended: Text = ""
    """RFC 3339 in UTC, or empty."""
    image_digest: Text = ""
    """`sha256:` and the digest of the container image that the run named."""
    accounts: tuple[Account, ...] = ()
    branches: tuple[CommitBranches, ...] = ()
    derivations: tuple[Derivation, ...] = ()
    names: tuple[DatasetName, ...] = ()
    is_cut: Flag = False
    """Whether there was more upstream than is kept here."""
    collectors: tuple[Collector, ...] = ()
