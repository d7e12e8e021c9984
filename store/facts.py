"""Facts: the rows that lineage is made of, and the columns every batch has.

A fact says one thing about one subject, as one source told it. Its id is the SHA-256
of what it says, so the same fact told twice is one fact. This module knows nothing of
files, logs or databases.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum


class FactKind(StrEnum):
    """What a fact says; the line under each names the columns it uses.

    `number` repeats as a double what `text` or `digest` already fixes.
    """

    EXPERIMENT = "experiment"
    """subject=experiment, name."""
    RUN = "run"
    """subject=run, object=experiment or job, name, status, started, ended, actor."""
    PARAM = "param"
    """subject=run, name=key, text=value."""
    METRIC = "metric"
    """subject=run or model version, name=metric, text=shortest decimal, number, step,
    started=when logged."""
    TAG = "tag"
    """subject=anything, name=key, text=value, low and high where the source was seen
    to change it."""
    JOB = "job"
    """subject=job, name, text=namespace."""
    DATASET = "dataset"
    """subject=dataset, name, text=namespace."""
    DATASET_VERSION = "dataset_version"
    """subject=dataset version, object=dataset, name, digest, location, number=rows,
    text=schema as JSON, started=when it was made, if the source keeps that,
    strength=reread when the bytes were hashed by the import."""
    DATA_PROFILE = "data_profile"
    """subject=dataset version, text=rows and columns as JSON, strength=reread."""
    ASSERTION = "assertion"
    """subject=dataset version, object=run that checked, name, status=passed or failed,
    text=column, if it is about one."""
    COMMIT = "commit"
    """subject=commit, object=repository, name=first line of the message, digest=full
    hash, started=commit time, actor=author, text=JSON list of parents."""
    COMMIT_SIGNATURE = "commit_signature"
    """subject=commit, object=repository, name=form of the signature (ssh, openpgp,
    x509), actor=fingerprint of the key that it names, digest=of what is signed,
    text=the whole commit in base64 where anybody can verify it, status=why nobody
    can, strength=reread."""
    BRANCH = "branch"
    """subject=object=repository, name=branch, digest=full hash of a head it had."""
    MODEL = "model"
    """subject=model, name, text=description."""
    MODEL_VERSION = "model_version"
    """subject=model version, object=model, name=version, started=created, status,
    location=artifact location, digest=manifest digest when the bytes were read."""
    FILE = "file"
    """subject=model version, name=path, digest, number=size in bytes."""
    SIGNATURE = "signature"
    """subject=model version, text=MLmodel signature as JSON (inputs and outputs)."""
    FORMAT = "format"
    """subject=model version, name=path, text=format that the MLmodel file says."""
    FLAVOUR = "flavour"
    """subject=model version, name=flavour that the MLmodel file tells, text=version of
    its library; of `python_function`: of Python."""
    MODEL_SIGNATURE = "model_signature"
    """subject=model version, text=the file with the signature over the model."""
    ALIAS = "alias"
    """subject=model, name=alias, object=model version, empty when taken away."""
    STAGE = "stage"
    """subject=model version, name=registry stage such as Production, empty when
    in none any more."""
    EDGE = "edge"
    """subject -> object, name=relation (see Relation), strength, text=context."""
    SYMLINK = "symlink"
    """subject=dataset, object=dataset of the other name, name=other name,
    text=namespace, status=type of the name, such as TABLE."""
    COLUMN_LINEAGE = "column_lineage"
    """subject=dataset version written, object=dataset read, name=column written,
    location=column read (each empty for the whole), text=transformations as JSON,
    digest=SHA-256 of the facet that says so, strength."""
    COLUMN_MAP = "column_map"
    """subject=run, object=dataset version written, digest=SHA-256 of the facet by
    which the run told how its columns came to be."""
    FACET = "facet"
    """subject=run, job or dataset version, object=run, where the facet is about what
    that run did with the data, name, text=JSON, location=where it stood, if not among
    the facets, status=deleted and started=when, if the event took it away."""
    DELETION = "deletion"
    """subject, text=how the source says it is gone."""
    VIOLATION = "violation"
    """subject, name=rule broken, text=what was found."""


class Relation(StrEnum):
    """How a run or deployment relates to what it touched (the edge points as read)."""

    READ = "read"
    """run -> dataset version"""
    USED = "used"
    """run -> commit"""
    WROTE = "wrote"
    """run -> dataset version"""
    PRODUCED = "produced"
    """run -> model version"""
    CONTAINS = "contains"
    """parent run or pipeline run -> run"""
    SERVES = "serves"
    """deployment -> model version"""


class Strength(StrEnum):
    """How a fact came to be known; an inferred edge never proves provenance."""

    REREAD = "reread"
    """The import read the bytes itself."""
    OBSERVED = "observed"
    DECLARED = "declared"
    INFERRED = "inferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One row of a batch. Times are UTC; `low`/`high` bound when it became true.

    Where the source records a time, both bounds are that time. Where it keeps no
    history, `low` is when it was last seen otherwise (None: never seen before) and
    `high` when it was first seen so.
    """

    kind: FactKind
    subject: str
    object: str = ""
    name: str = ""
    text: str | None = None
    number: float | None = None
    step: int | None = None
    status: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    actor: str = ""
    digest: str = ""
    location: str = ""
    strength: str = ""
    low: datetime | None = None
    high: datetime | None = None
    replaces: str = ""
    """Id of the fact that this one corrects, or empty: one of the same source and kind
    about the same subject."""


NARROW_KINDS = {
    FactKind.PARAM: ("name", "text", "low", "high", "replaces"),
    FactKind.METRIC: ("name", "text", "number", "step", "started", "replaces"),
    FactKind.TAG: ("name", "text", "low", "high", "replaces"),
}
"""Kinds of which a history has millions, and the only columns, beside the subject, in
which their facts may say something. A metric always has its text."""

TEXT_COLUMNS = (
    "kind",
    "subject",
    "object",
    "name",
    "text",
    "status",
    "actor",
    "digest",
    "location",
    "strength",
    "replaces",
)
TIME_COLUMNS = ("started", "ended", "low", "high")
COLUMNS = tuple(field.name for field in fields(Fact))


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970 UTC, computed without floating point."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _netstring(value: str | None) -> str:
    if value is None:
        return "-"
    return f"{len(value.encode())}:{value}"


def fact_id(source: str, fact: Fact) -> str:
    """Return the SHA-256 (hex) of what a fact says and who said it.

    The bytes are the source and the identity columns as netstrings (`length:value` in
    UTF-8, `-` for an absent value), times as microseconds since 1970 UTC.
    """
    parts = [_netstring(source)]
    for column in TEXT_COLUMNS:
        value = getattr(fact, column)
        parts.append(_netstring(None if value is None else str(value)))
    for column in TIME_COLUMNS:
        moment = getattr(fact, column)
        parts.append(_netstring(None if moment is None else str(microseconds(moment))))
    parts.append(_netstring(None if fact.step is None else str(fact.step)))
    return hashlib.sha256("".join(parts).encode()).hexdigest()
