"""Where something could be launched from here, and why not where it could not."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.errors import ConnectorError
from connectors.kubernetes.access import known_contexts
from console.services.opened import OpenStore
from console.services.pipelines.launchers import KFP, KUBERNETES, LOCAL


@dataclass(frozen=True, slots=True)
class LaunchPlace:
    """One kind of place, or one place of a kind, that a person may choose."""

    backend: str
    context: str
    label: str
    why_not: str = ""
    """Why nothing is launched there; empty: it may be tried."""

    @property
    def is_far(self) -> bool:
        """Whether it is not this machine, so that it has namespaces."""
        return self.backend != LOCAL


def launch_places(store: OpenStore) -> list[LaunchPlace]:
    """Every place that is configured here, and the kinds of which none is. Asks no
    server: whether one answers, planning says."""
    found = [LaunchPlace(LOCAL, "", "this machine")]
    try:
        contexts = known_contexts()
    except ConnectorError as problem:
        found.append(LaunchPlace(KUBERNETES, "", "Kubernetes", str(problem)))
    else:
        found += [
            LaunchPlace(KUBERNETES, name, f"Kubernetes: {name}") for name in contexts
        ] or [LaunchPlace(KUBERNETES, "", "Kubernetes: the cluster this runs in")]
    known = sorted(store.configuration.kubeflow)
    found += [LaunchPlace(KFP, name, f"Kubeflow Pipelines: {name}") for name in known]
    if not known:
        said = "no [kubeflow.NAME] is configured"
        found.append(LaunchPlace(KFP, "", "Kubeflow Pipelines", said))
    return found
