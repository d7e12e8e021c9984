"""What a manifest leads to that does not say itself what runs.

It is looked up when it is planned and again before it is released, and what came of it
is compared with the plan for as long as it is there. Between the last look and the
moment at which the operator takes it up, somebody can still change it: what runs then
is found to be another, but it has run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from connectors.errors import ConnectorRefused
from connectors.kubernetes.client import Json, KubernetesClient
from connectors.kubernetes.kinds import TRAIN_JOB, kind_of, served
from connectors.kubernetes.pods import Pod
from connectors.kubernetes.runtimes import (
    JobSet,
    Runtime,
    overriding_images,
    read_job_set,
    read_runtime,
    sets_of,
)
from connectors.kubernetes.templates import PodSet, images_of, parts_of
from connectors.kubernetes.works import Work
from connectors.pipelines.protocols import LaunchPlan, Resolved, RunState

_PROBE = "countersign-probe"


@dataclass(frozen=True, slots=True)
class Leads:
    """The pods that a manifest leads to, and by way of what."""

    sets: list[PodSet]
    images: tuple[str, ...]
    resolved: tuple[Resolved, ...]


class ClusterLeads:
    """Looks up what manifests lead to, in one cluster."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    def of(self, manifest: Json, namespace: str) -> Leads:
        """What a manifest leads to now; that it can be compared later is tried too.

        Raises:
            ConnectorRefused: it leads to nothing.
            ConnectorError: it cannot be told.
        """
        served(self._client, TRAIN_JOB)
        runtime = read_runtime(self._client, manifest, namespace)
        read_job_set(self._client, namespace, _PROBE)
        sets = sets_of(manifest, runtime)
        images = (*images_of(sets), *overriding_images(manifest))
        return Leads(sets, images, (_resolved(runtime),))

    def require_as_planned(self, manifest: Json, plan: LaunchPlan, place: str) -> None:
        """Refuse what no longer leads to what was planned.

        Raises:
            ConnectorRefused: it does not.
            ConnectorError: it cannot be told.
        """
        if kind_of(manifest) is not TRAIN_JOB:
            return
        found = _resolved(read_runtime(self._client, manifest, place))
        for planned in plan.resolved:
            if planned != found:
                raise ConnectorRefused(
                    f"the {found.kind} {found.name} is no longer what was planned: "
                    f"generation {found.generation} of {found.uid}, not "
                    f"{planned.generation} of {planned.uid}",
                    hint="Launch what there is now under a new id.",
                )
        if not plan.resolved:
            raise ConnectorRefused("the plan does not say what it leads to")

    def made(self, work: Work) -> Made:
        """What came of a job.

        Raises:
            ConnectorError: it cannot be told.
        """
        if work.kind is not TRAIN_JOB:
            return Made(work, None)
        found = read_job_set(self._client, work.namespace, work.name)
        if found is None:
            return Made(work, None)
        parts, images = parts_of(found.sets), tuple(images_of(found.sets))
        return Made(replace(work, parts=parts, images=images), found)


@dataclass(frozen=True, slots=True)
class Made:
    """A job with the pods that came of it."""

    work: Work
    job_set: JobSet | None

    @property
    def is_let_go(self) -> bool:
        """Whether its operator has taken up that it was released."""
        return self.job_set is not None and not self.job_set.is_held

    def strange(self, plan: LaunchPlan, pods: Sequence[Pod]) -> str:
        """What of it is not of its plan, in words; empty: nothing.

        A registry's name may be replaced by that of its mirror.
        """
        work, digests = self.work, {_digest(image) for image in plan.images}
        if work.kind is TRAIN_JOB and work.standing.state is RunState.SUSPENDED:
            return ""  # nothing runs: what it leads to is looked at when it is released
        images = [*work.images, *self._images_of(pods)]
        other = [image for image in images if _digest(image) not in digests]
        if other:
            return f"it runs the image {other[0][:200]}, which its plan does not name"
        if work.kind is not TRAIN_JOB:
            return ""
        if self.job_set is None:
            if work.standing.state in (RunState.SUCCEEDED, RunState.FAILED):
                return "its JobSet is gone, and with it which images it ran"
            return ""
        if work.uid not in self.job_set.owners:
            return "the JobSet under its name is not of it"
        return ""

    def _images_of(self, pods: Sequence[Pod]) -> Iterator[str]:
        """Images of the pods of a kind that does not say them itself.

        What a cluster adds to every pod beside them is the cluster's own.
        """
        if self.job_set is None:
            return
        known = {(part.set_name, part.container) for part in self.work.parts}
        for pod in pods:
            for name, image in pod.images:
                if (pod.set_name, name) in known:
                    yield image


def _digest(image: str) -> str:
    return image.rpartition("@")[2]


def _resolved(runtime: Runtime) -> Resolved:
    return Resolved(
        runtime.kind, runtime.name, runtime.uid, runtime.generation, runtime.sha256
    )
