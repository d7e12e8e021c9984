"""From a compiled package to the plan of a run: what would be sent, exactly.

The plan holds the package to the byte, what it is uploaded as, and what the run is
started with. It knows no launch; the marks of one are put on when it is sent.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubeflow.client import Json
from connectors.kubeflow.packages import (
    LARGEST_PACKAGE_BYTES,
    Package,
    read_package,
    said,
    values_of,
)
from connectors.parsing import parse_json, text_of, well_formed
from connectors.pipelines.checkout import find_code
from connectors.pipelines.plans import read_plan
from connectors.pipelines.project_path import project_path
from connectors.pipelines.protocols import (
    Code,
    LaunchPlan,
    LaunchRequest,
    Limits,
    PlannedStep,
)

BACKEND = "kfp"
_AS_GIVEN = "current"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,93}")
"""With the digits of a version behind it, as long as a version's name may be."""
_VERSION_DIGITS = 32
_SENT = {"experiment", "package", "pipeline", "run", "version"}
"""And, where it is to be started again and again, `schedule`."""


def plan_package(
    request: LaunchRequest, place: str, context: str, service_account: str = ""
) -> LaunchPlan:
    """The plan of a package file with what was asked for filled in.

    Raises:
        ConnectorRefused: what was asked for cannot be kept to there.
        MalformedInput: it is no such package.
    """
    _refuse_unkept(request, context)
    path = project_path(request.project)
    data, code = read_file(path, request.ref)
    package = read_package(data, path.name)
    name = request.pipeline or package.name
    if not _NAME.fullmatch(name):
        raise MalformedInput(
            f"{name[:80]!r} does not do as the name of a pipeline",
            hint="Letters, digits and . _ - name one: --name NAME",
        )
    values = values_of(package, request.parameters)
    run: Json = {"runtime_config": {"parameters": values}}
    if service_account:
        run["service_account"] = service_account
    version = f"{name}-{hashlib.sha256(data).hexdigest()[:_VERSION_DIGITS]}".lower()
    sent = {
        "package": data.decode("utf-8").split("\n"),
        "pipeline": name,
        "version": {"name": version, "code_source_url": source_url(code)},
        "experiment": name,
        "run": run,
    }
    plan = LaunchPlan(
        backend=BACKEND,
        place=place,
        pipeline=name,
        project=str(path),
        code=code,
        steps=planned_steps(package, values),
        images=package.images,
        runtime=context or _AS_GIVEN,
        limits=request.limits,
        manifest=tuple(json.dumps(sent, indent=1, sort_keys=True).split("\n")),
    )
    return read_plan(plan.to_bytes())


def sent_by(plan: LaunchPlan) -> Json:
    """What a plan holds to be sent.

    Raises:
        MalformedInput: it holds nothing of the kind.
    """
    with well_formed("what the plan sends"):
        text = "\n".join(plan.manifest)
        found = parse_json(text.encode("utf-8", "replace"), "what the plan sends")
        if found.keys() - {"schedule"} != _SENT:
            raise ValueError("other fields")
        return dict(found)


def package_of(plan: LaunchPlan) -> bytes:
    """The bytes of a plan's package.

    Raises:
        MalformedInput: it holds none.
    """
    with well_formed("the package of the plan"):
        return "\n".join(map(text_of, sent_by(plan)["package"])).encode()


def source_url(code: Code) -> str:
    """Where people read the code of a commit; empty: nobody could."""
    try:
        is_web = urlsplit(code.repository).scheme in ("http", "https")
    except ValueError:
        return ""
    if not code.commit or code.is_dirty or not is_web:
        return ""
    return (
        f"{code.repository.removesuffix('/').removesuffix('.git')}/tree/{code.commit}"
    )


def _refuse_unkept(request: LaunchRequest, context: str) -> None:
    unkept = {
        "--entry": request.entry_points != ("main",),
        "--python": request.runtime not in (_AS_GIVEN, context),
        "--pass": bool(request.passed),
        "--set and --tracking": bool(request.settings),
        "a limit": request.limits != Limits(),
        "--cron": request.times is not None,
    }
    found = [option for option, is_given in unkept.items() if is_given]
    if found:
        raise ConnectorRefused(
            f"{found[0]} cannot be kept to on Kubeflow Pipelines",
            hint="Say it in the pipeline: an image by digest is code and Python, "
            "set_memory_limit and set_cpu_limit are limits, use_secret_as_env passes "
            "what is secret.",
        )


def read_file(path: Path, ref: str) -> tuple[bytes, Code]:
    """A package, and the commit that it is part of if it is of one.

    Raises:
        MalformedInput: it cannot be read.
    """
    if ref or any((folder / ".git").exists() for folder in path.parents):
        checkout = find_code(path.parent, ref)
        below = f"{checkout.below}/{path.name}" if checkout.below else path.name
        data = checkout.read(below) if checkout.code.commit else None
        if data is not None:
            return _bounded(data, path), checkout.code
        if ref:
            raise MalformedInput(f"{ref[:80]!r} has no file {below}")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_PACKAGE_BYTES + 1)
    except OSError as cause:
        raise MalformedInput(
            f"{path} cannot be read ({type(cause).__name__})",
            hint="Name a compiled pipeline: pipeline.yaml",
        ) from cause
    return _bounded(data, path), Code(tree=hashlib.sha256(data).hexdigest())


def _bounded(data: bytes, path: Path) -> bytes:
    if len(data) > LARGEST_PACKAGE_BYTES:
        raise MalformedInput(
            f"{path.name} is larger than {LARGEST_PACKAGE_BYTES} bytes"
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise MalformedInput(f"{path.name} is not UTF-8") from cause
    return data


def planned_steps(
    package: Package, values: dict[str, object]
) -> tuple[PlannedStep, ...]:
    """Its steps with the parameters that each takes; the first has those that none
    takes itself."""
    taken = {name for step in package.steps for name in step.takes}
    found = []
    for number, step in enumerate(package.steps):
        own = set(step.takes) | (values.keys() - taken if number == 0 else set())
        pairs = [(name, said(values[name])) for name in sorted(own) if name in values]
        found.append(PlannedStep(step.name, step.command, tuple(pairs)))
    return tuple(found)
