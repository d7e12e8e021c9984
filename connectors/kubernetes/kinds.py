"""The kinds of work that are known: where they lie, how held, how pods are found."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.errors import ConnectorRefused
from connectors.kubernetes.client import Json, KubernetesClient, segment
from connectors.kubernetes.problems import ObjectMissing
from connectors.parsing import text_of, well_formed


@dataclass(frozen=True, slots=True)
class WorkKind:
    """One kind of job, in any of its versions."""

    group: str
    kind: str
    plural: str
    versions: tuple[str, ...]
    """Those whose fields are known here, the newest first."""
    suspend: tuple[str, ...]
    """Where it is said that it is held."""
    pod_label: str
    """The label that its pods carry."""
    is_labelled_by_uid: bool = False
    step_labels: tuple[str, ...] = ()
    """Labels of a pod that make the name of its step."""
    set_label: str = ""
    """The label that names the set of replicas that a pod is of; empty: it has one."""
    policy: tuple[str, ...] = ("spec",)
    """Where its deadline is said, and after how long it is forgotten."""
    forgets: str = "ttlSecondsAfterFinished"
    """The field that makes the cluster forget it once it has ended."""
    own_containers: frozenset[str] = frozenset()
    """Containers that its controller puts into every pod beside those asked for."""

    def selector(self, name: str, uid: str) -> str:
        """A label selector for its pods."""
        return f"{self.pod_label}={uid if self.is_labelled_by_uid else name}"


JOB = WorkKind(
    "batch",
    "Job",
    "jobs",
    ("v1",),
    ("spec", "suspend"),
    "batch.kubernetes.io/controller-uid",
    is_labelled_by_uid=True,
    step_labels=("batch.kubernetes.io/job-completion-index",),
)
TRAIN_JOB = WorkKind(
    "trainer.kubeflow.org",
    "TrainJob",
    "trainjobs",
    ("v1alpha1",),
    ("spec", "suspend"),
    "jobset.sigs.k8s.io/jobset-name",
    step_labels=(
        "jobset.sigs.k8s.io/replicatedjob-name",
        "batch.kubernetes.io/job-completion-index",
    ),
    set_label="jobset.sigs.k8s.io/replicatedjob-name",
)
WORKFLOW = WorkKind(
    "argoproj.io",
    "Workflow",
    "workflows",
    ("v1alpha1",),
    ("spec", "suspend"),
    "workflows.argoproj.io/workflow",
    forgets="ttlStrategy",
    own_containers=frozenset({"init", "wait"}),
)


def _operated(kind: str) -> WorkKind:
    return WorkKind(
        "kubeflow.org",
        kind,
        f"{kind.lower()}s",
        ("v1",),
        ("spec", "runPolicy", "suspend"),
        "training.kubeflow.org/job-name",
        step_labels=(
            "training.kubeflow.org/replica-type",
            "training.kubeflow.org/replica-index",
        ),
        set_label="training.kubeflow.org/replica-type",
        policy=("spec", "runPolicy"),
    )


KINDS = (
    JOB,
    TRAIN_JOB,
    _operated("PyTorchJob"),
    _operated("TFJob"),
    _operated("MPIJob"),
    _operated("XGBoostJob"),
    _operated("PaddleJob"),
    WORKFLOW,
)


def kind_of(manifest: Json) -> WorkKind:
    """The kind that a manifest is of.

    Raises:
        ConnectorRefused: it is of none that can be held and watched here.
    """
    with well_formed("the manifest"):
        said = text_of(manifest.get("kind"))
        group, _, version = text_of(manifest.get("apiVersion")).rpartition("/")
    for one in KINDS:
        if (one.group, one.kind) == (group, said) and version in one.versions:
            return one
    known = ", ".join(f"{one.kind} ({one.group})" for one in KINDS)
    raise ConnectorRefused(
        f"{said or 'nothing'} of {group or 'no group'} in version {version or '?'} "
        f"cannot be launched on a cluster",
        hint=f"What can be held until it is released: {known}.",
    )


CRON_JOB = WorkKind(
    "batch",
    "CronJob",
    "cronjobs",
    ("v1",),
    ("spec", "suspend"),
    "countersign.dev/of-no-pod",
)
"""Starts jobs, and is none: it has no pods, and is neither watched nor planned."""
CRON_WORKFLOW = WorkKind(
    "argoproj.io",
    "CronWorkflow",
    "cronworkflows",
    ("v1alpha1",),
    ("spec", "suspend"),
    "countersign.dev/of-no-pod",
)
"""Starts Workflows, as a CronJob does jobs."""
STARTED = {CRON_JOB: JOB, CRON_WORKFLOW: WORKFLOW}
"""The kinds that start others again and again, and what each of them starts."""


def keeper_kind(manifest: Json) -> WorkKind | None:
    """The kind of a manifest that starts others again and again; None: it is of none.

    Raises:
        MalformedInput: it does not say.
    """
    with well_formed("the manifest"):
        said = text_of(manifest.get("apiVersion")), text_of(manifest.get("kind"))
    for one in STARTED:
        if said == (f"{one.group}/{one.versions[0]}", one.kind):
            return one
    return None


def sent_kind_of(manifest: Json) -> WorkKind:
    """The kind of what is sent: also of a schedule.

    Raises:
        ConnectorRefused: it is of none that can be held.
    """
    return keeper_kind(manifest) or kind_of(manifest)


@dataclass(frozen=True, slots=True)
class Served:
    """A kind in the version in which a cluster serves it."""

    kind: WorkKind
    version: str

    @property
    def api_version(self) -> str:
        """As manifests say it."""
        return f"{self.kind.group}/{self.version}"

    def path(self, namespace: str, name: str = "") -> str:
        """Where its objects, or one of them, lie."""
        root = f"/apis/{self.kind.group}/{self.version}/namespaces/{segment(namespace)}"
        inner = f"{root}/{self.kind.plural}"
        return f"{inner}/{segment(name)}" if name else inner


def served(client: KubernetesClient, kind: WorkKind) -> Served:
    """The version of a kind to speak to this cluster in.

    Raises:
        ConnectorRefused: the cluster does not serve it in a version known here.
        ConnectorError: it does not answer.
    """
    for version in kind.versions:
        if kind.plural in _resources(client, kind.group, version):
            return Served(kind, version)
    versions = " or ".join(kind.versions)
    command = f"kubectl api-resources --api-group={kind.group}"
    raise ConnectorRefused(
        f"this cluster has no {kind.kind} of {kind.group} in {versions}",
        hint=f"Is its operator installed? `{command}` tells.",
    )


def available(client: KubernetesClient) -> list[Served]:
    """Every kind that this cluster serves, in the newest version known here.

    Raises:
        ConnectorError: it does not answer.
    """
    groups = {(kind.group, version) for kind in KINDS for version in kind.versions}
    known = {pair: _resources(client, *pair) for pair in sorted(groups)}
    found = []
    for kind in KINDS:
        versions = [
            one for one in kind.versions if kind.plural in known[kind.group, one]
        ]
        found += [Served(kind, version) for version in versions[:1]]
    return found


def _resources(client: KubernetesClient, group: str, version: str) -> set[str]:
    """The names of the resources of a version; none where it is not served."""
    try:
        found = client.get(f"/apis/{group}/{version}")
    except ObjectMissing:
        return set()
    with well_formed(f"the resources of {group}/{version}"):
        return {text_of(one["name"]) for one in found.get("resources") or []}
