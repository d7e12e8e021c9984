"""Every way in which a kubeconfig logs in, and every way in which it must not."""

from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import certifi
import pytest

from connectors.errors import ConnectorRefused
from connectors.kubernetes.access import (
    Access,
    from_kubeconfig,
    from_surroundings,
    in_cluster,
)

TOKEN = "secret-token-of-ana"


def kubeconfig(
    folder: Path,
    user: dict[str, object],
    *,
    server: str = "https://cluster.example:6443",
    **cluster: object,
) -> str:
    path = folder / "kubeconfig"
    found = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server} | cluster}],
        "users": [{"name": "u", "user": user}, {"name": "other", "user": {}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "ml"}},
            {"name": "y", "context": {"cluster": "c", "user": "other"}},
        ],
        "current-context": "x",
    }
    path.write_text(json.dumps(found))
    return str(path)


def header(access: Access) -> str:
    secret = access.authorisation()
    return "" if secret is None else secret.reveal()


def test_a_token_and_the_namespace_of_the_context_are_used(tmp_path: Path) -> None:
    access = from_kubeconfig(kubeconfig(tmp_path, {"token": TOKEN}))()
    assert header(access) == f"Bearer {TOKEN}"
    assert (access.server, access.namespace) == ("https://cluster.example:6443", "ml")
    assert access.tls is not None
    assert TOKEN not in repr(access)


def test_another_context_is_another_user(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": TOKEN})
    access = from_kubeconfig(path, context="y")()
    assert header(access) == ""
    assert access.namespace == "default"


def test_the_variable_that_kubectl_reads_is_read(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": TOKEN})
    assert header(from_kubeconfig(environment={"KUBECONFIG": path})()) != ""


def test_a_token_in_a_file_is_used(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    user: dict[str, object] = {"tokenFile": str(tmp_path / "token")}
    access = from_kubeconfig(kubeconfig(tmp_path, user))()
    assert header(access) == f"Bearer {TOKEN}"


def plugin(folder: Path, body: str) -> dict[str, object]:
    script = folder / "login.py"
    script.write_text(f"#!{sys.executable}\n{body}\n")
    script.chmod(stat.S_IRWXU)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": str(script)}}


def credential(token: str) -> str:
    found = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    return json.dumps(found)


def test_a_plug_in_logs_in(tmp_path: Path) -> None:
    user = plugin(tmp_path, f"print({credential(TOKEN)!r})")
    access = from_kubeconfig(kubeconfig(tmp_path, user))()
    assert header(access) == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "body",
    [
        f"import sys; print('{TOKEN}', file=sys.stderr); sys.exit(1)",
        f"print('{TOKEN} is no JSON')",
        "print('{}')",
    ],
)
def test_a_plug_in_that_fails_is_refused_in_silence_and_without_what_it_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], body: str
) -> None:
    path = kubeconfig(tmp_path, plugin(tmp_path, body))
    with pytest.raises(ConnectorRefused) as raised:
        from_kubeconfig(path)()
    assert "gave no credentials" in str(raised.value)
    assert "kubectl" in raised.value.hint
    assert TOKEN not in "".join(traceback.format_exception(raised.value))
    assert capfd.readouterr() == ("", "")


def test_a_plug_in_that_fails_does_not_set_logging_up_for_everybody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    path = kubeconfig(tmp_path, plugin(tmp_path, "raise SystemExit(1)"))
    with pytest.raises(ConnectorRefused):
        from_kubeconfig(path)()
    assert logging.getLogger().handlers == []
    assert logging.getLogger().filters == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"users:\n- token: {TOKEN}\n  {{", "cannot be used"),
        ("", "cannot be used"),
        ("[]", "cannot be used"),
        ("apiVersion: v1\nkind: Config\n", "cannot be used"),
    ],
)
def test_a_kubeconfig_that_is_none_is_refused_without_being_quoted(
    tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConnectorRefused, match=why) as raised:
        from_kubeconfig(str(path))()
    shown = traceback.TracebackException.from_exception(
        raised.value, capture_locals=True
    )
    ours = [one for one in shown.stack if "/tests/" not in one.filename]
    assert all(TOKEN not in str(one.locals) for one in ours)
    assert raised.value.__context__ is None


def test_a_kubeconfig_that_is_not_there_or_lacks_the_context_is_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConnectorRefused):
        from_kubeconfig(str(tmp_path / "nothing"))()
    path = kubeconfig(tmp_path, {"token": TOKEN})
    with pytest.raises(ConnectorRefused):
        from_kubeconfig(path, context="z")()


@pytest.mark.parametrize(
    ("server", "cluster", "why"),
    [
        ("http://cluster.example", {}, "without encryption"),
        (
            "https://cluster.example",
            {"insecure-skip-tls-verify": True},
            "would not be checked",
        ),
        ("https://ana:pw@cluster.example", {}, "must not hold a password"),
        ("ftp://cluster.example", {}, "is no address"),
    ],
)
def test_a_cluster_that_could_be_anybody_is_refused(
    tmp_path: Path, server: str, cluster: dict[str, object], why: str
) -> None:
    path = kubeconfig(tmp_path, {"token": TOKEN}, server=server, **cluster)
    with pytest.raises(ConnectorRefused, match=why):
        from_kubeconfig(path)()


def test_a_certificate_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no certificate")
    path = kubeconfig(
        tmp_path, {"token": TOKEN}, **{"certificate-authority": str(tmp_path / "ca")}
    )
    with pytest.raises(ConnectorRefused, match="certificate"):
        from_kubeconfig(path)()


def test_a_proxy_is_used_but_for_what_is_reached_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    path = kubeconfig(tmp_path, {"token": TOKEN})
    assert from_kubeconfig(path)().proxy == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", "cluster.example")
    assert from_kubeconfig(path)().proxy == ""
    monkeypatch.delenv("NO_PROXY")
    path = kubeconfig(tmp_path, {}, **{"proxy-url": "http://other.example:3128"})
    assert from_kubeconfig(path)().proxy == "http://other.example:3128"


def test_outside_a_pod_there_is_no_service_account(tmp_path: Path) -> None:
    with pytest.raises(ConnectorRefused, match="this pod cannot be used"):
        in_cluster(tmp_path / "namespace")()


def test_in_a_pod_its_service_account_is_used_unless_a_kubeconfig_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import incluster_config

    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "namespace").write_text("training\n")
    settings = {
        "SERVICE_TOKEN_FILENAME": str(tmp_path / "token"),
        "SERVICE_CERT_FILENAME": certifi.where(),
    }
    for name, value in settings.items():
        monkeypatch.setattr(incluster_config, name, value)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    access = in_cluster(tmp_path / "namespace")()
    assert (access.server, access.namespace) == ("https://10.0.0.1:443", "training")
    assert header(access) == f"bearer {TOKEN}"
    assert header(from_surroundings()()) == f"bearer {TOKEN}"
    named = kubeconfig(tmp_path, {"token": "named"})
    assert header(from_surroundings(named)()) == "Bearer named"


def test_asking_for_access_reads_nothing_and_imports_nothing_yet() -> None:
    assert callable(from_kubeconfig("/nowhere"))
    assert callable(in_cluster(Path("/nowhere")))


def test_the_official_client_is_imported_only_when_a_cluster_is_asked_for() -> None:
    names = ("access", "client", "kinds", "pods", "states", "watcher", "work")
    imports = "; ".join(f"import connectors.kubernetes.{name}" for name in names)
    heavy = "{'kubernetes', 'urllib3', 'yaml'}"
    code = f"import sys; {imports}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
