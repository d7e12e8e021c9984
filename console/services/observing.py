"""Logging what was measured of a version where it runs.

The numbers come in one JSON document, written by whatever watches the deployment:

    {"numbers": [{"name": "error_rate", "value": "0.012", "samples": 48211}],
     "baseline": {"version": "6", "numbers": [...]}}

`slice`, `samples` and `unit` of a number, and the baseline, may be left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal

from console.services.named_versions import find_version
from console.services.opened import OpenStore, parse_time, rfc3339
from console.services.problems import Misuse
from console.services.record_facts import model_file_before
from console.services.signing import Acting, Appended, append
from policies.predicates.observations import (
    MOST_NUMBERS,
    Observation,
    ObservedNumber,
)
from store.identifiers import entity_key, split_key
from store.queries.models import ModelVersion

LARGEST_DOCUMENT_BYTES = 256 * 1024
_NUMBER_FIELDS = frozenset({"name", "value", "slice", "samples", "unit"})
_HINT = 'Write {"numbers": [{"name": "error_rate", "value": "0.012"}]}.'


@dataclass(frozen=True, slots=True)
class Window:
    """Where and when something was watched."""

    environment: str
    target: str
    since: str
    until: str
    """Empty: now."""


@dataclass(frozen=True, slots=True)
class ObservationLine:
    """One observation, as people read it."""

    entry: int
    version: str
    environment: str
    target: str
    since: str
    until: str
    by: str
    numbers: tuple[str, ...]
    baseline: str


def observe(
    store: OpenStore, acting: Acting, reference: str, window: Window, document: bytes
) -> Appended:
    """Log an observation of a model version.

    Raises:
        Misuse: the document, the window or the version is none.
        StoreRefused: the signer may not.
    """
    version = find_version(store, reference)
    if not version.manifest_digest:
        raise Misuse(
            f"{version.reference} has no manifest, so it is not known what ran",
            hint="Import the source with its artifacts readable.",
        )
    raw = _document(document)
    baseline, baseline_numbers = _baseline(raw, version)
    since, until = _window(store, window)
    observation = Observation(
        model=version.model_key,
        version=version.key,
        manifest=version.manifest_digest,
        environment=window.environment,
        target=window.target,
        since=since,
        until=until,
        numbers=_numbers(raw, "numbers"),
        baseline=baseline,
        baseline_numbers=baseline_numbers,
    )
    return append(store, acting, observation, (version.model, observation.manifest))


def observations(store: OpenStore, reference: str) -> list[ObservationLine]:
    """Every observation of a model's versions, newest first.

    Raises:
        UnknownReference: there is no such model.
    """
    version = find_version(store, reference)
    file = model_file_before(store, version.model_key, store.state(), store.index.size)
    return [
        ObservationLine(
            entry=entry.index,
            version=split_key(seen.version)[1][-1],
            environment=seen.environment,
            target=seen.target,
            since=seen.since,
            until=seen.until,
            by=entry.statement.by,
            numbers=tuple(_said(number) for number in seen.numbers),
            baseline=split_key(seen.baseline)[1][-1] if seen.baseline else "",
        )
        for entry, seen in sorted(
            file.observations, key=lambda pair: pair[0].index, reverse=True
        )
    ]


def _said(number: ObservedNumber) -> str:
    where = f" on {number.slice}" if number.slice else ""
    unit = f" {number.unit}" if number.unit else ""
    of = f" of {number.samples}" if number.samples is not None else ""
    return f"{number.name}{where} {number.value}{unit}{of}"


def _window(store: OpenStore, window: Window) -> tuple[str, str]:
    try:
        until = parse_time(window.until) if window.until else store.clock()
        since = parse_time(window.since)
    except ValueError as cause:
        raise Misuse(
            f"no time: {cause}", hint="Write 2027-01-31 or 2027-01-31T12:00:00Z."
        ) from cause
    if since >= until:
        raise Misuse("the window ends before it begins", hint="--since and --until.")
    return rfc3339(since), rfc3339(until)


def _document(data: bytes) -> dict[str, object]:
    try:
        raw = json.loads(data, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError) as cause:
        raise Misuse(f"the numbers are no JSON: {cause}", hint=_HINT) from cause
    if not isinstance(raw, dict) or raw.keys() - {"numbers", "baseline"}:
        raise Misuse("the document has numbers and a baseline only", hint=_HINT)
    return raw


def _baseline(
    raw: dict[str, object], version: ModelVersion
) -> tuple[str, tuple[ObservedNumber, ...]]:
    given = raw.get("baseline")
    if given is None:
        return "", ()
    if not isinstance(given, dict) or given.keys() != {"version", "numbers"}:
        raise Misuse("a baseline has a version and numbers", hint=_HINT)
    name = given["version"]
    if not isinstance(name, str) or not name or name == version.version:
        raise Misuse("the baseline is another version, by its name as text")
    source, model = split_key(version.model_key)[1]
    key = entity_key("model-version", source, model, name)
    return key, _numbers(given, "numbers")


def _numbers(raw: dict[str, object], field: str) -> tuple[ObservedNumber, ...]:
    given = raw.get(field)
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_NUMBERS:
        raise Misuse(f"{field} is a list of 1 to {MOST_NUMBERS} numbers", hint=_HINT)
    return tuple(_number(one, place) for place, one in enumerate(given, 1))


def _number(raw: object, place: int) -> ObservedNumber:
    what = f"number {place}"
    if not isinstance(raw, dict) or not {"name", "value"} <= raw.keys():
        raise Misuse(f"{what} has a name and a value", hint=_HINT)
    unknown = sorted(raw.keys() - _NUMBER_FIELDS)
    if unknown:
        raise Misuse(
            f"{what}: nothing is called {str(unknown[0])[:40]!r}",
            hint=f"Fields: {', '.join(sorted(_NUMBER_FIELDS))}",
        )
    texts = [raw["name"], raw.get("slice", ""), raw.get("unit", "")]
    if not all(isinstance(text, str) for text in texts) or not raw["name"]:
        raise Misuse(f"{what}: name, slice and unit are texts")
    return ObservedNumber(
        name=str(raw["name"]),
        value=_value(raw["value"], what),
        slice=str(raw.get("slice", "")),
        samples=_samples(raw.get("samples"), what),
        unit=str(raw.get("unit", "")),
    )


def _value(given: object, what: str) -> str:
    """A number as it was written: JSON numbers keep their digits."""
    text = str(given) if isinstance(given, (str, Decimal)) else ""
    try:
        if not text or not Decimal(text).is_finite():
            raise Misuse(f"{what}: the value is no finite decimal number", hint=_HINT)
    except ArithmeticError as cause:
        raise Misuse(
            f"{what}: the value is no finite decimal number", hint=_HINT
        ) from cause
    return text


def _samples(given: object, what: str) -> int | None:
    if given is None:
        return None
    if not isinstance(given, Decimal) or given < 0 or given != int(given):
        raise Misuse(f"{what}: samples is a whole number of 0 or more")
    return int(given)
