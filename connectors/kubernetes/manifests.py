"""What is sent to a cluster: a manifest that is held, named by its launch, and marked.

The name comes from the launch alone, so the same launch sent twice meets itself.
Whether what is there under that name is what was sent is judged by every field of it,
against what the cluster itself would make of it; a mark could be written by others.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import Any

from connectors.errors import ConnectorRefused
from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import (
    CRON_WORKFLOW,
    JOB,
    WORKFLOW,
    WorkKind,
    sent_kind_of,
)
from connectors.kubernetes.written_workflows import as_written
from connectors.parsing import well_formed

OWN_MARKS = "countersign.dev/"
"""How the names of our labels and annotations begin."""
LAUNCH_LABEL = "countersign.dev/launch"
"""On the object: the launch, as far as a label can hold it."""
DIGEST_ANNOTATION = "countersign.dev/manifest-sha256"
LAUNCH_ANNOTATION = "countersign.dev/launch"
"""The whole id of the launch, where whoever launches marks it."""
PLAN_ANNOTATION = "countersign.dev/plan-sha256"
"""What it was made of; the plan itself is kept elsewhere."""
WITHDRAWN_ANNOTATION = "countersign.dev/withdrawn"
"""That it is held for good, and how it stood by then."""
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABELS_OF_JOBS = (
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
)
_LARGEST_BYTES = 1024 * 1024


def name_of_launch(launch: str) -> str:
    """The name of the object that a launch makes, which every kind allows."""
    return f"cs-{hashlib.sha256(launch.encode()).hexdigest()[:24]}"


def label_of_launch(launch: str) -> str:
    """The launch as the value of a label."""
    return launch if _LABEL_VALUE.fullmatch(launch) else name_of_launch(launch)


def digest_of(manifest: Json) -> str:
    """SHA-256 of a manifest in one fixed form."""
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(data).hexdigest()


def held(manifest: Json, launch: str, namespace: str) -> Json:
    """The manifest as it is sent: suspended, with the name of its launch.

    Raises:
        ConnectorRefused: it is of no known kind, names another namespace, or is too
            large.
        MalformedInput: it is no manifest.
    """
    kind = sent_kind_of(manifest)
    with well_formed("the manifest"):
        made = copy.deepcopy(manifest)
        made.pop("status", None)
        metadata = _object(made.get("metadata"))
        said = metadata.get("namespace") or namespace
        labels = _object(metadata.get("labels"))
        annotations = _object(metadata.get("annotations"))
        spec = made["spec"] = _object(made["spec"])
        for step in kind.suspend[1:-1]:
            spec[step] = spec = _object(spec.get(step))
        spec[kind.suspend[-1]] = True
    if said != namespace:
        raise ConnectorRefused(
            f"the manifest is for the namespace {said}, not {namespace}",
            hint="Leave the namespace out of the manifest, or name the same.",
        )
    labels[LAUNCH_LABEL] = label_of_launch(launch)
    annotations[DIGEST_ANNOTATION] = digest_of(manifest)
    made["metadata"] = {
        "name": name_of_launch(launch),
        "namespace": namespace,
        "labels": labels,
        "annotations": annotations,
    }
    if len(json.dumps(made)) > _LARGEST_BYTES:
        raise ConnectorRefused("the manifest is larger than a cluster takes")
    return made


def without_hold(sent: Json, kind: WorkKind) -> Json:
    """What is sent without that it is held. It must only ever be asked about."""
    made = copy.deepcopy(sent)
    places = [made]
    for step in kind.suspend[:-1]:
        places.append(places[-1][step])
    places[-1].pop(kind.suspend[-1])
    for place, step in zip(places[1:-1], kind.suspend[1:-1], strict=True):
        if not place[step]:
            del place[step]
    return made


def _object(value: object) -> Json:
    """A copy of an object; nothing is an empty one."""
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"an object is expected where {value!r:.80} stands")
    return dict(value or {})


def probe(sent: Json) -> Json:
    """What is sent, under a name that is free: a dry run of it shows what the cluster
    makes of it also while the real name is taken."""
    return {**sent, "metadata": {**sent["metadata"], "name": f"cs-{'0' * 24}"}}


def dropped(sent: object, made: object, path: str = "spec") -> str:
    """The first field that was sent and is not in what was made of it; empty: none."""
    if isinstance(sent, dict) and isinstance(made, dict):
        for key, value in sent.items():
            where = f"{path}.{key}"
            found = (
                dropped(value, made[key], where)
                if key in made
                else (where if value else "")
            )
            if found:
                return found
    elif isinstance(sent, list) and isinstance(made, list) and len(sent) == len(made):
        for position, (one, other) in enumerate(zip(sent, made, strict=True)):
            found = dropped(one, other, f"{path}[{position}]")
            if found:
                return found
    return ""


def difference(expected: Json, found: Json, kind: WorkKind) -> str:
    """Where what is there says otherwise than what the cluster would make of what was
    sent; empty: nowhere. Whether it is still held does not count.

    Raises:
        MalformedInput: one of them is no such object.
    """
    with well_formed(f"a {kind.kind}"):
        if (found["apiVersion"], found["kind"]) != (expected["apiVersion"], kind.kind):
            return "kind"
        for part in ("labels", "annotations"):
            had = found["metadata"].get(part) or {}
            for key in (LAUNCH_LABEL, DIGEST_ANNOTATION):
                wanted = (expected["metadata"].get(part) or {}).get(key)
                if wanted is not None and had.get(key) != wanted:
                    return f"metadata.{part}.{key}"
        return _differs(_compared(expected, kind), _compared(found, kind), "spec")


def _compared(found: Json, kind: WorkKind) -> object:
    """The part that must be the same, without what differs for every object."""
    spec = copy.deepcopy(found["spec"])
    place: Any = {"spec": spec}
    for step in kind.suspend[:-1]:
        place = place.get(step, {})
    place.pop(kind.suspend[-1], None)
    if kind is WORKFLOW:
        spec.pop("shutdown", None)  # it only ends what runs
        return as_written(spec)
    if kind is CRON_WORKFLOW:
        return as_written(spec)
    if kind is JOB:
        spec.pop("selector", None)
        metadata = spec["template"].setdefault("metadata", {})
        metadata.pop("creationTimestamp", None)
        labels = metadata.setdefault("labels", {})
        for name in _LABELS_OF_JOBS:
            labels.pop(name, None)
    return spec


def _differs(one: object, other: object, path: str) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            where = _differs(one.get(key), other.get(key), f"{path}.{key}")
            if where:
                return where
        return ""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for position, (first, second) in enumerate(zip(one, other, strict=True)):
            where = _differs(first, second, f"{path}[{position}]")
            if where:
                return where
        return ""
    return "" if one == other else path
