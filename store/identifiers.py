"""Keys of the things the store links: one string each, unambiguous for any native id.

A key is `kind:part/part...` with every part percent-encoded, so a hostile name can
neither collide with another thing nor leave its place. Keys are for machines; people
meet references (store.references) and names.
"""

from __future__ import annotations

from typing import NewType
from urllib.parse import quote, unquote

EntityKey = NewType("EntityKey", str)
"""`run:mlflow/3f9c…`, `model-version:mlflow/fraud/7`, `commit:9fceb02…`."""


def entity_key(kind: str, *parts: str) -> EntityKey:
    """Join a kind and its identifying parts into one key."""
    return EntityKey(
        kind
        + ":"
        + "/".join(quote(part, safe="", errors="surrogatepass") for part in parts)
    )


def split_key(key: str) -> tuple[str, tuple[str, ...]]:
    """Return the kind and the decoded parts of a key."""
    kind, _, rest = key.partition(":")
    return kind, tuple(unquote(part, errors="replace") for part in rest.split("/"))


def kind_of(key: str) -> str:
    """Return the kind a key names, such as `run` or `model-version`."""
    return key.partition(":")[0]


def experiment_key(source: str, native_id: str) -> EntityKey:
    """Key of an experiment in a source."""
    return entity_key("experiment", source, native_id)


def run_key(source: str, native_id: str) -> EntityKey:
    """Key of a run; a UUID is the same run with and without its hyphens."""
    compact = native_id.replace("-", "").lower()
    is_uuid = len(compact) == 32 and all(c in "0123456789abcdef" for c in compact)
    return entity_key("run", source, compact if is_uuid else native_id)


def model_key(source: str, name: str) -> EntityKey:
    """Key of a registered model."""
    return entity_key("model", source, name)


def model_version_key(source: str, name: str, version: str) -> EntityKey:
    """Key of one version of a registered model."""
    return entity_key("model-version", source, name, version)


def launched_pipeline_key(name: str) -> EntityKey:
    """Key of a pipeline that is launched; no model has such a key."""
    return entity_key("pipeline", name)


def job_key(source: str, namespace: str, name: str) -> EntityKey:
    """Key of an orchestrated job (OpenLineage job, pipeline step)."""
    return entity_key("job", source, namespace, name)


def dataset_key(name: str) -> EntityKey:
    """Key of a named dataset; one name is one dataset across sources."""
    return entity_key("dataset", name)


def dataset_version_key(name: str, digest: str) -> EntityKey:
    """Key of one immutable snapshot: `digest` is `algorithm:value`."""
    return entity_key("dataset-version", name, digest)


def commit_key(sha: str) -> EntityKey:
    """Key of a git commit: the same object in every clone."""
    return entity_key("commit", sha.lower())


def repository_key(address: str) -> EntityKey:
    """Key of a git repository by its address or, failing that, its name."""
    return entity_key("repository", address)
