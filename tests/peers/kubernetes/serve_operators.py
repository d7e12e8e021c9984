"""The operators that build_operators.sh has built, on the cluster that serve.sh runs,
until interrupted.

There is no network of pods: an operator runs beside the API server, which asks it by
its address on this machine what a service would lead to. The namespace `training` has a
node that runs the commands of pods here; the images must be of registry.example.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.contract.database_servers import make_certificate  # noqa: E402
from tests.contract.kubernetes_kubelet import Kubelet  # noqa: E402
from tests.contract.kubernetes_places import APPLY, KubernetesPlace  # noqa: E402

PEERS = ROOT / ".peers" / "kubernetes"
CERTIFICATES = Path(tempfile.gettempdir()) / "k8s-webhook-server" / "serving-certs"
"""Where all of them look, and one of them only there."""
JOB_SET = """
apiVersion: config.jobset.x-k8s.io/v1alpha1
kind: Configuration
webhook: {{port: {port}}}
health: {{healthProbeBindAddress: "0"}}
metrics: {{bindAddress: "0"}}
leaderElection: {{leaderElect: false}}
internalCertManagement: {{enable: false}}
"""
TRAINER = """
apiVersion: config.trainer.kubeflow.org/v1alpha1
kind: Configuration
webhook: {{port: {port}, host: "127.0.0.1"}}
health: {{healthProbeBindAddress: "0"}}
metrics: {{bindAddress: "0", secureServing: false}}
leaderElection: {{leaderElect: false}}
certManagement: {{enable: false}}
"""
NAMESPACE, TRAINING = "operators", "training"
PATIENCE_SECONDS = 60


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command_of(name: str, port: int, run: Path) -> list[str]:
    """How an operator is started, with a port for its webhooks."""
    config = run / f"{name}.yaml"
    if name == "training-operator":
        return [
            f"--webhook-server-port={port}",
            "--metrics-bind-address=0",
            "--health-probe-bind-address=0",
        ]
    if name == "workflow-controller":
        image = "quay.io/argoproj/argoexec:v3.7.4"
        return [
            f"--executor-image={image}",
            "--configmap=workflow-controller",
            f"--namespace={NAMESPACE}",
        ]
    config.write_text({"jobset": JOB_SET, "trainer": TRAINER}[name].format(port=port))
    return [f"--config={config}"]


def documents(path: Path) -> Iterator[Any]:
    """The objects of a file."""
    yield from (one for one in yaml.safe_load_all(path.read_text()) if one)


def apply(place: KubernetesPlace, root: str, found: Any) -> None:
    """Make something as it is to be, whatever was there."""
    path = f"{root}/{found['metadata']['name']}"
    made = place.ask("PATCH", path, found, APPLY, fieldManager="tests", force="true")
    assert made.status in (200, 201), made.body


def hook(place: KubernetesPlace, name: str, path: Path, port: int) -> None:
    """Have the API server ask an operator on this machine."""
    authority = b64encode((CERTIFICATES / "tls.crt").read_bytes()).decode()
    for found in documents(path):
        found["metadata"]["name"] = f"{name}-{found['kind'].lower()}"
        for one in found["webhooks"]:
            asked = one["clientConfig"]["service"]["path"]
            url = f"https://127.0.0.1:{port}{asked}"
            one["clientConfig"] = {"url": url, "caBundle": authority}
            if asked.endswith("--v1-pod"):
                label = "jobset.sigs.k8s.io/jobset-name"
                only = [{"key": label, "operator": "Exists"}]
                one["objectSelector"] = {"matchExpressions": only}
        plural = f"{found['kind'].lower()}s"
        apply(place, f"/apis/admissionregistration.k8s.io/v1/{plural}", found)


def prepare(place: KubernetesPlace) -> None:
    """Certificates, and what operators expect to find."""
    CERTIFICATES.mkdir(parents=True, exist_ok=True)
    certificate, key = make_certificate(CERTIFICATES, "operators")
    for made, name in ((certificate, "tls.crt"), (key, "tls.key")):
        made.replace(CERTIFICATES / name)
    for name in (NAMESPACE, TRAINING):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        apply(place, "/api/v1/namespaces", body)
    core = f"/api/v1/namespaces/{NAMESPACE}"
    for kind, name in (
        ("ConfigMap", "workflow-controller"),
        ("Secret", "training-operator-webhook-cert"),
    ):
        body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
        apply(place, f"{core}/{kind.lower()}s", body)


def serve(run: Path) -> None:
    """Start every operator that there is, and wait."""
    kubeconfig = run / "kubeconfig"
    place = KubernetesPlace(kubeconfig, NAMESPACE)
    prepare(place)
    with contextlib.ExitStack() as stack:
        started = []
        for binary in sorted((PEERS / "operators").glob("*/*")):
            name = binary.parent.name
            if binary.name != name:
                continue
            for path in sorted(binary.parent.glob("crds/*.yaml")):
                root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
                for found in documents(path):
                    apply(place, root, found)
            port = free_port()
            log = stack.enter_context((run / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [str(binary), *command_of(name, port, run)],
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "KUBECONFIG": str(kubeconfig),
                    "MY_POD_NAMESPACE": NAMESPACE,
                    "ARGO_NAMESPACE": NAMESPACE,
                    "LEADER_ELECTION_DISABLE": "true",
                },
            )
            stack.callback(process.kill)
            started.append(process)
            hooks = binary.parent / "webhooks.yaml"
            if hooks.exists():
                _wait_for(port, process, name)
                hook(place, name, hooks, port)
            print(f"{name} runs", flush=True)  # noqa: T201 - it is for a person
        node = Kubelet(KubernetesPlace(kubeconfig, TRAINING), run)
        stack.callback(node.close)
        print(f"export KUBECONFIG={kubeconfig}", flush=True)  # noqa: T201 - as above
        while all(process.poll() is None for process in started):
            time.sleep(1)
        raise SystemExit("an operator has ended: look at .peers/kubernetes/run/*.log")


def _wait_for(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return
        time.sleep(0.2)
    raise SystemExit(
        f"{name} does not answer: look at .peers/kubernetes/run/{name}.log"
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(PEERS / "run")
