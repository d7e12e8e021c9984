"""A compiled pipeline package: which steps it has, in which images, with what values.

Only what says itself what will run is taken: the intermediate representation of a
pipeline whose containers are named by digest. What a package leaves to be filled in
while it runs (an image by a parameter, a job of another cloud) is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubeflow.client import Json
from connectors.kubeflow.fingerprints import fingerprint
from connectors.mlflow.yaml_text import parse_mappings
from connectors.parsing import text_of, well_formed

LARGEST_PACKAGE_BYTES = 1024**2
_BY_DIGEST = re.compile(r"[^\s@{}$]+@sha256:[0-9a-f]{64}")
_MOST_DOCUMENTS = 2
_DEEPEST = 20
_MOST_TASKS = 1000
_TEXT, _WHOLE, _NUMBER, _TRUTH = "STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN"
_SHAPES = {"LIST": list, "STRUCT": dict}
_REPLACED = re.compile(r"\[\[(RunUUID|Index|(Current|Scheduled)Time)[^]]*\]\]")
"""What some releases put other texts in the place of."""
_LARGEST_WHOLE = 2**53
"""Beyond this, a double is not every whole number."""


@dataclass(frozen=True, slots=True)
class PackageStep:
    """One task at the top of a pipeline."""

    name: str
    command: tuple[str, ...]
    """What its container runs; empty where it is a pipeline itself."""
    takes: tuple[str, ...]
    """The pipeline's parameters that it takes."""
    within: tuple[str, ...] = ()
    """The tasks of the pipeline that it is, at any depth, that no other step has."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a package says."""

    name: str
    steps: tuple[PackageStep, ...]
    """Each after those that it waits for."""
    images: tuple[str, ...]
    declared: Mapping[str, Json]
    """The pipeline's parameters, as they are declared."""
    fingerprint: str
    """What decides what it does, in a form that a server's own copy has too."""


def read_package(data: bytes, what: str) -> Package:
    """Read a package.

    Raises:
        MalformedInput: it is none.
        ConnectorRefused: it does not say what will run.
    """
    documents = parse_mappings(data, what)
    if len(documents) > _MOST_DOCUMENTS:
        raise MalformedInput(f"{what} holds more than a pipeline and its platforms")
    spec, *platforms = documents
    if "kind" in spec:
        raise ConnectorRefused(
            f"{what}: a {str(spec['kind'])[:80]} is not launched, only a compiled "
            "pipeline of Kubeflow Pipelines 2",
            hint="Compile it: kfp dsl compile --py FILE --output pipeline.yaml",
        )
    with well_formed(what):
        for one in platforms:
            for image in _images_in(one):
                _require_digest(image)
        images = tuple(sorted(set(_images(spec))))
        root, steps = spec["root"], tuple(_steps(spec))
        if not steps:
            raise ValueError("it has no steps")
        return Package(
            name=text_of(spec["pipelineInfo"]["name"]),
            steps=steps,
            images=images,
            declared=dict((root.get("inputDefinitions") or {}).get("parameters") or {}),
            fingerprint=fingerprint(spec, platforms[0] if platforms else None),
        )


def values_of(package: Package, given: Mapping[str, str]) -> dict[str, object]:
    """The values of all parameters: those given, else those declared.

    Raises:
        MalformedInput: one is missing, unknown, or of another type.
    """
    unknown = sorted(given.keys() - package.declared.keys())
    if unknown:
        raise MalformedInput(
            f"the pipeline has no parameter {unknown[0][:80]!r}",
            hint=f"It has: {', '.join(sorted(package.declared)) or 'none'}",
        )
    found: dict[str, object] = {}
    for name, declared in sorted(package.declared.items()):
        with well_formed(f"the parameter {name[:80]!r}"):
            if name in given:
                found[name] = value_of(declared, given[name])
            elif "defaultValue" in declared:
                found[name] = declared["defaultValue"]
            elif not declared.get("isOptional"):
                raise MalformedInput(
                    f"the parameter {name[:80]!r} has no value", hint="-P NAME=VALUE"
                )
            macro = _REPLACED.search(said(found.get(name)))
            if macro is not None:
                raise MalformedInput(
                    f"the parameter {name[:80]!r} holds {macro[0][:80]!r}, which "
                    "Kubeflow Pipelines replaces by another text",
                    hint="Releases differ in that. Give the value itself.",
                )
            if not _is_carried(found.get(name)):
                raise MalformedInput(
                    f"the parameter {name[:80]!r} holds a number that would be changed",
                    hint="Kubeflow Pipelines keeps numbers as doubles: give a text.",
                )
    return found


def said(value: object) -> str:
    """A value as people give it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def value_of(declared: Json, text: str) -> object:
    """The value of a declared parameter that a text stands for.

    Raises:
        KeyError, TypeError, ValueError: it stands for none of that type.
    """
    kind = text_of(declared["parameterType"])
    if kind == _TEXT:
        return text
    value = json.loads(text)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        _WHOLE: is_number and float(value).is_integer(),
        _NUMBER: is_number,
        _TRUTH: isinstance(value, bool),
    }.get(kind, isinstance(value, _SHAPES.get(kind, ())))
    if not fits:
        raise ValueError(f"{text[:80]!r} is no {kind}")
    return value


def _is_carried(value: object) -> bool:
    """Whether every number in a value arrives as what it is."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return all(map(_is_carried, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) <= _LARGEST_WHOLE


def _executors(spec: Json) -> Iterator[tuple[str, Json]]:
    found = (spec.get("deploymentSpec") or {}).get("executors") or {}
    yield from found.items()


def _images(spec: Json) -> Iterator[str]:
    """Every image that its containers name.

    Raises:
        ConnectorRefused: one is not named by its digest, or something else runs.
    """
    for name, executor in _executors(spec):
        kinds = sorted(executor)
        if kinds not in (["container"], ["importer"]):
            raise ConnectorRefused(
                f"what runs as {name[:80]!r} is no container ({', '.join(kinds)[:80]})"
            )
        if "container" in executor:
            image = text_of(executor["container"]["image"])
            _require_digest(image)
            yield image


def _images_in(found: object) -> Iterator[str]:
    """Images that a platform's own settings name, wherever they stand."""
    if isinstance(found, dict):
        for name, inner in found.items():
            if name == "image" and isinstance(inner, str):
                yield inner
            yield from _images_in(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from _images_in(inner)


def _require_digest(image: str) -> None:
    if not _BY_DIGEST.fullmatch(image):
        raise ConnectorRefused(
            f"the image {image[:200]!r} is not named by its digest",
            hint="What a name, a tag or a parameter stands for may change after "
            "somebody has agreed to it. Write NAME@sha256:DIGEST and compile again.",
        )


def _steps(spec: Json) -> Iterator[PackageStep]:
    tasks = dict(spec["root"]["dag"]["tasks"])
    executors = dict(_executors(spec))
    components = spec.get("components") or {}
    inner = {
        name: _inner(components[text_of(task["componentRef"]["name"])], components)
        for name, task in tasks.items()
    }
    seen = Counter([*tasks, *(one for found in inner.values() for one in found)])
    for name in _in_order(tasks):
        task = tasks[name]
        component = components[text_of(task["componentRef"]["name"])]
        label = text_of(component.get("executorLabel"))
        container = executors[label].get("container") or {} if label else {}
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        inputs = (task.get("inputs") or {}).get("parameters") or {}
        taken = {text_of(one.get("componentInputParameter")) for one in inputs.values()}
        yield PackageStep(
            name,
            tuple(map(text_of, words)),
            tuple(sorted(taken - {""})),
            tuple(one for one in inner[name] if seen[one] == 1),
        )


def _inner(component: Json, components: Mapping[str, Json]) -> list[str]:
    """Names of the tasks of a component that is a pipeline, at any depth.

    Raises:
        ValueError: there are more of them than anybody writes.
    """
    found = list(islice(_within(component, components, 1), _MOST_TASKS + 1))
    if len(found) > _MOST_TASKS:
        raise ValueError(f"more than {_MOST_TASKS} tasks")
    return found


def _within(
    component: Json, components: Mapping[str, Json], depth: int
) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError("pipelines within pipelines without end")
    for name, task in ((component.get("dag") or {}).get("tasks") or {}).items():
        yield text_of(name)
        named = components[text_of(task["componentRef"]["name"])]
        yield from _within(named, components, depth + 1)


def _in_order(tasks: Mapping[str, Json]) -> Iterator[str]:
    """Names of tasks, each after those that it depends on.

    Raises:
        ValueError: they wait for one another, or for one that is not there.
    """
    waits = {
        name: {text_of(one) for one in task.get("dependentTasks") or []}
        for name, task in tasks.items()
    }
    done: set[str] = set()
    while waits:
        ready = [name for name, before in waits.items() if before <= done]
        if not ready:
            raise ValueError("tasks wait for one another")
        for name in ready:
            del waits[name]
            yield name
        done |= set(ready)
