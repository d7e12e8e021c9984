"""The pods of a job: what keeps them from running, and what they print.

Everything they say is a stranger's text; nothing here interprets it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.errors import ConnectorUnavailable
from connectors.kubernetes.client import Json, KubernetesClient, segment
from connectors.kubernetes.kinds import WORKFLOW
from connectors.kubernetes.problems import ObjectMissing
from connectors.kubernetes.selecting import in_pieces
from connectors.kubernetes.states import moment
from connectors.kubernetes.stream import Stream
from connectors.kubernetes.templates import MAIN
from connectors.kubernetes.works import Work
from connectors.parsing import text_of, well_formed

NODE_NAME = "workflows.argoproj.io/node-name"
_STATUSES = ("initContainerStatuses", "containerStatuses")
_GROUP = re.compile(r"\A(\[\d+\])?\.")
_WAITS_AS_USUAL = frozenset({"ContainerCreating", "PodInitializing", ""})
_LONGEST_TEXT = 1000
_MOST_EVENTS = 50
"""About one object."""
_MOST_PODS = 20
_LONGEST_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a job."""

    name: str
    uid: str
    step: str
    phase: str
    containers: tuple[str, ...]
    troubles: tuple[Trouble, ...]
    created: datetime | None = None
    statuses: tuple[ContainerStatus, ...] = ()
    """Those that initialise in their order, then the others."""
    set_name: str = ""
    """The set of replicas that it is of."""
    images: tuple[tuple[str, str], ...] = ()
    """Its containers, with the image of each."""


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """How one container stands; nothing that began has no start."""

    name: str
    started: datetime | None
    ended: datetime | None
    exit_status: int | None
    """None: it has not ended."""
    step: str = ""
    """What it is called among the steps of the job: its replica, where there are."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that keeps a pod from running, or ended it."""

    step: str
    pod: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.reason} on step {self.step}" if self.step else self.reason


class ClusterPods:
    """The pods of one cluster's jobs."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    def of(self, work: Work) -> list[Pod]:
        """The pods of a job, with their troubles, by step and name.

        Raises:
            ConnectorError: they cannot be listed.
        """
        found, _ = self._client.items(
            f"/api/v1/namespaces/{segment(work.namespace)}/pods",
            labelSelector=work.kind.selector(work.name, work.uid),
        )
        return self._read(found, work)

    def of_each(self, works: Sequence[Work]) -> dict[str, list[Pod]]:
        """The pods of each of many jobs of the namespace, by the job's uid, as `of` has
        them; listed at once.

        Raises:
            ConnectorError: they cannot be listed.
        """
        found: list[Json] = []
        for namespace in {work.namespace for work in works}:
            path = f"/api/v1/namespaces/{segment(namespace)}/pods"
            found += self._client.items(path)[0]
        return self._each(works, found)

    def of_some(self, works: Sequence[Work]) -> dict[str, list[Pod]]:
        """As `of_each`, of so few jobs that no others' pods are listed.

        Raises:
            ConnectorError: they cannot be listed.
        """
        values: dict[tuple[str, str], list[str]] = {}
        for work in works:
            key, _, value = work.kind.selector(work.name, work.uid).partition("=")
            values.setdefault((work.namespace, key), []).append(value)
        found: list[Json] = []
        for (namespace, key), named in values.items():
            path = f"/api/v1/namespaces/{segment(namespace)}/pods"
            for few in in_pieces(sorted(named)):
                selector = f"{key} in ({','.join(few)})"
                found += self._client.items(path, labelSelector=selector)[0]
        return self._each(works, found)

    def _each(
        self, works: Sequence[Work], found: Sequence[Json]
    ) -> dict[str, list[Pod]]:
        """Sort listed pods to the jobs whose label they have."""
        by_label: dict[str, list[Json]] = {}
        wanted = {work.kind.selector(work.name, work.uid) for work in works}
        with well_formed("a pod"):
            for one in found:
                about = one["metadata"]
                labels = about.get("labels") or {}
                for label in wanted & {f"{k}={v}" for k, v in labels.items()}:
                    whole = f"{about.get('namespace')} {label}"
                    by_label.setdefault(whole, []).append(one)
        return {
            work.uid: self._read(
                by_label.get(
                    f"{work.namespace} {work.kind.selector(work.name, work.uid)}", []
                ),
                work,
            )
            for work in works
        }

    def _read(self, found: Sequence[Json], work: Work) -> list[Pod]:
        with well_formed("a pod"):
            pods = [_pod(one, work) for one in found]
        return sorted(pods, key=lambda pod: (pod.step, pod.name))

    def warnings(self, work: Work) -> list[Trouble]:
        """What the cluster warns of about a job and its first pods, newest last.

        Raises:
            ConnectorError: the events cannot be listed.
        """
        about = [(work.uid, "", "")]
        about += [(pod.uid, pod.step, pod.name) for pod in self.of(work)[:_MOST_PODS]]
        told: list[tuple[tuple[str, int], Trouble]] = []
        for uid, step, pod in about:
            page = self._client.get(
                f"/api/v1/namespaces/{segment(work.namespace)}/events",
                fieldSelector=f"involvedObject.uid={uid},type=Warning",
                limit=_MOST_EVENTS,
            )
            with well_formed("an event"):
                for one in page.get("items") or []:
                    reason, message = text_of(one.get("reason")), one.get("message")
                    told.append((_when(one), _trouble(step, pod, reason, message)))
        return [trouble for _, trouble in sorted(told, key=lambda pair: pair[0])]

    def lines(
        self,
        work: Work,
        pod: Pod,
        *,
        most_bytes: int,
        container: str = "",
        is_timed: bool = False,
        follow: bool = False,
        stop: Callable[[], bool] = lambda: False,
        idle_seconds: float = 30.0,
    ) -> Iterator[bytes]:
        """What a container of a pod prints, line by line; by default the first one.

        With `follow` until it ends, `stop` says so, or nothing comes for a while: then
        the caller may begin again. A line that is too long comes in pieces.

        Raises:
            ConnectorError: it cannot be read, or breaks off.
        """
        if not pod.containers:
            return
        query: dict[str, str | int] = {
            "container": container or pod.containers[0],
            "limitBytes": most_bytes,
        }
        if is_timed:
            query["timestamps"] = "true"
        if follow:
            query["follow"] = "true"
        stream = self._begin(work, pod, query, idle_seconds)
        waiting, read = b"", 0
        for piece in _until_quiet(stream, follow):
            read += len(piece)
            *lines, waiting = (waiting + piece).split(b"\n")
            yield from lines
            while len(waiting) > _LONGEST_LINE_BYTES:
                yield waiting[:_LONGEST_LINE_BYTES]
                waiting = waiting[_LONGEST_LINE_BYTES:]
            if stop() or read >= most_bytes:
                stream.close()
                break
        if waiting:
            yield waiting

    def _begin(
        self,
        work: Work,
        pod: Pod,
        query: dict[str, str | int],
        idle_seconds: float,
    ) -> Stream:
        namespace = segment(work.namespace)
        path = f"/api/v1/namespaces/{namespace}/pods/{segment(pod.name)}/log"
        try:
            return self._client.stream(path, idle_seconds=idle_seconds, **query)
        except ObjectMissing as cause:
            raise ConnectorUnavailable(
                f"the pod {pod.name} is gone, and what it printed with it",
                hint="Logs of pods that are gone are kept by a log collector, if any.",
            ) from cause


def _when(event: Json) -> tuple[str, int]:
    """When it was told last; within a second, in the order of their versions."""
    metadata = event["metadata"]
    said = event.get("lastTimestamp") or event.get("eventTime")
    version = text_of(metadata.get("resourceVersion"))
    is_number = version.isascii() and version.isdigit()
    moment = text_of(said or metadata.get("creationTimestamp"))
    return moment[:19], int(version) if is_number else 0


def _until_quiet(stream: Stream, follow: bool) -> Iterator[bytes]:
    """The pieces of a stream; one that is followed ends when it falls silent."""
    try:
        yield from stream.pieces()
    except ConnectorUnavailable:
        if not follow:
            raise


def _pod(found: Json, work: Work) -> Pod:
    metadata, status = found["metadata"], found.get("status") or {}
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    parts = [text_of(labels.get(key)) for key in work.kind.step_labels]
    step = "-".join(part for part in parts if part)
    step = step or _step_of_node(text_of(annotations.get(NODE_NAME)), work)
    set_name = text_of(labels.get(work.kind.set_label)) if work.kind.set_label else ""
    name = text_of(metadata["name"])

    def called(container: str) -> str:
        return _called(work, step, set_name, container)[:_LONGEST_TEXT]

    return Pod(
        name,
        text_of(metadata["uid"]),
        step[:_LONGEST_TEXT],
        text_of(status.get("phase")) or "Unknown",
        tuple(text_of(one["name"]) for one in found["spec"].get("containers") or []),
        tuple(_troubles(status, step, name, called)),
        moment(metadata.get("creationTimestamp")),
        tuple(_statuses(status, called)),
        set_name,
        tuple(
            (text_of(one["name"]), text_of(one.get("image")))
            for group in ("initContainers", "containers")
            for one in found["spec"].get(group) or []
        ),
    )


def _step_of_node(node: str, work: Work) -> str:
    """The step of a node: its name without that of the workflow, and the group that it
    is of at the top. A workflow of one pod has one step."""
    if node == work.name and work.nodes:
        return work.nodes[0].name
    return _GROUP.sub("", node.removeprefix(work.name), count=1) or node


def _called(work: Work, step: str, set_name: str, container: str) -> str:
    """What a container of a pod is called among the steps of a job."""
    if work.kind is WORKFLOW and step:
        return step if container == MAIN else f"{step}/{container}"
    if not (work.kind.set_label and step):
        return container
    is_alone = sum(part.set_name == set_name for part in work.parts) < 2
    return step if is_alone else f"{step}/{container}"


def _statuses(status: Json, called: Callable[[str], str]) -> Iterator[ContainerStatus]:
    for group in _STATUSES:
        for one in status.get(group) or []:
            state, name = one.get("state") or {}, text_of(one["name"])
            runs, ended = state.get("running") or {}, state.get("terminated")
            told = ended or {}
            yield ContainerStatus(
                name,
                moment(told.get("startedAt") or runs.get("startedAt")),
                moment(told.get("finishedAt")),
                None if ended is None else int(told["exitCode"]),
                called(name),
            )


def _troubles(
    status: Json, step: str, pod: str, called: Callable[[str], str]
) -> Iterator[Trouble]:
    for group in _STATUSES:
        for one in status.get(group) or []:
            name = text_of(one.get("name"))
            at = called(name) if called(name) != name else step or name
            state = one.get("state") or {}
            waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
            reason = text_of(waiting.get("reason"))
            if reason not in _WAITS_AS_USUAL:
                yield _trouble(at, pod, reason, waiting.get("message"))
            code = ended.get("exitCode") or 0
            if code:
                reason = text_of(ended.get("reason")) or "Error"
                message = text_of(ended.get("message")) or f"exit status {code}"
                yield _trouble(at, pod, reason, message)
    for one in status.get("conditions") or []:
        is_missing = one.get("status") == "False"
        if one.get("type") == "PodScheduled" and is_missing:
            reason = text_of(one.get("reason")) or "Unschedulable"
            yield _trouble(step, pod, reason, one.get("message"))
    if text_of(status.get("reason")) in ("Evicted", "DeadlineExceeded", "NodeLost"):
        yield _trouble(step, pod, status["reason"], status.get("message"))


def _trouble(step: str, pod: str, reason: str, message: object) -> Trouble:
    return Trouble(step, pod, reason[:_LONGEST_TEXT], text_of(message)[:_LONGEST_TEXT])
