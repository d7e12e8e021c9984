"""What the services need of outside systems, split by capability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa

    from store.facts import Fact


@dataclass(slots=True)
class PartMemory:
    """Parts of a source by the digest of their content, so that what has not changed
    since it was told is not told again."""

    before: frozenset[str] = frozenset()
    """Parts whose facts are in the store."""
    now: set[str] = field(default_factory=set)
    """Parts that were found this time."""

    def is_told(self, digest: str) -> bool:
        """Whether all facts of a part are in the store; it is found either way."""
        self.now.add(digest)
        return digest in self.before


@dataclass(frozen=True, slots=True)
class KnownState:
    """What the store knows of a source that keeps no history of its own."""

    now: datetime
    last_seen: datetime | None = None
    """When the source was read last."""
    aliases: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(model key, alias) -> model version key."""
    stages: Mapping[str, str] = field(default_factory=dict)
    """Model version key -> stage, where it has one."""
    parts: PartMemory = field(default_factory=PartMemory)


@dataclass(frozen=True, slots=True)
class RefusedInput:
    """One input that could not be taken, and why."""

    where: str
    why: str


@dataclass(slots=True)
class Tally:
    """How many inputs were taken and which were not."""

    accepted: int = 0
    refused: list[RefusedInput] = field(default_factory=list)


class FactSource(Protocol):
    """Something that tells facts. Constructing one does no input or output."""

    @property
    def name(self) -> str:
        """Its name in every key and reference."""
        ...

    @property
    def tally(self) -> Tally:
        """Filled while `facts` is read."""
        ...

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """Tell everything, in any order.

        Raises:
            ConnectorError: the source cannot be read (to the end).
        """
        ...


@runtime_checkable
class ShowsAliases(Protocol):
    """A source that can be asked for its aliases alone, as they are now."""

    @property
    def name(self) -> str:
        """Its name in every key and reference."""
        ...

    def aliases_now(self) -> dict[tuple[str, str], str]:
        """(model key, alias) -> model version key.

        Raises:
            ConnectorError: the registry does not answer, or not in its form.
        """
        ...


@runtime_checkable
class ShowsStages(Protocol):
    """A source that can be asked in which legacy stage each version is now."""

    def stages_now(self) -> dict[str, str]:
        """Model version key -> stage, for versions that are in one.

        Raises:
            ConnectorError: the registry does not answer, or not in its form.
        """
        ...


@runtime_checkable
class TableSource(Protocol):
    """A source that tells its facts as tables, many at a time."""

    def tables(self, known: KnownState) -> Iterator[pa.Table]:
        """What `FactSource.facts` tells, as tables with the columns of a batch.

        Raises:
            ConnectorError: the source cannot be read (to the end).
        """
        ...


@dataclass(frozen=True, slots=True)
class ListedCommit:
    """A commit between two others."""

    sha: str
    subject: str
    author: str
    """E-mail address, as it was typed."""


@dataclass(frozen=True, slots=True)
class ChangedPath:
    """A file that two commits have differently."""

    path: str
    before: str
    """Id of its content in the repository, or empty where it was not there."""
    after: str
    is_submodule: bool = False
    added: int | None = None
    """Lines; None where it is not text, or they were not counted."""
    removed: int | None = None


@dataclass(frozen=True, slots=True)
class CodeComparison:
    """What lies between two commits."""

    before: str
    after: str
    commits: int
    """Commits that the later one has and the earlier has not."""
    missing: int
    """Commits that the earlier one has and the later has not."""
    listed: tuple[ListedCommit, ...]
    """The newest of the former."""
    files: tuple[ChangedPath, ...]
    all_files: int
    """How many files changed, also where not all are here."""


@runtime_checkable
class ComparesCode(Protocol):
    """A source that can say what lies between two of its commits."""

    @property
    def name(self) -> str:
        """Its name in every key and reference."""
        ...

    def compare(self, before: str, after: str) -> CodeComparison:
        """Compare two commits by their full ids.

        Raises:
            ConnectorError: it lacks one of them, or cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One file of an artifact, hashed as it is now."""

    path: str
    sha256: str
    size: int


@runtime_checkable
class ArtifactReader(Protocol):
    """Reads the files of a model by the location that the registry names."""

    def files(self, location: str) -> list[ArtifactFile]:
        """Every file below a location, by path.

        Raises:
            ConnectorError: the location cannot be read whole.
        """
        ...

    def read(self, location: str, path: str, *, at_most: int) -> bytes:
        """One file.

        Raises:
            ConnectorError: it is not there, or larger than `at_most`.
        """
        ...

    def pieces(self, location: str, path: str) -> Iterator[bytes]:
        """One file in pieces, of any size.

        Raises:
            ConnectorError: it is not there, or breaks off.
        """
        ...


@runtime_checkable
class AliasWriter(Protocol):
    """Moves an alias in a registry and reads it back."""

    @property
    def address(self) -> str:
        """The registry, without credentials."""
        ...

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias at a version.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        ...

    def remove_alias(self, model: str, alias: str) -> None:
        """Take an alias away.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        ...

    def read_alias(self, model: str, alias: str) -> str:
        """The version an alias points at, or empty.

        Raises:
            ConnectorError: the registry does not answer.
        """
        ...


@runtime_checkable
class StageWriter(Protocol):
    """Moves versions between a registry's legacy stages and reads them back."""

    def set_stage(
        self, model: str, version: str, stage: str, *, is_alone: bool = False
    ) -> None:
        """Put a version into a stage; with `is_alone` all others there are archived.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        ...

    def versions_in(self, model: str, stage: str) -> list[str]:
        """The versions of a model that are in a stage, the newest first.

        Raises:
            ConnectorError: the registry does not answer.
        """
        ...


@runtime_checkable
class TagWriter(Protocol):
    """Tags versions in a registry and reads the tags back."""

    def set_version_tag(self, model: str, version: str, name: str, text: str) -> None:
        """Tag a version.

        Raises:
            ConnectorError: it was not done, or not known whether.
        """
        ...

    def read_version_tag(self, model: str, version: str, name: str) -> str:
        """A tag of a version, or empty.

        Raises:
            ConnectorError: the registry does not answer.
        """
        ...
