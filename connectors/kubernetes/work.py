"""Jobs of a cluster: created held, released once, cancelled until gone.

The caller chooses the id of a launch; the name follows from it, so a create whose
answer was lost is found by the next try, and one with other content is refused. Release
is a patch for the one version that was looked at. Nothing here knows whether somebody
may.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.kubernetes.client import Json
from connectors.kubernetes.finding import FoundWork
from connectors.kubernetes.kinds import (
    JOB,
    WORKFLOW,
    Served,
    WorkKind,
    sent_kind_of,
    served,
)
from connectors.kubernetes.manifests import (
    WITHDRAWN_ANNOTATION,
    difference,
    dropped,
    held,
    label_of_launch,
    name_of_launch,
    probe,
    without_hold,
)
from connectors.kubernetes.problems import (
    NameTaken,
    NotAllowed,
    ObjectMissing,
    VersionConflict,
)
from connectors.kubernetes.states import is_held
from connectors.kubernetes.workflows import require_time_left
from connectors.kubernetes.works import Work, work_of
from connectors.parsing import well_formed
from connectors.pipelines.protocols import RunState

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Kueue holds jobs in the same way, and lets those with this label go when it can."""
_ATTEMPTS_TO_RELEASE = 5
_TURN_SECONDS = 0.5


class ClusterWork(FoundWork):
    """The jobs of one namespace, to launch and to end."""

    def planned(self, manifest: Json, launch: str) -> Json:
        """What the cluster would make of a manifest. Creates nothing.

        Raises:
            ConnectorRefused: it refuses it, or would not hold it.
            ConnectorError: it does not answer.
        """
        sent, place = self._prepared(manifest, launch)
        return self._dry(probe(sent), place)

    def create(self, manifest: Json, launch: str) -> Work:
        """Create a job that is held; the same launch again finds it.

        Raises:
            ConnectorRefused: the cluster refuses it or would not hold it, or the launch
                stands for another one there.
            ConnectorError: it was not done, or not known whether. Try the same again.
        """
        sent, place = self._prepared(manifest, launch)
        expected = self._dry(probe(sent), place)
        path = place.path(self.namespace)
        try:
            made = self._client.create(path, sent)
        except NameTaken:
            return self._found_as(expected, place, launch)
        if not is_held(made, place.kind):
            self._refuse_unheld(place, work_of(made, place))
        return work_of(made, place)

    def release(self, manifest: Json, launch: str) -> Work:
        """Let a held job go, if it is still what the manifest makes; once.

        Raises:
            ConnectorRefused: it is gone, or is not what was launched.
            ConnectorError: it was not done, or not known whether. Try the same again.
        """
        sent, place = self._prepared(manifest, launch)
        expected = self._dry(probe(sent), place)
        path = place.path(self.namespace, name_of_launch(launch))
        uid = ""
        for _ in range(_ATTEMPTS_TO_RELEASE):
            work, found = self._checked(expected, place, launch)
            if uid and work.uid != uid:
                raise ConnectorRefused(f"another {place.kind.kind} took its name")
            uid = work.uid
            if not is_held(found, place.kind):
                return work
            if WITHDRAWN_ANNOTATION in work.marks:
                raise ConnectorRefused(f"{launch} was withdrawn, and starts no more")
            if work.standing.state.is_final or work.standing.is_ending:
                raise ConnectorRefused(f"{launch} has ended and cannot be released")
            if place.kind is WORKFLOW:
                require_time_left(found, datetime.now(UTC))
            try:
                body = _suspension(work, is_suspended=False)
                return work_of(self._client.patch(path, body), place)
            except VersionConflict:
                continue
        raise ConnectorUnavailable(
            f"{launch} changes faster than it can be released",
            hint="Try the same again; it was not released.",
        )

    def cancel(self, kind: WorkKind, launch: str, *, grace_seconds: float) -> None:
        """Delete a job with its pods, and return once nothing of it is left.

        Raises:
            ConnectorUnavailable: something of it is still there.
            ConnectorError: it was not done, or not known whether.
        """
        place = served(self._client, kind)
        path = place.path(self.namespace, name_of_launch(launch))
        try:
            work = work_of(self._client.get(path), place)
        except ObjectMissing:
            return
        self._check_is_of(work, launch)
        # Gone, or another has its name: the wait below looks by the uid.
        with contextlib.suppress(ObjectMissing, VersionConflict):
            self._client.delete(path, uid=work.uid, propagation="Foreground")
        until = self._clock() + grace_seconds
        while left := self._left(work, path):
            if self._clock() >= until:
                raise ConnectorUnavailable(
                    f"{launch} is being deleted, but {left}",
                    hint="It may still run. Cancel it again to go on waiting.",
                )
            self._sleep(_TURN_SECONDS)

    def withdraw(
        self, work: Work, launch: str, note: str, *, grace_seconds: float
    ) -> Work:
        """Hold a job for good, and return once none of its pods is left.

        The object stays, so that the launch is known there and starts no other.

        Raises:
            ConnectorRefused: it is not what was launched, or has ended.
            ConnectorUnavailable: something of it is still there.
            ConnectorError: it was not done, or not known whether.
        """
        self._check_is_of(work, launch)
        place = served(self._client, work.kind)
        path = place.path(self.namespace, work.name)
        for _ in range(_ATTEMPTS_TO_RELEASE):
            if WITHDRAWN_ANNOTATION in work.marks and work.standing.is_stopped:
                break
            if work.standing.state.is_final:
                return work
            try:
                note = work.marks.get(WITHDRAWN_ANNOTATION, note)
                body = self._ending(work)
                body["metadata"]["annotations"] = {WITHDRAWN_ANNOTATION: note}
                work = work_of(self._client.patch(path, body), place)
            except VersionConflict:
                found = work_of(self._client.get(path), place)
                if found.uid != work.uid:
                    raise ConnectorRefused(
                        f"another {work.kind.kind} took its name"
                    ) from None
                work = found
        else:
            raise ConnectorUnavailable(f"{launch} changes faster than it can be ended")
        until = self._clock() + grace_seconds
        while True:
            left = self._running(work)
            work = work_of(self._client.get(path), place)
            if not left and (work.is_withdrawn or work.standing.state.is_final):
                return work
            if self._clock() >= until:
                still = f"{left} of its pods are still there"
                raise ConnectorUnavailable(
                    f"{launch} is being ended, but "
                    f"{still if left else 'its controller has not said so'}",
                    hint="It may still run. Cancel it again to go on waiting.",
                )
            self._sleep(_TURN_SECONDS)

    def _ending(self, work: Work) -> Json:
        """A patch that ends a job for good, of the version that was looked at."""
        if work.kind is not WORKFLOW:
            return _suspension(work, is_suspended=True)
        # A controller does not end what is suspended; and what never ran stays held.
        is_held = work.standing.state is RunState.SUSPENDED
        body = _suspension(work, is_suspended=is_held and not self._running(work))
        body["spec"]["shutdown"] = "Terminate"
        return body

    def _running(self, work: Work) -> int:
        """How many of its pods have not ended."""
        pods = self._pods(work)
        with well_formed("a pod"):
            phases = [(pod.get("status") or {}).get("phase") for pod in pods]
        return sum(phase not in ("Succeeded", "Failed") for phase in phases)

    def _left(self, work: Work, path: str) -> str:
        """What of a deleted job is still there; empty: nothing."""
        try:
            found = self._client.get(path)
        except ObjectMissing:
            found = {}
        with well_formed(f"a {work.kind.kind}"):
            metadata = found.get("metadata") or {}
            if metadata.get("uid") == work.uid:
                holders = ", ".join(metadata.get("finalizers") or [])
                held_by = f", held by {holders}" if holders else ""
                return f"the {work.kind.kind} is still there{held_by}"
        pods = self._pods(work)
        return f"{len(pods)} of its pods are still there" if pods else ""

    def _pods(self, work: Work) -> list[Json]:
        found, _ = self._client.items(
            f"/api/v1/namespaces/{work.namespace}/pods",
            labelSelector=work.kind.selector(work.name, work.uid),
        )
        return found

    def _prepared(self, manifest: Json, launch: str) -> tuple[Json, Served]:
        sent = held(manifest, launch, self.namespace)
        return sent, served(self._client, sent_kind_of(manifest))

    def _dry(self, sent: Json, place: Served) -> Json:
        """What the cluster would make of it; nothing of what is sent may get lost.

        A cluster refuses unknown fields by itself, but an old one drops them in
        silence, and one that drops `suspend` would start the job.
        """
        path = place.path(self.namespace)
        try:
            made = self._client.create(path, sent, is_dry=True)
        except NotAllowed:
            raise
        except ConnectorRefused as refused:
            can_lack_it = place.kind is not JOB
            if can_lack_it and self._takes(without_hold(sent, place.kind), path):
                field = ".".join(place.kind.suspend)
                raise ConnectorRefused(
                    f"a {place.kind.kind} of this cluster cannot be held: it has no "
                    f"{field}",
                    hint="Install an operator that knows it. Nothing was created.",
                ) from refused
            raise
        with well_formed(f"a {place.kind.kind}"):
            lost = dropped(sent["spec"], made["spec"])
            is_queued = QUEUE_LABEL in (made["metadata"].get("labels") or {})
        if lost or not is_held(made, place.kind):
            raise ConnectorRefused(
                f"this cluster drops {lost or '.'.join(place.kind.suspend)} of a "
                f"{place.kind.kind}",
                hint="Leave it out, or install an operator that knows it. Nothing was "
                "created.",
            )
        if is_queued:
            raise ConnectorRefused(
                f"Kueue would release this {place.kind.kind} by itself: it has the "
                f"label {QUEUE_LABEL}",
                hint="Launch in a namespace that Kueue does not manage, without the "
                "label. Nothing was created.",
            )
        return made

    def _takes(self, sent: Json, path: str) -> bool:
        """Whether the cluster would take something. Creates nothing.

        Asked only of one that has refused a field: servers that do have known dry runs
        for longer.
        """
        try:
            self._client.create(path, sent, is_dry=True)
        except ConnectorRefused:
            return False
        return True

    def _refuse_unheld(self, place: Served, work: Work) -> None:
        """Take away at once what was to be held and is not."""
        path = place.path(self.namespace, work.name)
        self._client.delete(path, uid=work.uid, propagation="Background")
        raise ConnectorRefused(
            f"the cluster created a {place.kind.kind} that is not held; it was deleted",
            hint="Something in the cluster releases jobs by itself.",
        )

    def _found_as(self, expected: Json, place: Served, launch: str) -> Work:
        work, _ = self._checked(expected, place, launch)
        return work

    def _checked(self, expected: Json, place: Served, launch: str) -> tuple[Work, Json]:
        """What is there under the name of a launch, if it is what was meant."""
        path = place.path(self.namespace, name_of_launch(launch))
        found = self._client.get(path)
        work = work_of(found, place)
        self._check_is_of(work, launch)
        where = difference(expected, found, place.kind)
        if where:
            raise ConnectorRefused(
                f"the launch {launch} is another one there: {where} differs",
                hint="Somebody changed it, or launched something else under this id. "
                "Launch under a new id.",
            )
        return work, found

    def _check_is_of(self, work: Work, launch: str) -> None:
        if work.launch != label_of_launch(launch):
            raise ConnectorRefused(
                f"{work.kind.kind} {work.name} was not made by the launch {launch}",
                hint="Its label says so. Somebody else made it under that name.",
            )


def _suspension(work: Work, *, is_suspended: bool) -> Json:
    """A patch for exactly the object and the version that was looked at."""
    body: Json = {"metadata": {"uid": work.uid, "resourceVersion": work.version}}
    place = body
    for step in work.kind.suspend[:-1]:
        place[step] = place = {}
    place[work.kind.suspend[-1]] = is_suspended
    return body
