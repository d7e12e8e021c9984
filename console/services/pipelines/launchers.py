"""The launchers of a store, by the kind of place that they launch on."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from connectors.errors import ConnectorRefused
from connectors.kubeflow.client import KfpClient
from connectors.kubernetes.access import from_surroundings
from connectors.kubernetes.client import KubernetesClient
from connectors.pipelines.kfp import KfpLauncher
from connectors.pipelines.kubernetes_jobs import KubernetesLauncher
from connectors.pipelines.local import LocalLauncher
from connectors.pipelines.protocols import CanLaunch
from console.services.opened import OpenStore
from console.services.pipelines.every_place import EveryPlace
from console.services.pipelines.held_in_log import HeldInLog
from console.services.pipelines.kubeflow_endpoints import endpoint_of
from console.services.problems import Misuse
from store.errors import StoreError

LOCAL = "local"
KUBERNETES = "kubernetes"
KFP = "kfp"
BACKENDS = (LOCAL, KUBERNETES, KFP)
FOLDER = "launches"


def open_launcher(
    store: OpenStore, backend: str = LOCAL, *, context: str = "", namespace: str = ""
) -> CanLaunch:
    """The launcher of a kind of place.

    Raises:
        Misuse: there is none of that kind.
    """
    if backend == KUBERNETES:
        return _on_cluster(store, context, namespace)
    if backend == KFP:
        return _on_kfp(store, context, namespace)
    if backend != LOCAL:
        raise Misuse(
            f"nothing is launched on {backend[:40]!r} here",
            hint=f"Known: {', '.join(BACKENDS)}",
        )
    if context or namespace:
        raise Misuse(
            "this machine has no contexts and namespaces",
            hint=f"--backend {KUBERNETES} or {KFP}",
        )
    return LocalLauncher(
        store.folder / FOLDER, on_end=lambda launch: _record(store, launch)
    )


def launcher_of_all(store: OpenStore) -> EveryPlace:
    """Every launch that the log declares, each where its plan says that it is."""
    return EveryPlace(
        store,
        open_launcher(store),
        lambda backend, context, namespace: (
            _on_kfp(store, context, namespace)
            if backend == KFP
            else _on_cluster(store, context, namespace)
        ),
    )


def _on_cluster(store: OpenStore, context: str, namespace: str) -> KubernetesLauncher:
    client = KubernetesClient(
        from_surroundings(context=context), waiting=store.turn.given_way
    )
    return KubernetesLauncher(
        client,
        _PlansOf(store),
        context=context,
        namespace=namespace,
        sleep=store.turn.sleep,
    )


def _on_kfp(store: OpenStore, context: str, namespace: str) -> KfpLauncher:
    name, setting, found = endpoint_of(store.configuration, context, namespace)
    return KfpLauncher(
        KfpClient(found, waiting=store.turn.given_way),
        _PlansOf(store),
        HeldInLog(store),
        context=name,
        service_account=setting.service_account,
        time_zone=setting.time_zone,
    )


@dataclass(frozen=True, slots=True)
class _PlansOf:
    """The plans among the objects of a store."""

    store: OpenStore

    def put(self, data: bytes) -> str:
        """See KeepsPlans."""
        return self.store.objects.put(data)

    def get(self, digest: str) -> bytes:
        """See KeepsPlans."""
        try:
            return self.store.objects.get(digest)
        except (StoreError, ValueError) as cause:
            raise ConnectorRefused(
                f"the store has no plan {digest[:16]!r}: {cause}"
            ) from cause


def _record(store: OpenStore, launch: str) -> list[str]:
    """The command that tells the log of a run once it has ended."""
    configured = store.configuration.path
    return [
        *(sys.executable, "-P", "-m", "console", "--store", store.address),
        *(("--config", str(configured)) if configured else ()),
        *("pipeline", "record", launch),
    ]
