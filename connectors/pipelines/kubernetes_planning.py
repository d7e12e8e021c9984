"""From a manifest file to the plan of a job: what would be sent, exactly.

Only what says everything about its pods itself is taken: one batch/v1 Job whose images
are named by digest. The plan knows no launch; the marks of one are put on when it is
sent.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import JOB, kind_of
from connectors.kubernetes.manifests import OWN_MARKS
from connectors.mlflow.yaml_text import parse_mapping
from connectors.parsing import text_of, well_formed
from connectors.pipelines.protocols import Code, LaunchPlan, LaunchRequest, PlannedStep

BACKEND = "kubernetes"
LARGEST_FILE_BYTES = 256 * 1024
_BY_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_AS_GIVEN = "current"
_GROUPS = ("initContainers", "containers")


def plan_manifest(request: LaunchRequest, place: str, context: str) -> LaunchPlan:
    """The plan of a manifest file with what was asked for filled in.

    Raises:
        ConnectorRefused: what was asked for cannot be kept to on a cluster.
        MalformedInput: it is no such manifest.
    """
    _refuse_unkept(request, context)
    path = Path(request.project).expanduser().resolve()
    data = _read(path)
    manifest = _manifest(data, path.name)
    with well_formed(path.name):
        steps = _fill_in(manifest, request)
        images = tuple(sorted(set(_images(manifest))))
        name = text_of((manifest.get("metadata") or {}).get("name"))
        lines = tuple(json.dumps(manifest, indent=1, sort_keys=True).split("\n"))
    return LaunchPlan(
        backend=BACKEND,
        place=place,
        pipeline=request.pipeline or name or path.stem,
        project=str(path),
        code=Code(tree=hashlib.sha256(data).hexdigest()),
        steps=steps,
        images=images,
        runtime=context or _AS_GIVEN,
        settings=tuple(sorted(request.settings.items())),
        limits=request.limits,
        manifest=lines,
    )


def manifest_of(plan: LaunchPlan) -> Json:
    """The manifest that a plan holds.

    Raises:
        ConnectorRefused: it holds none of a job.
    """
    with well_formed("the manifest of the plan"):
        manifest = json.loads("\n".join(plan.manifest))
        is_job = isinstance(manifest, dict) and kind_of(manifest) is JOB
    if not is_job:
        raise ConnectorRefused("the plan holds no job")
    return dict(manifest)


def context_of(plan: LaunchPlan) -> str:
    """The context of the kubeconfig that a plan was made by; empty: the current one."""
    return "" if plan.runtime == _AS_GIVEN else plan.runtime


def _refuse_unkept(request: LaunchRequest, context: str) -> None:
    limits = request.limits
    unkept = {
        "--ref": bool(request.ref),
        "--entry": request.entry_points != ("main",),
        "--python": request.runtime not in (_AS_GIVEN, context),
        "--pass": bool(request.passed),
        "--cpu-limit": bool(limits.cpu_seconds),
        "--memory-limit": bool(limits.memory_bytes),
        "--file-limit": bool(limits.file_bytes),
        "--cron": request.times is not None,
    }
    found = [option for option, is_given in unkept.items() if is_given]
    if found:
        raise ConnectorRefused(
            f"{found[0]} cannot be kept to on a cluster",
            hint="Say it in the manifest: an image by digest is code and Python, "
            "`resources` are limits, `secretKeyRef` passes what is secret.",
        )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as cause:
        raise MalformedInput(
            f"{path} cannot be read ({type(cause).__name__})",
            hint="Name the file of a Job: job.yaml",
        ) from cause
    if len(data) > LARGEST_FILE_BYTES:
        raise MalformedInput(f"{path.name} is larger than {LARGEST_FILE_BYTES} bytes")
    return data


def _manifest(data: bytes, name: str) -> Json:
    manifest = copy.deepcopy(parse_mapping(data, name))
    if kind_of(manifest) is not JOB:
        raise ConnectorRefused(
            f"{name}: a {manifest['kind']} is not launched, only a Job of batch/v1",
            hint="A Job says everything about its pods itself.",
        )
    with well_formed(name):
        metadata = manifest.get("metadata") or {}
        marks = [*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})]
        own = [mark for mark in marks if mark.startswith(OWN_MARKS)]
        is_forgotten = manifest["spec"].get("ttlSecondsAfterFinished") is not None
    if own:
        raise ConnectorRefused(f"{name}: the mark {own[0][:80]} is put on by launching")
    if is_forgotten:
        raise ConnectorRefused(
            f"{name}: with ttlSecondsAfterFinished the cluster would forget the "
            "launch, and the same id could start it again",
            hint="Leave it out, and delete the job once it is recorded.",
        )
    return manifest


def _fill_in(manifest: Json, request: LaunchRequest) -> tuple[PlannedStep, ...]:
    """Write parameters, settings and the time limit into a manifest; its steps."""
    for name in (*request.parameters, *request.settings):
        if not _NAME.fullmatch(name):
            raise MalformedInput(f"{name[:80]!r} is no name of a variable")
    seconds = request.limits.wall_seconds
    if seconds:
        manifest["spec"]["activeDeadlineSeconds"] = seconds
    taken: set[str] = set()
    steps = []
    for container in _containers(manifest):
        given = dict(_parametrised(container, request.parameters))
        taken |= given.keys()
        for name, value in sorted(request.settings.items()):
            _set(container, name, value)
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        steps.append(
            PlannedStep(
                text_of(container["name"]),
                tuple(text_of(word) for word in words),
                tuple(sorted(given.items())),
            )
        )
    unknown = sorted(request.parameters.keys() - taken)
    if unknown:
        raise MalformedInput(
            f"no container declares the variable {unknown[0]!r}",
            hint="A parameter replaces the value of a variable in `env`. "
            "--set gives every container one that it does not declare.",
        )
    return tuple(steps)


def _parametrised(container: Json, given: Any) -> Iterator[tuple[str, str]]:
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


def _set(container: Json, name: str, value: str) -> None:
    others = [one for one in container.get("env") or [] if one["name"] != name]
    container["env"] = [*others, {"name": name, "value": value}]


def _containers(manifest: Json) -> Iterator[Json]:
    pod = manifest["spec"]["template"]["spec"]
    for group in _GROUPS:
        yield from pod.get(group) or []


def _images(manifest: Json) -> Iterator[str]:
    """Every image that its pods use.

    Raises:
        ConnectorRefused: one is not named by its digest.
    """
    volumes = manifest["spec"]["template"]["spec"].get("volumes") or []
    found = [text_of(one.get("image")) for one in _containers(manifest)]
    found += [text_of(one["image"]["reference"]) for one in volumes if "image" in one]
    for image in found:
        if not _BY_DIGEST.fullmatch(image):
            raise ConnectorRefused(
                f"the image {image[:200]!r} is not named by its digest",
                hint="What a name or tag stands for may change after somebody has "
                "agreed to it. Write NAME@sha256:DIGEST.",
            )
        yield image
