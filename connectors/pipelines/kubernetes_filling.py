"""Filling what was asked for into a manifest: parameters, settings, the time limit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from connectors.errors import MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import WorkKind
from connectors.kubernetes.runtimes import TRAINERS
from connectors.kubernetes.templates import PodSet
from connectors.parsing import text_of
from connectors.pipelines.protocols import LaunchRequest, PlannedStep

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


def require_names(request: LaunchRequest) -> None:
    """Refuse parameters and settings whose names are none.

    Raises:
        MalformedInput: one is not.
    """
    for name in (*request.parameters, *request.settings):
        if not _NAME.fullmatch(name):
            raise MalformedInput(f"{name[:80]!r} is no name of a variable")


def limit_time(manifest: Json, kind: WorkKind, seconds: int) -> None:
    """Write the deadline where the kind has it; 0 writes none."""
    if not seconds:
        return
    place = manifest
    for name in kind.policy:
        place = place.setdefault(name, {})
    place["activeDeadlineSeconds"] = seconds


def fill_containers(
    sets: Sequence[PodSet], request: LaunchRequest
) -> tuple[PlannedStep, ...]:
    """Give containers their variables; a step for each of them.

    Raises:
        MalformedInput: none declares a parameter.
    """
    taken: set[str] = set()
    steps = []
    for one in sets:
        for container in one.containers:
            given = fill_environment(container, request)
            taken |= given.keys()
            name = one.step_of(container)
            steps.append(PlannedStep(name, words_of(container), pairs_of(given)))
    require_taken(request, taken)
    return tuple(steps)


def fill_trainer(manifest: Json, request: LaunchRequest) -> dict[str, str]:
    """Give the trainer of a TrainJob its variables; the parameters that it declares.

    Raises:
        MalformedInput: it does not declare one.
    """
    trainer = dict(manifest["spec"].get("trainer") or {})
    given = fill_environment(trainer, request)
    require_taken(request, set(given))
    if trainer:
        manifest["spec"]["trainer"] = trainer
    return given


def steps_of_trainer(
    sets: Sequence[PodSet], given: Mapping[str, str]
) -> tuple[PlannedStep, ...]:
    """A step for each container that a TrainJob leads to.

    Raises:
        MalformedInput: none of them is the trainer, and it is given something.
    """
    containers = [(one, container) for one in sets for container in one.containers]
    trained = [c for _, c in containers if c["name"] in TRAINERS]
    if given and not trained:
        raise MalformedInput("the runtime has no container that takes `trainer.env`")
    return tuple(
        PlannedStep(
            one.step_of(container),
            words_of(container),
            pairs_of(given if container["name"] in TRAINERS else {}),
        )
        for one, container in containers
    )


def fill_workflow(
    manifest: Json, sets: Sequence[PodSet], request: LaunchRequest
) -> tuple[PlannedStep, ...]:
    """Give a Workflow its parameters and its containers their settings; its steps.

    Raises:
        MalformedInput: it does not declare a parameter.
    """
    arguments = manifest["spec"].get("arguments") or {}
    given: dict[str, str] = {}
    for one in arguments.get("parameters") or []:
        name = text_of(one["name"])
        if name in request.parameters:
            if "valueFrom" in one:
                raise MalformedInput(
                    f"the parameter {name!r} comes from elsewhere (valueFrom)"
                )
            one["value"] = given[name] = request.parameters[name]
    unknown = sorted(request.parameters.keys() - given.keys())
    if unknown:
        raise MalformedInput(
            f"the Workflow declares no parameter {unknown[0]!r}",
            hint="They are those of spec.arguments.parameters.",
        )
    only_settings = replace(request, parameters={})
    steps = []
    for one in sets:
        for container in one.containers:
            fill_environment(container, only_settings)
            name, words = one.step_of(container), words_of(container)
            source = text_of(container.get("source"))
            said = (*words, source) if source else words
            steps.append(PlannedStep(name, said, pairs_of(given)))
    return tuple(steps)


def fill_environment(container: Json, request: LaunchRequest) -> dict[str, str]:
    """Give something that has `env` its variables; the parameters that it declares."""
    given = dict(_parametrised(container, request.parameters))
    for name, value in sorted(request.settings.items()):
        others = [one for one in container.get("env") or [] if one["name"] != name]
        container["env"] = [*others, {"name": name, "value": value}]
    return given


def require_taken(request: LaunchRequest, taken: set[str]) -> None:
    """Refuse parameters that nothing declares.

    Raises:
        MalformedInput: there is one.
    """
    unknown = sorted(request.parameters.keys() - taken)
    if unknown:
        raise MalformedInput(
            f"no container declares the variable {unknown[0]!r}",
            hint="A parameter replaces the value of a variable in `env`. "
            "--set gives every container one that it does not declare.",
        )


def words_of(container: Json) -> tuple[str, ...]:
    """The command of a container, as far as the manifest says it."""
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    return tuple(text_of(word) for word in words)


def pairs_of(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Parameters as a step has them."""
    return tuple(sorted(given.items()))


def _parametrised(
    container: Json, given: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for one in container.get("env") or []:
        name = text_of(one["name"])
        if name not in given:
            continue
        if "valueFrom" in one:
            raise MalformedInput(
                f"the variable {name!r} comes from elsewhere (valueFrom)",
                hint="Give it a value in the manifest, or leave the parameter out.",
            )
        one["value"] = given[name]
        yield name, given[name]
