"""One job of a cluster as it was read, whatever kind it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connectors.kubernetes.client import Json
from connectors.kubernetes.kinds import WORKFLOW, Served, WorkKind
from connectors.kubernetes.manifests import (
    LAUNCH_LABEL,
    OWN_MARKS,
    WITHDRAWN_ANNOTATION,
)
from connectors.kubernetes.states import Standing, moment, standing
from connectors.kubernetes.templates import Part, images_of, parts_of, pod_sets
from connectors.kubernetes.workflow_nodes import Node, missing_nodes, nodes_of
from connectors.kubernetes.workflows import stored_sets, template_sets
from connectors.parsing import text_of, well_formed
from connectors.pipelines.protocols import RunState


@dataclass(frozen=True, slots=True)
class Work:
    """One job on a cluster, as it was when it was read."""

    kind: WorkKind
    api_version: str
    namespace: str
    name: str
    uid: str
    version: str
    """The resourceVersion; equal or not, nothing more."""
    launch: str
    """The label of its launch; empty for what others made."""
    standing: Standing
    marks: Mapping[str, str] = field(default_factory=dict)
    """Its annotations of countersign; whoever may patch it can write them."""
    created: datetime | None = None
    parts: tuple[Part, ...] = ()
    """The containers of the pods that it describes itself."""
    images: tuple[str, ...] = ()
    """Of those pods."""
    nodes: tuple[Node, ...] = ()
    """Its steps, of a kind that tells them itself."""
    remark: str = ""
    """What is not told of it, for a person."""

    @property
    def is_withdrawn(self) -> bool:
        """Whether it is held or ended for good, and nothing of it runs."""
        is_over = self.standing.state in (RunState.SUSPENDED, RunState.CANCELLED)
        return is_over and WITHDRAWN_ANNOTATION in self.marks


def work_of(found: Json, place: Served) -> Work:
    """A job as the cluster tells it.

    Raises:
        MalformedInput: it is not in the form of its kind.
    """
    with well_formed(f"a {place.kind.kind}"):
        metadata = found["metadata"]
        labels = metadata.get("labels") or {}
        is_workflow = place.kind is WORKFLOW
        sets = template_sets(found) if is_workflow else pod_sets(found, place.kind)
        stored = stored_sets(found) if is_workflow else []
        return Work(
            place.kind,
            place.api_version,
            text_of(metadata["namespace"]),
            text_of(metadata["name"]),
            text_of(metadata["uid"]),
            text_of(metadata["resourceVersion"]),
            text_of(labels.get(LAUNCH_LABEL)),
            standing(found, place.kind),
            {
                key: text_of(value)
                for key, value in (metadata.get("annotations") or {}).items()
                if key.startswith(OWN_MARKS)
            },
            moment(metadata.get("creationTimestamp")),
            () if is_workflow else parts_of(sets),
            tuple(images_of([*sets, *stored])),
            nodes_of(found) if is_workflow else (),
            missing_nodes(found) if is_workflow else "",
        )
