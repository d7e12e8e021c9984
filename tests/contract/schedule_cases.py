"""What a place that keeps schedules has to bring to their contract: itself, something
small to start again and again, and its controller with a clock of the test's own.

Another place joins by a class like `ClusterCase` in CASES.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from connectors.kubeflow.access import endpoint
from connectors.kubeflow.client import KfpClient
from connectors.kubernetes.access import from_kubeconfig
from connectors.kubernetes.client import Bounds, Json, KubernetesClient
from connectors.kubernetes.kinds import CRON_JOB, CRON_WORKFLOW, WorkKind
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kfp_sending import Clock
from connectors.pipelines.kubernetes_schedules import KubernetesSchedules
from connectors.pipelines.protocols import (
    CanCancel,
    CanHold,
    CanLaunch,
    CanSchedule,
    LaunchRequest,
    Times,
)
from tests.contract.kfp_launching import (
    FAST,
    KeptHolds,
    PassingTime,
    package_of_steps,
    write_package,
)
from tests.contract.kfp_server import engine, recurring
from tests.contract.kfp_server import faults as kfp_faults
from tests.contract.kfp_server.installation import Installation
from tests.contract.kfp_server.server import serving
from tests.contract.kubernetes_definitions import definition
from tests.contract.kubernetes_flavours import of_argo, workflow
from tests.contract.kubernetes_launching import IMAGE, KeptPlans, manifest_of_steps
from tests.contract.kubernetes_places import MERGE, KubernetesPlace, kubernetes_place
from tests.contract.kubernetes_server.argo_cron import ArgoCron
from tests.contract.kubernetes_server.cron import CronController
from tests.contract.kubernetes_server.faults import Fault
from tests.contract.kubernetes_server.objects import Object

OTHER_IMAGE = f"registry.example/miner@sha256:{'cd' * 32}"
NIGHTLY = Times("0 3 * * *", "Etc/UTC")
ARGO = "/apis/argoproj.io/v1alpha1"


class Keeper(CanLaunch, CanHold, CanCancel, CanSchedule, Protocol):
    """All that is done with schedules."""


class ScheduleCase(Protocol):
    """One place that keeps schedules."""

    overlaps: tuple[str, ...]
    """What can become there of a time at which the last run still runs."""
    gives_up: bool
    """Whether what was sent and does not show is never sent again."""

    @property
    def now(self) -> datetime:
        """What time it is there."""
        ...

    @property
    def keeper(self) -> Keeper:
        """What keeps them, as another process or machine has it that lost nothing."""
        ...

    def request(self, times: Times = NIGHTLY) -> LaunchRequest:
        """A small pipeline, to be started at some times."""
        ...

    def come(self, days: int = 1) -> None:
        """Let nights pass in which whatever is due starts, and goes on running."""
        ...

    def end(self, exit_code: int = 0) -> None:
        """Let everything that runs come to its end."""
        ...

    def kept(self) -> int:
        """How many schedules there are, whosever."""
        ...

    def started(self) -> int:
        """How many runs there are, whosever."""
        ...

    def change(self) -> None:
        """Change the times of the only schedule behind everybody's back."""
        ...

    def forge(self, what: str) -> None:
        """A run of the only schedule, by the place's own reference, that differs from
        what is planned in its `image` or its `parameters`."""
        ...

    def breaks(
        self, fault: str, number: int
    ) -> contextlib.AbstractContextManager[Callable[[], int]]:
        """One request from now on has a fault, by its number; how many there were."""
        ...

    def close(self) -> None:
        """Take everything down again."""
        ...


@dataclass(frozen=True)
class Form:
    """How one kind of schedule lies on a cluster."""

    kind: WorkKind
    manifest: Callable[..., Json]
    controller: Callable[[Any], CronController | ArgoCron]
    definitions: Callable[[], list[Json]]
    spec: str
    """The field that holds what it starts."""


def of_argo_cron() -> list[Json]:
    """What Argo defines, as its usual installation leaves it open."""
    return [*of_argo(), definition("argoproj.io", "v1alpha1", "CronWorkflow")]


FORMS = {
    "cron-job": Form(CRON_JOB, manifest_of_steps, CronController, list, "jobTemplate"),
    "cron-workflow": Form(
        CRON_WORKFLOW, workflow, ArgoCron, of_argo_cron, "workflowSpec"
    ),
}


class ClusterCase:
    """CronJobs or CronWorkflows of the cluster of this repository."""

    overlaps: tuple[str, ...] = ("Forbid", "Allow", "Replace")
    gives_up = False

    def __init__(self, folder: Path, form: str) -> None:
        self._folder, self.form = folder, FORMS[form]
        self._stack = contextlib.ExitStack()
        self._plans = KeptPlans()
        self.place: KubernetesPlace = self._stack.enter_context(
            kubernetes_place("in-repo", folder)
        )
        for one in self.form.definitions():
            self.place.own.redefine(one)
        self.cron = self.form.controller(self.place.own)
        self.now = datetime.now(UTC).replace(microsecond=0)

    @property
    def keeper(self) -> Keeper:
        client = KubernetesClient(
            from_kubeconfig(str(self.place.kubeconfig)),
            bounds=Bounds(first_pause_seconds=0.001),
        )
        self._stack.callback(client.close)
        return KubernetesSchedules(
            client,
            self._plans,
            keeper=self.form.kind,
            namespace=self.place.namespace,
            sleep=self.wait,
            clock=lambda: self.now,
        )

    def wait(self, seconds: float) -> None:
        """Let the controllers do something, instead of waiting for them."""
        self.place.controller.step()

    @property
    def path(self) -> str:
        """Where its schedules lie."""
        version = f"{self.form.kind.group}/{self.form.kind.versions[0]}"
        where = f"/apis/{version}/namespaces/{self.place.namespace}"
        return f"{where}/{self.form.kind.plural}"

    @property
    def one(self) -> Object:
        """The only schedule as it lies there."""
        [found] = self.place.ask("GET", self.path)["items"]
        assert isinstance(found, dict)
        version = f"{self.form.kind.group}/{self.form.kind.versions[0]}"
        return {"apiVersion": version, "kind": self.form.kind.kind} | found

    def request(self, times: Times = NIGHTLY) -> LaunchRequest:
        path = self._folder / "job.json"
        path.write_text(json.dumps(self.form.manifest("quick")))
        given = {"mark": "x"} if self.form.kind is CRON_WORKFLOW else {}
        return LaunchRequest(str(path), pipeline="tried", parameters=given, times=times)

    def come(self, days: int = 1) -> None:
        for _ in range(days):
            self.now += timedelta(days=1)
            self.cron.tick(self.now)
            self.place.controller.step()

    def end(self, exit_code: int = 0) -> None:
        for _ in range(3):
            for pod in self.place.own.store.all(("", "pods")):
                if pod["status"]["phase"] == "Pending":
                    self.place.controller.finish(pod, exit_code)
            self.place.controller.step()
        self.cron.tick(self.now)

    def kept(self) -> int:
        return len(self.place.ask("GET", self.path)["items"])

    def started(self) -> int:
        group = self.form.kind.group
        plural = "jobs" if self.form.kind is CRON_JOB else "workflows"
        return len(self.place.own.store.all((group, plural)))

    def change(self) -> None:
        path = f"{self.path}/{self.one['metadata']['name']}"
        change = {"spec": {"schedule": "30 * * * *"}}
        assert self.place.ask("PATCH", path, change, MERGE).status == 200

    def forge(self, what: str) -> None:
        found = self.one
        said = json.dumps(found["spec"][self.form.spec])
        was = {"image": IMAGE, "parameters": "/dev/null"}[what]
        if what == "parameters" and was not in said:
            was = '"value": "x"'
        now = {"image": OTHER_IMAGE, "parameters": was.replace("x", "y")}[what]
        if was == "/dev/null":
            now = "/etc/passwd"
        assert was in said
        found["spec"][self.form.spec] = json.loads(said.replace(was, now))
        self.cron.start(found, f"{found['metadata']['name']}-29000000", self.now)
        self.place.controller.step()

    @contextlib.contextmanager
    def breaks(self, fault: str, number: int) -> Iterator[Callable[[], int]]:
        faults = self.place.own.faults
        original, seen = faults.next, [0]

        def counted(verb: str) -> Fault | None:
            seen[0] += 1
            return Fault(fault) if seen[0] == number else original(verb)

        faults.next = counted  # type: ignore[method-assign]
        try:
            yield lambda: seen[0]
        finally:
            faults.next = original  # type: ignore[method-assign]

    def close(self) -> None:
        assert self.place.own.crashes == []
        self._stack.close()


class KfpScheduleCase:
    """Recurring runs of the installation of this repository."""

    overlaps: tuple[str, ...] = ("Forbid", "Allow")
    gives_up = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self.here = self._stack.enter_context(serving(Installation()))
        self._plans, self._holds = KeptPlans(), KeptHolds()
        self._time = PassingTime(self.here)

    @property
    def now(self) -> datetime:
        return self.here.now

    @property
    def keeper(self) -> Keeper:
        client = KfpClient(
            endpoint(self.here.address), bounds=FAST, sleep=lambda _: None
        )
        self._stack.callback(client.close)
        clock = Clock(self.wait, self.monotonic)
        launcher = KfpLauncher(client, self._plans, self._holds, clock=clock)
        return launcher.schedules()

    def monotonic(self) -> float:
        """The time by which whoever waits measures."""
        return self._time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let runs go on while time passes."""
        self._time.sleep(seconds)
        engine.step(self.here)

    def request(self, times: Times = NIGHTLY) -> LaunchRequest:
        path = write_package(self._folder, "waits")
        return LaunchRequest(
            str(path), pipeline="tried", parameters={"mark": "x"}, times=times
        )

    def come(self, days: int = 1) -> None:
        for _ in range(days):
            self.here.forward(24 * 3600)
            recurring.tick(self.here)
            for _ in range(3):
                engine.step(self.here)

    def end(self, exit_code: int = 0) -> None:
        for run in self.here.runs.values():
            for name in run.left:
                run.left[name] = 1
            if exit_code:
                text = json.dumps(run.spec).replace("sleep", f"exit {exit_code}; sleep")
                run.spec = json.loads(text)
        for _ in range(2):
            engine.step(self.here)

    def kept(self) -> int:
        return len(self.here.recurring)

    def started(self) -> int:
        return len(self.here.runs)

    def change(self) -> None:
        [one] = self.here.recurring.values()
        one["trigger"] = {"cron_schedule": {"cron": "0 30 * * * *"}}

    def forge(self, what: str) -> None:
        [one] = self.here.recurring.values()
        other: dict[str, object] = {"runtime_config": {"parameters": {"mark": "y"}}}
        if what == "image":
            pipeline = one["pipeline_version_reference"]["pipeline_id"]
            package = package_of_steps("waits", image=OTHER_IMAGE)
            made = self.here.add_version(
                {"pipelineid": pipeline, "name": "other"}, json.dumps(package).encode()
            )
            version = made["pipeline_version_id"]
            reference = {"pipeline_id": pipeline, "pipeline_version_id": version}
            other = {"pipeline_version_reference": reference}
        at = self.now.replace(hour=3, minute=0, second=0)
        recurring.start(self.here, one, at, **other)

    @contextlib.contextmanager
    def breaks(self, fault: str, number: int) -> Iterator[Callable[[], int]]:
        faults = self.here.faults
        original, seen = faults.next, [0]

        def counted(operation: str) -> kfp_faults.Fault | None:
            seen[0] += 1
            is_it = seen[0] == number
            return kfp_faults.Fault(fault) if is_it else original(operation)

        faults.next = counted  # type: ignore[method-assign]
        try:
            yield lambda: seen[0]
        finally:
            faults.next = original  # type: ignore[method-assign]

    def close(self) -> None:
        assert self.here.crashes == []
        self._stack.close()


CASES: Mapping[str, Callable[[Path], ScheduleCase]] = {
    "cron-job": partial(ClusterCase, form="cron-job"),
    "cron-workflow": partial(ClusterCase, form="cron-workflow"),
    "kfp": KfpScheduleCase,
}
