"""Lint of policy files, alone or against what a store knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from console.services.catalogue import caught_up
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.gathering import provenance_of
from console.services.makers import people_of_identities
from console.services.opened import OpenStore
from console.services.policy_cases import SUFFIX, run_file
from console.services.problems import Misuse
from console.services.record_facts import model_file_before
from policies.authoring.known import Record
from policies.authoring.lint import lint
from policies.authoring.lint_record import lint_against, overlaps
from policies.authoring.remarks import Linted, Remark, Severity
from policies.document_reading import LARGEST_POLICY_BYTES, read_policy
from policies.errors import MalformedPolicy
from policies.evidence import split_metric_name
from policies.trust_state import TrustState
from store.queries.models import ModelVersion, list_versions
from store.queries.sql import fetch


@dataclass(frozen=True, slots=True)
class LintReport:
    """What was looked at, and what there is to say about it."""

    files: tuple[str, ...]
    remarks: tuple[Remark, ...]

    @property
    def exit_code(self) -> int:
        """0 with nothing but remarks, 1 with problems, 2 with anything malformed."""
        severities = {remark.severity for remark in self.remarks}
        if Severity.MALFORMED in severities:
            return 2
        return 1 if Severity.PROBLEM in severities else 0


def lint_files(
    paths: list[Path], now: datetime, store: OpenStore | None = None
) -> LintReport:
    """Look policies over, and each against the others and the store.

    Of files of cases it says only whether they can be read.

    Raises:
        Misuse: a file cannot be read.
    """
    remarks: list[Remark] = []
    read: list[Linted] = []
    for path in paths:
        try:
            if path.name.endswith(SUFFIX):
                run_file(path)
            else:
                read.append(_read(path))
        except MalformedPolicy as problem:
            remarks.append(_malformed(path, problem))
    record = None if store is None else record_of(store)
    for linted in read:
        remarks += lint(linted, now)
        if record is not None:
            remarks += lint_against(linted, record)
    if record is None:
        remarks += overlaps(read, ())
    else:
        remarks += overlaps(read, record.in_force, record.models)
    order = [str(path) for path in paths]
    remarks.sort(key=lambda remark: (order.index(remark.path), remark.line))
    return LintReport(tuple(order), tuple(remarks))


def _read(path: Path) -> Linted:
    try:
        with open(path, "rb") as stream:
            data = stream.read(LARGEST_POLICY_BYTES + 1)
    except OSError as cause:
        raise Misuse(f"cannot read {path}: {cause.strerror}") from cause
    policy = read_policy(data, path=str(path))
    return Linted(policy, data.decode(), str(path))


def _malformed(path: Path, problem: MalformedPolicy) -> Remark:
    if problem.path != str(path):
        return Remark(str(path), 1, Severity.MALFORMED, str(problem), problem.hint)
    text = str(problem).removeprefix(f"{path}:{problem.line}: ")
    text = text.removeprefix(f"{path}: ")
    return Remark(str(path), problem.line, Severity.MALFORMED, text, problem.hint)


def overlaps_in_force(store: OpenStore, data: bytes, name: str) -> list[Remark]:
    """Transitions that nothing could pass any more once a policy is in force.

    Raises:
        MalformedPolicy: it is none.
    """
    policy = read_policy(data, path=name)
    in_force = store.policies(store.state())
    return overlaps([Linted(policy, data.decode(), name)], in_force)


def record_of(store: OpenStore) -> Record:
    """What a store knows, as far as policies name it."""
    caught_up(store)
    state = store.state()
    with store.projection.reading() as connection:
        metrics = {
            split_metric_name(row["name"])
            for row in fetch(connection, "SELECT DISTINCT name FROM metric")
        }
        datasets = {
            row["name"]
            for row in fetch(connection, "SELECT DISTINCT name FROM dataset_version")
        }
        versions = list_versions(connection)
        newest = _newest(versions)
        lineages = {
            model: provenance_of(connection, version).lineage
            for model, version in newest.items()
        }
    return Record(
        models=frozenset(version.model for version in versions),
        metrics=frozenset(name for name, _ in metrics),
        slices=frozenset(name for _, name in metrics if name),
        datasets=frozenset(datasets),
        environments=frozenset(
            store.configuration.environments or (DEFAULT_ENVIRONMENT,)
        ),
        people=tuple(person for person in state.people.values() if person.keys),
        trainers={
            model: people_of_identities(lineage.trainers, state)[0]
            for model, lineage in lineages.items()
        },
        authors={
            model: people_of_identities(
                tuple(a for c in lineage.commits for a in c.authors), state
            )[0]
            for model, lineage in lineages.items()
        },
        in_force=tuple(store.policies(state)),
        owners=_owners(store, versions, state),
        signers=frozenset(state.people) | frozenset(state.services),
        keys=frozenset(key.id for key in state.keys_of_all()),
    )


def _owners(
    store: OpenStore, versions: list[ModelVersion], state: TrustState
) -> dict[str, frozenset[str]]:
    """Who owns each model, by its record."""
    found: dict[str, frozenset[str]] = {}
    for model, key in sorted({(v.model, v.model_key) for v in versions}):
        record = model_file_before(store, key, state, store.index.size).record
        if record is not None:
            found[model] = found.get(model, frozenset()) | {record.owner}
    return found


def _newest(versions: list[ModelVersion]) -> dict[str, ModelVersion]:
    """The newest version of each model, by its number where it has one."""

    def age(version: ModelVersion) -> tuple[int, str]:
        number = int(version.version) if version.version.isdecimal() else 0
        return number, version.version

    return {version.model: version for version in sorted(versions, key=age)}
