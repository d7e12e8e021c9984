"""A model's file, read from the log: record, findings, attachments, observations.

A pure reading of accepted statements in log order. The newest record counts. A finding
is closed by a statement in the role in which it was opened, and by no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from policies.predicates.observations import Observation
from policies.predicates.records import (
    Attachment,
    Comment,
    Finding,
    FindingStatus,
    ModelRecordChange,
)
from policies.workflow import Entry


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """One finding and how it stands."""

    opened: Entry
    finding: Finding
    """As it was opened, or opened anew."""
    closed: Entry | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still has to be remedied."""
        return self.closed is None


@dataclass(slots=True)
class ModelFile:
    """Everything that accompanies one registered model."""

    record: ModelRecordChange | None = None
    record_entry: Entry | None = None
    changes: list[Entry] = field(default_factory=list)
    """Every record there was, oldest first."""
    findings: dict[str, FindingRecord] = field(default_factory=dict)
    attachments: list[tuple[Entry, Attachment]] = field(default_factory=list)
    comments: list[tuple[Entry, Comment]] = field(default_factory=list)
    observations: list[tuple[Entry, Observation]] = field(default_factory=list)

    def open_findings(self, version_key: str) -> list[FindingRecord]:
        """Open findings about the model, or about one of its versions."""
        return [
            found
            for found in self.findings.values()
            if found.is_open and found.finding.version in ("", version_key)
        ]


def read_model_file(
    entries: Sequence[Entry], is_suspect: Callable[[Entry], bool] = lambda _: False
) -> ModelFile:
    """Fold the accepted statements on a model's topic, in log order.

    What `is_suspect` calls signed with a stolen key neither closes a finding nor sets a
    record, and observes nothing; a finding that it opened stays open, for that refuses
    rather than allows.
    """
    found = ModelFile()
    for entry in sorted(entries, key=lambda e: e.index):
        match entry.statement.predicate:
            case ModelRecordChange() as record if not is_suspect(entry):
                found.record, found.record_entry = record, entry
                found.changes.append(entry)
            case Finding() as finding:
                _take_finding(found, entry, finding, is_suspect=is_suspect(entry))
            case Attachment() as attachment:
                found.attachments.append((entry, attachment))
            case Comment() as comment:
                found.comments.append((entry, comment))
            case Observation() as observation if not is_suspect(entry):
                found.observations.append((entry, observation))
    return found


def _take_finding(
    file: ModelFile, entry: Entry, finding: Finding, *, is_suspect: bool
) -> None:
    known = file.findings.get(finding.finding)
    if finding.status is FindingStatus.OPEN:
        if known is None or not known.is_open or known.finding.role == finding.role:
            file.findings[finding.finding] = FindingRecord(entry, finding)
    elif known is not None and known.is_open and not is_suspect:
        same = (known.finding.role, known.finding.version)
        if same == (finding.role, finding.version):
            file.findings[finding.finding] = replace(known, closed=entry)
