"""From a store's address to the place that holds it."""

from __future__ import annotations

import secrets
from pathlib import Path

from store.backend import Backend, CanRemove
from store.errors import NotAStore, StoreError, StoreRefused
from store.folder import ENTRIES, FolderBackend

S3_SCHEME = "s3://"


def is_remote(address: str) -> bool:
    """Whether a machine keeps a copy of what it read there."""
    return address.startswith(S3_SCHEME)


def whole_address(address: str) -> str:
    """The same for every way of writing a store's address, wherever one stands."""
    return address if is_remote(address) else str(_folder(address).absolute())


def open_backend(address: str) -> Backend:
    """Return the place that an address names, where a store should be.

    A bucket is not asked yet: its first entry tells whether there is one.

    Raises:
        NotAStore: nothing is there, or the address is of an unknown kind.
    """
    if is_remote(address):
        return _bucket(address)
    folder = _folder(address)
    if not (folder / ENTRIES).is_dir():
        raise NotAStore(
            f"there is no store at {address}",
            hint=f"Create one: countersign init --store {address}",
        )
    return FolderBackend(folder)


def create_backend(address: str) -> Backend:
    """Return an empty place for a new store that keeps the first of two writes.

    Raises:
        StoreRefused: something is there already, or the place lets writes be replaced.
        StoreUnavailable: it cannot be written.
        NotAStore: the address is of an unknown kind.
    """
    from store.backend import entry_path

    backend: Backend
    if is_remote(address):
        backend = _bucket(address)
        if backend.read(entry_path(0), at_most=1 << 20) is not None:
            raise _occupied(address)
        probe(backend)
        return backend
    folder = _folder(address)
    if (folder / ENTRIES).exists():
        raise _occupied(address)
    backend = FolderBackend(folder)
    backend.prepare()
    (folder / ENTRIES).mkdir()
    try:
        probe(backend)
    except StoreError:
        (folder / ENTRIES).rmdir()
        raise
    return backend


def probe(backend: Backend) -> None:
    """Prove that a place honours put-if-absent.

    Raises:
        StoreRefused: it does not keep the first of two writes.
        StoreUnavailable: it did not answer.
    """
    path = f"tmp/probe-{secrets.token_hex(8)}"
    first = backend.put_if_absent(path, b"first")
    second = backend.put_if_absent(path, b"second")
    kept = backend.read(path, at_most=16)
    if isinstance(backend, CanRemove):
        try:
            backend.remove(path)
        except StoreError as problem:
            if not first:
                raise problem
    if not first or second or kept != b"first":
        raise StoreRefused(
            f"{backend.address} does not keep the first of two writes",
            hint="Use a file system with hard links, or an S3 service that honours "
            "If-None-Match.",
        )


def _occupied(address: str) -> StoreRefused:
    return StoreRefused(
        f"{address} holds a store already", hint="Choose another place."
    )


def _folder(address: str) -> Path:
    if "://" in address:
        raise NotAStore(
            f"{address}: a store is a folder or s3://BUCKET/PREFIX",
            hint="Give --store FOLDER or --store s3://BUCKET/PREFIX.",
        )
    return Path(address).expanduser()


def _bucket(address: str) -> Backend:
    from store.s3 import S3Backend
    from store.s3_place import place_of

    return S3Backend(place_of(address))
