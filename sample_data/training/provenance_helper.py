"""Paste into your training code: records what a registry forgets to ask for."""

import hashlib
import json
import subprocess
from pathlib import Path

import mlflow


def sha256_of(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git(repository, *arguments):
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


def record_provenance(datasets, repository=".", lock_file=None, features=None):
    """Tag the active run. `datasets` maps MLflow dataset names to their files."""
    tags = {
        "countersign.git.commit": git(repository, "rev-parse", "HEAD"),
        "countersign.git.branch": git(repository, "rev-parse", "--abbrev-ref", "HEAD"),
        "countersign.git.dirty": str(
            bool(git(repository, "status", "--porcelain", "--untracked-files=no"))
        ).lower(),
    }
    for name, path in datasets.items():
        tags[f"countersign.dataset.{name}.sha256"] = sha256_of(path)
    if lock_file:
        tags["countersign.lock.sha256"] = sha256_of(lock_file)
    if features:
        tags["countersign.features.version"] = sha256_of(features)
    mlflow.set_tags(tags)


def record_manifest(name, version):
    """Tag a registered version with the SHA-256 of every file it consists of."""
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}"))
    manifest = {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "registered_model_meta"
    }
    mlflow.MlflowClient().set_model_version_tag(
        name, version, "countersign.manifest", json.dumps(manifest, sort_keys=True)
    )
