"""The endpoint of Kubeflow Pipelines that somebody names, as it is configured."""

from __future__ import annotations

import os
from collections.abc import Mapping

from connectors.errors import ConnectorRefused
from connectors.kubeflow.access import Credentials, Endpoint, endpoint
from connectors.mlflow.client import Secret
from console.services.configuration import Configuration, KubeflowSetting
from console.services.problems import Misuse
from console.services.secret_references import read_reference

_HINT = '[kubeflow.NAME] with address = "https://..." in countersign.toml'
_REFERENCE_HINT = 'token = "env:NAME" or "file:PATH"'


def endpoint_of(
    configuration: Configuration, name: str, namespace: str
) -> tuple[str, KubeflowSetting, Endpoint]:
    """The configured endpoint of a name, or the only one; seen from a namespace, or
    from its own.

    Raises:
        ConnectorRefused: there is none of that name, or it may not be spoken to.
    """
    known = configuration.kubeflow
    if not name and len(known) == 1:
        (name,) = known
    if name not in known:
        told = f"no Kubeflow Pipelines {name[:80]!r} is configured here"
        if not name:
            told = (
                "more than one Kubeflow Pipelines is configured here"
                if known
                else "no Kubeflow Pipelines is configured here"
            )
        named = " or ".join(sorted(known))
        raise ConnectorRefused(told, hint=f"--context {named}" if known else _HINT)
    setting = known[name]
    found = endpoint(
        setting.address,
        namespace=namespace or setting.namespace,
        credentials=_credentials(name, setting),
        authority=setting.authority,
    )
    return name, setting, found


def _credentials(
    name: str, setting: KubeflowSetting, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """Reads what says who asks anew each time, so that what was renewed is used."""

    def read() -> dict[str, Secret]:
        found = {
            header: _secret(name, header, reference, environment)
            for header, reference in setting.headers.items()
        }
        if setting.token:
            token = _secret(name, "token", setting.token, environment)
            found["Authorization"] = Secret(f"Bearer {token.reveal()}")
        return found

    return read


def _secret(
    name: str, what: str, reference: str, environment: Mapping[str, str]
) -> Secret:
    try:
        told = read_reference(reference, what, _REFERENCE_HINT, environment)
    except Misuse as problem:
        raise ConnectorRefused(str(problem), hint=_REFERENCE_HINT) from None
    if not told:
        raise ConnectorRefused(f"the {what} of {name} in {reference} is missing")
    return Secret(told.decode("utf-8", "replace"))
