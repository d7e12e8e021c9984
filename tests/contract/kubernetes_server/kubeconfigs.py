"""Kubeconfigs that lead to the server of the tests."""

from __future__ import annotations

import json
from pathlib import Path


def write_kubeconfig(
    path: Path, address: str, token: str = "", namespace: str = "default"
) -> Path:
    """A kubeconfig that leads to the server."""
    user = {"token": token} if token else {}
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": {"server": address}}],
                "users": [{"name": "test", "user": user}],
                "contexts": [
                    {
                        "name": "test",
                        "context": {
                            "cluster": "test",
                            "user": "test",
                            "namespace": namespace,
                        },
                    }
                ],
                "current-context": "test",
            }
        )
    )
    return path
