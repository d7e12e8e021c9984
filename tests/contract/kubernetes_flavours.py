"""The small pipelines of the contract of launchers as jobs of the operators."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from connectors.kubernetes.client import Json
from tests.contract.kubernetes_definitions import definition
from tests.contract.kubernetes_launching import IMAGE, JOB, Flavour, container, pod_of

RUNTIMES = "/apis/trainer.kubeflow.org/v1alpha1/clustertrainingruntimes"
ANCESTOR = "trainer.kubeflow.org/trainjob-ancestor-step"


@dataclass(frozen=True)
class Operated:
    """A kind of the training operator, and what it wants to find."""

    kind: str
    field: str
    leader: str
    container: str


PYTORCH = Operated("PyTorchJob", "pytorchReplicaSpecs", "Master", "pytorch")
TENSORFLOW = Operated("TFJob", "tfReplicaSpecs", "Chief", "tensorflow")
MPI = Operated("MPIJob", "mpiReplicaSpecs", "Launcher", "mpi")


def operated(kind: Operated, *does: str, workers: int = 0) -> Json:
    """A job of the training operator; its workers have nothing to do."""
    sets: Json = {
        kind.leader: {
            "replicas": 1,
            "restartPolicy": "Never",
            "template": {"spec": pod_of(*does, last=kind.container)},
        }
    }
    if workers:
        idle = {"name": kind.container, "image": IMAGE, "command": ["echo", "ready"]}
        sets["Worker"] = {
            "replicas": workers,
            "restartPolicy": "Never",
            "template": {"spec": {"containers": [idle]}},
        }
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": kind.kind,
        "metadata": {"name": "contract"},
        "spec": {kind.field: sets},
    }


def _names_of_operated(kind: Operated, *does: str) -> list[str]:
    leader = kind.leader.lower()
    if len(does) == 1:
        return [leader]
    return [f"{leader}/{name}" for name in (*does[:-1], kind.container)]


def _replicas_of_operated(kind: Operated, *does: str) -> list[str]:
    leader = kind.leader.lower()
    names = _names_of_operated(kind, *does)
    # There is one launcher, and it has no number.
    replica = leader if kind is MPI else f"{leader}-0"
    return [name.replace(leader, replica, 1) for name in names]


def _of_operator(kind: Operated) -> Flavour:
    plural = f"{kind.kind.lower()}s"
    return Flavour(
        partial(operated, kind),
        partial(_names_of_operated, kind),
        partial(_replicas_of_operated, kind),
        lambda: [definition("kubeflow.org", "v1", kind.kind, f"v1-{plural}")],
    )


def runtime(*does: str, image: str = IMAGE) -> Json:
    """A runtime whose steps follow on one another, each as the trainer."""
    jobs: list[Json] = []
    for name in does:
        pod = {"template": {"spec": pod_of(name, last="node", image=image)}}
        inner = {"spec": {"backoffLimit": 0} | pod}
        labels = {ANCESTOR: "trainer"}
        job: Json = {"name": name, "template": inner | {"metadata": {"labels": labels}}}
        if jobs:
            job["dependsOn"] = [{"name": jobs[-1]["name"], "status": "Complete"}]
        jobs.append(job)
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": f"contract-{'-'.join(does)}"},
        "spec": {
            "mlPolicy": {"numNodes": 1},
            "template": {"spec": {"replicatedJobs": jobs}},
        },
    }


def trained(*does: str) -> Json:
    """A TrainJob on that runtime."""
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "contract"},
        "spec": {
            "runtimeRef": {"name": f"contract-{'-'.join(does)}"},
            "trainer": {"env": [{"name": "mark", "value": "/dev/null"}]},
        },
    }


def of_trainer() -> list[Json]:
    """What Kubeflow Trainer and JobSet define."""
    group, version = "trainer.kubeflow.org", "v1alpha1"
    return [
        definition(group, version, "TrainJob", "trainjobs"),
        definition(group, version, "TrainingRuntime", "trainingruntimes"),
        definition(group, version, "ClusterTrainingRuntime", "clustertrainingruntimes"),
        definition("jobset.x-k8s.io", "v1alpha2", "JobSet"),
    ]


def workflow(*does: str) -> Json:
    """A Workflow whose steps follow on one another."""
    mark = {"name": "mark", "value": "{{workflow.parameters.mark}}"}
    templates: list[Json] = [
        {"name": name, "container": {**container(name), "env": [mark]}} for name in does
    ]
    steps = [[{"name": name, "template": name}] for name in does]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "contract"},
        "spec": {
            "entrypoint": "whole",
            "arguments": {"parameters": [{"name": "mark", "value": "/dev/null"}]},
            "templates": [{"name": "whole", "steps": steps}, *templates],
        },
    }


def of_argo() -> list[Json]:
    """What Argo Workflows defines; its usual definition leaves everything open."""
    return [definition("argoproj.io", "v1alpha1", "Workflow")]


TRAINED = Flavour(
    trained,
    log_steps=lambda *does: [f"{name}-0" for name in does],
    definitions=of_trainer,
    surroundings=lambda *does: [(RUNTIMES, runtime(*does))],
)
FLAVOURS = {
    "kubernetes": JOB,
    "kubernetes-mpijob": _of_operator(MPI),
    "kubernetes-pytorchjob": _of_operator(PYTORCH),
    "kubernetes-tfjob": _of_operator(TENSORFLOW),
    "kubernetes-trainjob": TRAINED,
    "kubernetes-workflow": Flavour(workflow, definitions=of_argo),
}
