"""Jobs, datasets, runs and their facets as parts of events tell them, each read once.

What an event repeats is the same bytes, so a part that was read is known again by them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, TypeGuard

from connectors import openlineage_facets as facets
from connectors.errors import MalformedInput
from connectors.openlineage_columns import column_map, entry_maps
from connectors.openlineage_names import (
    LONGEST_NAME,
    full_name,
    plain_name,
    version_digest,
)
from connectors.openlineage_parsing import canonical, elements, members, value_of
from connectors.openlineage_parts import (
    Dataset,
    Facet,
    Job,
    Remembered,
    Run,
    Touched,
)
from connectors.openlineage_secrets import redacted, text_without_secrets
from store.identifiers import dataset_key, dataset_version_key, job_key, run_key

LONGEST_FACET = 256 * 1024
"""Characters of a facet's text; a longer one is not kept, and that is noted."""
MOST_FACETS = 1_000
"""Of one run, job or dataset in one event."""
TOLD_BY_RUNS = ("dataQualityAssertions",)
"""Facets that stand among those of a dataset and are about one run."""
_FACET_DEPTH = 3
_NO_RUN = "0" * 32
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Pieces:
    """Reads the parts of the events of one source."""

    def __init__(self, source: str, runs_of: str) -> None:
        self._source = source
        self._run_prefix = run_key(runs_of, _NO_RUN).removesuffix(_NO_RUN)
        self._jobs = Remembered[Job]()
        self._touched = Remembered[Touched]()
        self._datasets = Remembered[Dataset]()
        self._runs = Remembered[Run]()
        self._facets = Remembered[Facet]()

    def job(self, part: bytes) -> Job:
        """A job.

        Raises:
            MalformedInput: it has no name.
        """
        return self._jobs.pieces.get(part) or self._jobs.keep(part, self._job(part))

    def run(self, part: bytes) -> Run:
        """A run.

        Raises:
            MalformedInput: its id is no UUID.
        """
        return self._runs.pieces.get(part) or self._runs.keep(part, self._run(part))

    def datasets(self, part: bytes) -> list[Touched]:
        """The datasets of one side of an event.

        Raises:
            MalformedInput: it is no list, or one has no name.
        """
        if not part or part == b"null":
            return []
        listed = elements(part)
        if listed is None:
            raise MalformedInput("inputs or outputs are no list")
        return [self.dataset(given) for given in listed]

    def dataset(self, part: bytes) -> Touched:
        """A dataset.

        Raises:
            MalformedInput: it has no name.
        """
        known = self._touched.pieces.get(part)
        return known or self._touched.keep(part, self._touch(part))

    def _job(self, part: bytes) -> Job:
        given = members(part)
        namespace, name = _names(given, "the job")
        found = self._facets_of(given.get("facets", b""))
        by_name = {facet.name: facet for facet in found}
        version = _member(by_name.get("sourceCodeLocation"), "version")
        lineage = by_name.get("lineage")
        entries = entry_maps(lineage.value, lineage.text) if lineage else []
        return Job(
            key=job_key(self._source, namespace, name),
            namespace=namespace,
            name=name,
            facets=found,
            commit=version if _is_text(version, _COMMIT) else "",
            entries=tuple(entries),
        )

    def _run(self, part: bytes) -> Run:
        given = members(part)
        native_id = value_of(given["runId"]) if "runId" in given else None
        if not _is_text(native_id, _UUID):
            raise MalformedInput(f"run id {str(native_id)[:80]!r} is no UUID")
        found = self._facets_of(given.get("facets", b""))
        key = self._key_of(native_id)
        if not found:
            return Run(key, (), "", (), ())
        holder = {"facets": {facet.name: facet.value for facet in found}}
        parent = _member(holder["facets"].get("parent"), "run")
        parent_id = parent.get("runId") if isinstance(parent, dict) else None
        parent_key = self._key_of(parent_id) if _is_text(parent_id, _UUID) else ""
        return Run(
            key=key,
            facets=found,
            parent="" if parent_key == key else parent_key,
            params=tuple(facets.parameters(holder)),
            tags=tuple(facets.tags(holder)),
        )

    def _key_of(self, native_id: str) -> str:
        """`run_key` of a UUID."""
        return self._run_prefix + native_id.replace("-", "").lower()

    def _touch(self, part: bytes) -> Touched:
        given = members(part)
        parts = [given.get(name, b"") for name in ("namespace", "name", "facets")]
        key = b"\n".join(parts)
        dataset = self._datasets.pieces.get(key)
        if dataset is None:
            dataset = self._datasets.keep(key, self._dataset(given))
        by_run = [
            (place, facet)
            for place in ("inputFacets", "outputFacets")
            for facet in self._facets_of(given.get(place, b""))
        ]
        by_run += [("", facet) for facet in dataset.checked]
        return Touched(
            dataset,
            tuple(by_run),
            tuple(
                check
                for _, facet in by_run
                if facet.name in TOLD_BY_RUNS
                for check in facets.assertions(facet.value)
            ),
        )

    def _dataset(self, given: dict[str, bytes]) -> Dataset:
        namespace, name = _names(given, "a dataset")
        name = full_name(namespace, name)
        found = self._facets_of(given.get("facets", b""))
        told = [facet for facet in found if not facet.is_deleted]
        values = {facet.name: facet.value for facet in told}
        digest = version_digest(values.get("version"))
        mapped = [column_map(facet.name, facet.value, facet.text) for facet in told]
        return Dataset(
            key=dataset_key(name),
            version=dataset_version_key(name, digest),
            namespace=namespace,
            name=name,
            digest=digest,
            schema=facets.schema_text(values.get("schema")),
            facets=tuple(f for f in found if f.name not in TOLD_BY_RUNS),
            checked=tuple(f for f in found if f.name in TOLD_BY_RUNS),
            columns=tuple(columns for columns in mapped if columns is not None),
            symlinks=tuple(_symlinks(values.get("symlinks"), name)),
        )

    def _facets_of(self, part: bytes) -> tuple[Facet, ...]:
        given = members(part)
        if len(given) > MOST_FACETS:
            raise MalformedInput(f"more than {MOST_FACETS} facets in one place")
        return tuple(
            self._facet(name, value)
            for name, value in given.items()
            if value != b"null"
        )

    def _facet(self, name: str, part: bytes) -> Facet:
        key = b"%b:%b" % (name.encode(), part)
        known = self._facets.pieces.get(key)
        if known is not None:
            return known
        (clean_name, value), *_ = redacted(
            {name: value_of(part)}, _FACET_DEPTH - 1
        ).items()
        text, problem = canonical(value), ""
        if len(text) > LONGEST_FACET:
            text, problem = "", f"facet of {len(text)} characters is not kept"
        elif len(clean_name) > LONGEST_NAME:
            text, problem = "", "facet with a name that long is not kept"
        is_deleted = isinstance(value, dict) and value.get("_deleted") is True
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        facet = Facet(clean_name, value, text, digest, problem, is_deleted)
        return self._facets.keep(key, facet)


def _names(given: dict[str, bytes], what: str) -> tuple[str, str]:
    """Namespace and name, without credentials.

    Raises:
        MalformedInput: there is no name.
    """
    name = value_of(given["name"]) if "name" in given else None
    if not isinstance(name, str):
        raise MalformedInput(f"{what} is missing or has no name")
    namespace = value_of(given["namespace"]) if "namespace" in given else None
    return plain_name(str(namespace or "")), plain_name(name)


def _symlinks(facet: object, name: str) -> Iterator[tuple[str, str, str]]:
    told = facet.get("identifiers") if isinstance(facet, dict) else None
    for given in facets.entries(told)[:MOST_FACETS]:
        if not isinstance(given.get("name"), str):
            continue
        namespace = plain_name(str(given.get("namespace") or ""))
        other = full_name(namespace, plain_name(given["name"]))
        if other and other != name:
            kind = text_without_secrets(str(given.get("type") or ""))
            yield namespace, other, kind[:LONGEST_NAME]


def _member(facet: object, name: str) -> Any:
    value = facet.value if isinstance(facet, Facet) else facet
    return value.get(name) if isinstance(value, dict) else None


def _is_text(value: object, form: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and form.fullmatch(value) is not None
