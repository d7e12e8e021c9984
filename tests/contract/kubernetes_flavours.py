"""The small pipelines of the contract of launchers as jobs of the operators."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from connectors.kubernetes.client import Json
from tests.contract.kubernetes_definitions import definition
from tests.contract.kubernetes_launching import IMAGE, JOB, Flavour, pod_of


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
    return [name.replace(leader, f"{leader}-0", 1) for name in names]


def _of_operator(kind: Operated) -> Flavour:
    plural = f"{kind.kind.lower()}s"
    return Flavour(
        partial(operated, kind),
        partial(_names_of_operated, kind),
        partial(_replicas_of_operated, kind),
        lambda: [definition("kubeflow.org", "v1", kind.kind, f"v1-{plural}")],
    )


FLAVOURS = {
    "kubernetes": JOB,
    "kubernetes-mpijob": _of_operator(MPI),
    "kubernetes-pytorchjob": _of_operator(PYTORCH),
    "kubernetes-tfjob": _of_operator(TENSORFLOW),
}
