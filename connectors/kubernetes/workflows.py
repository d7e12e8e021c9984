"""What a Workflow of Argo says itself, and what it would take from elsewhere.

A template may come from another object, a patch may change the image of every pod, and
some templates run what nobody here can see. All of that is refused, and so is every
field that is not known here: whether it leads elsewhere cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.kubernetes.client import Json
from connectors.kubernetes.states import moment
from connectors.kubernetes.templates import PodSet
from connectors.parsing import text_of, well_formed

# fmt: off
_OF_SPEC = frozenset((
    "activeDeadlineSeconds", "affinity", "archiveLogs", "arguments", "artifactGC",
    "artifactRepositoryRef", "automountServiceAccountToken", "dnsConfig", "dnsPolicy",
    "entrypoint", "executor", "hooks", "hostAliases", "hostNetwork", "imagePullSecrets",
    "metrics", "nodeSelector", "onExit", "parallelism", "podDisruptionBudget", "podGC",
    "podMetadata", "podPriority", "podPriorityClassName", "priority", "retryStrategy",
    "schedulerName", "securityContext", "serviceAccountName", "suspend",
    "synchronization", "templates", "tolerations", "ttlStrategy", "volumeClaimGC",
    "volumeClaimTemplates", "volumes",
))
_OF_TEMPLATE = frozenset((
    "activeDeadlineSeconds", "affinity", "annotations", "archiveLocation",
    "automountServiceAccountToken", "container", "containerSet", "daemon", "dag",
    "executor", "failFast", "hostAliases", "initContainers", "inputs", "memoize",
    "metadata", "metrics", "name", "nodeSelector", "outputs", "parallelism",
    "priorityClassName", "retryStrategy", "schedulerName", "script", "securityContext",
    "serviceAccountName", "sidecars", "steps", "suspend", "synchronization", "timeout",
    "tolerations", "volumes",
))
# fmt: on
_ELSEWHERE = ("templateRef", "workflowTemplateRef", "podSpecPatch")


def require_all_said(manifest: Json) -> None:
    """Refuse a Workflow that takes anything that runs from elsewhere.

    Raises:
        ConnectorRefused: it does, or may.
        MalformedInput: it is no Workflow.
    """
    with well_formed("the Workflow"):
        spec = manifest["spec"]
        _refuse([name for name in spec if name not in _OF_SPEC])
        _refuse(list(_within(spec)))
        templates = list(_templates(manifest))
        for _, template in templates:
            _refuse([name for name in template if name not in _OF_TEMPLATE])
        for one in template_sets(manifest):
            images = [text_of(found.get("image")) for found in one.containers]
            _refuse([image for image in images if "{{" in image])
        entry = text_of(spec.get("entrypoint"))
        if entry not in [name for name, _ in templates]:
            raise MalformedInput(f"the Workflow has no template {entry[:80]!r}")


def require_time_left(found: Json, now: datetime) -> None:
    """Refuse a held Workflow whose deadline has passed: it would fail at once.

    Its controller counts from when it first saw it, held or not.

    Raises:
        ConnectorRefused: it has.
    """
    with well_formed("the Workflow"):
        seconds = found["spec"].get("activeDeadlineSeconds")
        began = moment((found.get("status") or {}).get("startedAt"))
        if seconds is None or began is None:
            return
        is_spent = now >= began + timedelta(seconds=int(seconds))
    if is_spent:
        raise ConnectorRefused(
            f"the deadline of {seconds} s has passed while the Workflow was held",
            hint="Argo counts it from the launch, and would end it at once. Launch it "
            "under a new id with a longer one, or with deadlines of its templates.",
        )


def template_sets(manifest: Json) -> list[PodSet]:
    """The pods of each template that has any."""
    shared = manifest["spec"].get("volumes") or []
    found = []
    for name, template in _templates(manifest):
        mains = [template[key] for key in ("container", "script") if key in template]
        mains += (template.get("containerSet") or {}).get("containers") or []
        if not mains:
            continue
        pod = {
            "initContainers": template.get("initContainers") or [],
            "containers": [*mains, *(template.get("sidecars") or [])],
            "volumes": [*shared, *(template.get("volumes") or [])],
        }
        found.append(PodSet(name, pod))
    return found


def stored_sets(found: Json) -> list[PodSet]:
    """The pods of templates that its controller has taken from elsewhere."""
    status = found.get("status") or {}
    whole = status.get("storedWorkflowTemplateSpec") or {}
    single = list((status.get("storedTemplates") or {}).values())
    templates = [*(whole.get("templates") or []), *single]
    return template_sets({"spec": {**whole, "templates": templates}})


def declared_steps(spec: Json) -> list[str]:
    """The steps of the template that is begun with, in their order."""
    entry = text_of(spec.get("entrypoint"))
    for template in spec.get("templates") or []:
        if text_of(template.get("name")) == entry:
            inner = [one["name"] for one in _inner(template)]
            return [text_of(name) for name in inner] or [entry]
    return []


def _templates(manifest: Json) -> Iterator[tuple[str, Json]]:
    """Every template with its name; one that stands in a step has the step's."""
    for template in manifest["spec"].get("templates") or []:
        yield from _with_inline(text_of(template.get("name")), template)


def _with_inline(name: str, template: Json) -> Iterator[tuple[str, Json]]:
    yield name, template
    for one in _inner(template):
        if "inline" in one:
            yield from _with_inline(f"{name}.{text_of(one['name'])}", one["inline"])


def _inner(template: Json) -> Iterator[Json]:
    for group in template.get("steps") or []:
        # Written as a list of lists; a group of one may stand without its list.
        yield from group if isinstance(group, list) else [group]
    yield from (template.get("dag") or {}).get("tasks") or []


def _within(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _within(one)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in _ELSEWHERE:
                yield key
            yield from _within(inner)


def _refuse(found: list[str]) -> None:
    if found:
        raise ConnectorRefused(
            f"a Workflow with {found[0][:80]} is not launched: what it runs is not "
            "said in its manifest alone",
            hint="Write templates with container, script or containerSet into it, "
            "each image by its digest.",
        )
