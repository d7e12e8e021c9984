"""Who we are for a cluster and how it is reached: kubeconfig contexts and pods.

The official client reads both, because it knows every way in which a kubeconfig logs in
(tokens, client certificates, exec plugins). It is imported when a cluster is asked for,
never before: that costs most of a second. It makes no request.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import ConnectorRefused
from connectors.mlflow.client import Secret

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DEFAULT = "~/.kube/config"
_QUIET = threading.Lock()


@dataclass(frozen=True, slots=True)
class Access:
    """One identity at one cluster. Its credentials show in no repr."""

    server: str
    namespace: str
    """Where the context works when nobody says otherwise."""
    tls: ssl.SSLContext | None = field(repr=False)
    proxy: str = field(repr=False)
    authorisation: Callable[[], Secret | None] = field(repr=False)
    """The Authorization header for now; None where a certificate says who it is."""
    server_name: str = ""
    """The name that the server's certificate must have, where it is another."""


OpensAccess = Callable[[], Access]
"""Reads the configuration, anew each time."""


def from_surroundings(
    kubeconfig: str = "", context: str = "", environment: Mapping[str, str] = os.environ
) -> OpensAccess:
    """Access as kubectl would have it here: by kubeconfig, else as the pod it is in."""
    is_named = bool(kubeconfig or context or environment.get("KUBECONFIG"))
    is_in_pod = bool(environment.get("KUBERNETES_SERVICE_HOST"))
    if is_in_pod and not is_named and not Path(_DEFAULT).expanduser().exists():
        return in_cluster()
    return from_kubeconfig(kubeconfig, context, environment)


def from_kubeconfig(
    path: str = "", context: str = "", environment: Mapping[str, str] = os.environ
) -> OpensAccess:
    """Access by a context of a kubeconfig; by default as kubectl has it."""
    named = path or environment.get("KUBECONFIG") or _DEFAULT

    def read() -> Access:
        from kubernetes import config as library

        config: Any = library
        where = str(Path(named).expanduser()) if os.pathsep not in named else named
        found = _configured(
            f"the kubeconfig {named}",
            lambda made: config.load_kube_config(
                config_file=where,
                context=context or None,
                client_configuration=made,
                persist_config=False,
            ),
        )
        contexts, active = config.list_kube_config_contexts(config_file=where)
        chosen = next((one for one in contexts if one["name"] == context), active)
        namespace = chosen["context"].get("namespace") or "default"
        return _access(found, str(namespace))

    return read


def known_contexts(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The contexts of the kubeconfig that kubectl would use, the current one first;
    none in a pod that has no kubeconfig: it is in its cluster.

    Raises:
        ConnectorRefused: there is no kubeconfig, or it cannot be read.
    """
    named = environment.get("KUBECONFIG") or _DEFAULT
    files = [Path(one).expanduser() for one in named.split(os.pathsep) if one]
    if not any(file.exists() for file in files):
        if environment.get("KUBERNETES_SERVICE_HOST"):
            return ()
        raise ConnectorRefused(
            f"there is no kubeconfig {named}",
            hint="KUBECONFIG names one, as for kubectl.",
        )
    from kubernetes import config as library

    config: Any = library
    where = str(files[0]) if os.pathsep not in named else named
    failure = ""
    try:
        with _quietly():
            contexts, active = config.list_kube_config_contexts(config_file=where)
            names = [str(one["name"]) for one in contexts]
            current = str(active["name"])
    except Exception as cause:
        # Whatever the reader raises may quote the file: nothing of it goes further.
        failure = type(cause).__name__
    if failure:
        raise ConnectorRefused(
            f"the kubeconfig {named} cannot be used ({failure})",
            hint="`kubectl config get-contexts` shows what it is.",
        )
    return (current, *(name for name in names if name != current))


def in_cluster(namespace_file: Path = _NAMESPACE_FILE) -> OpensAccess:
    """Access by the service account of the pod that this runs in."""

    def read() -> Access:
        from kubernetes import config as library

        config: Any = library
        found = _configured(
            "this pod",
            lambda made: config.load_incluster_config(client_configuration=made),
        )
        namespace = (
            namespace_file.read_text().strip() if namespace_file.exists() else ""
        )
        return _access(found, namespace or "default")

    return read


def _configured(place: str, load: Callable[[Any], None]) -> Any:
    """The official client's configuration.

    Raises:
        ConnectorRefused: it cannot be read, or leads nowhere.
    """
    from kubernetes import client

    made: Any = client.Configuration()
    failure = ""
    try:
        with _quietly() as complaints:
            load(made)
    except Exception as cause:
        # The reader raises whatever the YAML, the files or a plug-in make it raise, and
        # what it raises may quote the file: nothing of it goes further.
        failure = type(cause).__name__
    if failure:
        raise ConnectorRefused(
            f"{place} cannot be used ({failure})",
            hint="`kubectl config view` and `kubectl get namespaces` show what it is.",
        )
    if complaints.has_heard:
        raise ConnectorRefused(
            f"the plug-in that {place} names for logging in gave no credentials",
            hint="Run `kubectl get namespaces`: it uses the same plug-in and says why.",
        )
    return made


class _Complaints(logging.Filter):
    """Hears what the reader would write to the terminal about a plug-in."""

    has_heard = False

    def filter(self, record: logging.LogRecord) -> bool:
        is_readers = record.name == "root" and "kube_config" in record.pathname
        self.has_heard = self.has_heard or is_readers
        return not is_readers


@contextlib.contextmanager
def _quietly() -> Iterator[_Complaints]:
    """Keep the reader from the terminal, and from setting logging up for everybody."""
    root, complaints, silent = logging.getLogger(), _Complaints(), logging.NullHandler()
    with _QUIET:
        root.addFilter(complaints)
        root.addHandler(silent)
        try:
            yield complaints
        finally:
            root.removeHandler(silent)
            root.removeFilter(complaints)


def _access(made: Any, namespace: str) -> Access:
    server = str(made.host).rstrip("/")
    parts = urlsplit(server)
    if parts.username or parts.password:
        raise ConnectorRefused("the address of a cluster must not hold a password")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConnectorRefused(
            f"{server} would be spoken to without encryption",
            hint="Give the cluster an https address in the kubeconfig.",
        )
    if parts.scheme not in ("http", "https"):
        raise ConnectorRefused(f"{server[:200]!r} is no address of a cluster")
    if not made.verify_ssl:
        raise ConnectorRefused(
            f"the certificate of {server} would not be checked",
            hint="Replace insecure-skip-tls-verify by certificate-authority.",
        )
    return Access(
        server,
        namespace,
        _tls(made) if parts.scheme == "https" else None,
        _proxy(made, server),
        lambda: _authorisation(made),
        str(getattr(made, "tls_server_name", "") or ""),
    )


def _proxy(made: Any, server: str) -> str:
    """The proxy of the kubeconfig or the environment, unless it is to be left out."""
    from kubernetes.client.rest import should_bypass_proxies

    is_left_out = should_bypass_proxies(server, str(made.no_proxy or ""))
    return "" if is_left_out else str(made.proxy or "")


def _tls(made: Any) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=made.ssl_ca_cert or None)
        if made.cert_file:
            context.load_cert_chain(made.cert_file, made.key_file)
    except (OSError, ValueError) as cause:
        raise ConnectorRefused(
            f"a certificate that the kubeconfig names cannot be read "
            f"({type(cause).__name__})",
            hint="Look at certificate-authority, client-certificate and client-key.",
        ) from cause
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Authorities of clusters often lack extensions that newer Pythons insist on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _authorisation(made: Any) -> Secret | None:
    with _quietly():
        found = made.get_api_key_with_prefix("BearerToken")
    return Secret(str(found)) if found else None
