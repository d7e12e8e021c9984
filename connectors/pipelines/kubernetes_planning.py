"""From a manifest file to the plan of a job: what would be sent, exactly.

Every image is named by its digest, also those that a manifest only leads to. The plan
knows no launch; the marks of one are put on when it is sent.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import TRAIN_JOB, WORKFLOW, WorkKind, kind_of
from connectors.kubernetes.manifests import OWN_MARKS
from connectors.kubernetes.templates import PodSet, images_of, pod_sets
from connectors.kubernetes.workflows import require_all_said, template_sets
from connectors.mlflow.yaml_text import parse_mapping
from connectors.parsing import text_of, well_formed
from connectors.pipelines.kubernetes_filling import (
    fill_containers,
    fill_trainer,
    fill_workflow,
    limit_time,
    require_names,
    steps_of_trainer,
)
from connectors.pipelines.kubernetes_leads import Leads
from connectors.pipelines.project_path import project_path
from connectors.pipelines.protocols import Code, LaunchPlan, LaunchRequest

BACKEND = "kubernetes"
LARGEST_FILE_BYTES = 256 * 1024
_BY_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_AS_GIVEN = "current"


@dataclass(frozen=True, slots=True)
class Source:
    """A manifest file as it was read."""

    path: Path
    data: bytes
    manifest: Json

    @property
    def sha256(self) -> str:
        """Over its bytes."""
        return hashlib.sha256(self.data).hexdigest()


def read_source(project: str) -> Source:
    """Read a manifest file.

    Raises:
        MalformedInput: it is none.
    """
    path = project_path(project)
    data = _read(path)
    return Source(path, data, copy.deepcopy(parse_mapping(data, path.name)))


def plan_manifest(
    request: LaunchRequest,
    place: str,
    context: str,
    leads_of: Callable[[Json], Leads] | None = None,
) -> LaunchPlan:
    """The plan of a manifest file with what was asked for filled in.

    What a manifest leads to without saying it is asked for where there is somebody to
    ask.

    Raises:
        ConnectorRefused: what was asked for cannot be kept to on a cluster.
        MalformedInput: it is no such manifest.
    """
    return plan_source(read_source(request.project), request, place, context, leads_of)


def plan_source(
    source: Source,
    request: LaunchRequest,
    place: str,
    context: str,
    leads_of: Callable[[Json], Leads] | None = None,
) -> LaunchPlan:
    """The plan of a manifest that was read; see `plan_manifest`.

    Raises:
        ConnectorRefused: what was asked for cannot be kept to on a cluster.
        MalformedInput: it is no such manifest.
    """
    _refuse_unkept(request, context)
    path, manifest = source.path, source.manifest
    kind = _checked(manifest, path.name)
    require_names(request)
    with well_formed(path.name):
        limit_time(manifest, kind, request.limits.wall_seconds)
        if kind is TRAIN_JOB and leads_of is not None:
            given = fill_trainer(manifest, request)
            leads = leads_of(manifest)
            steps = steps_of_trainer(leads.sets, given)
        elif kind is WORKFLOW:
            require_all_said(manifest)
            leads = _described(template_sets(manifest), kind)
            steps = fill_workflow(manifest, leads.sets, request)
        else:
            leads = _described(pod_sets(manifest, kind), kind)
            steps = fill_containers(leads.sets, request)
        images = tuple(sorted(set(_by_digest(leads.images))))
        name = text_of((manifest.get("metadata") or {}).get("name"))
        lines = tuple(json.dumps(manifest, indent=1, sort_keys=True).split("\n"))
    return LaunchPlan(
        backend=BACKEND,
        place=place,
        pipeline=request.pipeline or name or path.stem,
        project=str(path),
        code=Code(tree=source.sha256),
        steps=steps,
        images=images,
        runtime=context or _AS_GIVEN,
        settings=tuple(sorted(request.settings.items())),
        limits=request.limits,
        manifest=lines,
        resolved=leads.resolved,
    )


def read_manifest(path: Path) -> tuple[Json, WorkKind]:
    """The manifest in a file, and what kind of work it is of.

    Raises:
        ConnectorError: it is none that is launched.
    """
    manifest = copy.deepcopy(parse_mapping(_read(path), path.name))
    return manifest, _checked(manifest, path.name)


def manifest_of(plan: LaunchPlan) -> Json:
    """The manifest that a plan holds.

    Raises:
        ConnectorRefused: it holds none of a job.
    """
    with well_formed("the manifest of the plan"):
        manifest = json.loads("\n".join(plan.manifest))
        is_object = isinstance(manifest, dict)
    if not is_object:
        raise ConnectorRefused("the plan holds no job")
    kind_of(manifest)
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
            hint="Name the file of a manifest: job.yaml",
        ) from cause
    if len(data) > LARGEST_FILE_BYTES:
        raise MalformedInput(f"{path.name} is larger than {LARGEST_FILE_BYTES} bytes")
    return data


def refuse_own_marks(metadata: Json, name: str) -> None:
    """Refuse marks that launching puts on.

    Raises:
        ConnectorRefused: it has one.
        MalformedInput: it is no metadata.
    """
    with well_formed(name):
        marks = [*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})]
        own = [mark for mark in marks if mark.startswith(OWN_MARKS)]
    if own:
        raise ConnectorRefused(f"{name}: the mark {own[0][:80]} is put on by launching")


def _checked(manifest: Json, name: str) -> WorkKind:
    """The kind of a manifest that can be launched."""
    kind = kind_of(manifest)
    with well_formed(name):
        policy = manifest
        for step in kind.policy:
            policy = policy.get(step) or {}
        is_forgotten = policy.get(kind.forgets) is not None
        metadata = dict(manifest.get("metadata") or {})
    refuse_own_marks(metadata, name)
    if is_forgotten:
        raise ConnectorRefused(
            f"{name}: with {kind.forgets} the cluster would forget the "
            "launch, and the same id could start it again",
            hint="Leave it out, and delete the job once it is recorded.",
        )
    return kind


def _described(sets: list[PodSet], kind: WorkKind) -> Leads:
    """The pods that a manifest describes itself.

    Raises:
        ConnectorRefused: it describes none.
    """
    if not any(one.containers for one in sets):
        raise ConnectorRefused(
            f"a {kind.kind} whose pods its manifest does not describe is not launched",
            hint="What it runs is to be known before it is launched.",
        )
    return Leads(sets, tuple(images_of(sets)), ())


def _by_digest(images: Iterable[str]) -> Iterator[str]:
    """Every image that its pods use.

    Raises:
        ConnectorRefused: one is not named by its digest.
    """
    for image in images:
        if not _BY_DIGEST.fullmatch(image):
            raise ConnectorRefused(
                f"the image {image[:200]!r} is not named by its digest",
                hint="What a name or tag stands for may change after somebody has "
                "agreed to it. Write NAME@sha256:DIGEST.",
            )
        yield image
