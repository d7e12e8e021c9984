"""Objects in S3 buckets, listed and read; nothing is ever written.

Endpoint, region and credentials are those that a store in a bucket uses (store.s3). An
ETag is no evidence of anything, and is not looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from connectors.data_files import FileMissing, Retention
from connectors.errors import ConnectorRefused, ConnectorUnavailable
from store.errors import StoreError, StoreUnavailable
from store.s3 import S3Backend
from store.s3_place import place_of
from store.s3_problems import told_as_ours

PIECE_BYTES = 1024**2
_ABSENT = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True)
class S3Object:
    """One version of an object, as the service hands it out."""

    pieces: Iterator[bytes]
    size: int
    version: str
    """Its version id; empty where the bucket keeps none."""
    retention: Retention | None
    has_legal_hold: bool


class S3Objects:
    """The objects of one bucket whose keys begin with a prefix and `/`."""

    def __init__(self, address: str, *, beside: S3Objects | None = None) -> None:
        """`beside` are others of the same service, whose connections are used too."""
        with _as_ours():
            self.place = place_of(_plain(address))
        self._beside = beside

    @cached_property
    def _client(self) -> Any:
        if self._beside is not None:
            return self._beside._client
        with _as_ours(), told_as_ours(self.place):
            return S3Backend(self.place).client

    def listed(self, folder: str, *, is_deep: bool) -> Iterator[tuple[str, bool]]:
        """Names below a folder, and whether each is itself a folder.

        Raises:
            ConnectorError: the bucket cannot be listed.
        """
        prefix = self.place.key(folder)
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        options = {} if is_deep else {"Delimiter": "/"}
        with _as_ours(), told_as_ours(self.place):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.place.bucket, Prefix=prefix, **options
            )
            for page in pages:
                for item in page.get("CommonPrefixes", ()):
                    yield str(item["Prefix"])[len(prefix) : -1], True
                for item in page.get("Contents", ()):
                    yield str(item["Key"])[len(prefix) :], False

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[S3Object]:
        """Ask for one object; its bytes come as they are asked for.

        Raises:
            FileMissing: there is none of that name.
            ConnectorError: it cannot be read to its end.
        """
        from botocore.exceptions import ClientError

        with _as_ours(), told_as_ours(self.place):
            try:
                answer = self._client.get_object(
                    Bucket=self.place.bucket, Key=self.place.key(path)
                )
            except ClientError as cause:
                if cause.response.get("Error", {}).get("Code") in _ABSENT:
                    raise FileMissing(f"{path!r:.200} is not there") from cause
                raise
        with contextlib.closing(answer["Body"]):
            yield S3Object(
                self._pieces(path, answer["Body"]),
                int(answer["ContentLength"]),
                _version(answer),
                _retention(answer),
                answer.get("ObjectLockLegalHoldStatus") == "ON",
            )

    def _pieces(self, path: str, body: Any) -> Iterator[bytes]:
        from botocore.exceptions import IncompleteReadError
        from urllib3.exceptions import HTTPError

        try:
            with _as_ours(), told_as_ours(self.place):
                yield from body.iter_chunks(PIECE_BYTES)
        except (IncompleteReadError, HTTPError) as cause:
            raise ConnectorUnavailable(
                f"{path!r:.200} in {self.place.address} broke off", hint="Try again."
            ) from cause


def _plain(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"s3://{rest}" if scheme in ("s3", "s3a", "s3n") else address


@contextlib.contextmanager
def _as_ours() -> Iterator[None]:
    """Let errors of the store's S3 client out as errors of connectors."""
    try:
        yield
    except StoreUnavailable as problem:
        raise ConnectorUnavailable(str(problem), hint=problem.hint) from problem
    except StoreError as problem:
        raise ConnectorRefused(str(problem), hint=problem.hint) from problem


def _version(answer: dict[str, Any]) -> str:
    version = str(answer.get("VersionId") or "")
    return "" if version == "null" else version


def _retention(answer: dict[str, Any]) -> Retention | None:
    mode = answer.get("ObjectLockMode")
    until = answer.get("ObjectLockRetainUntilDate")
    if not mode or not isinstance(until, datetime):
        return None
    return Retention(str(mode), until)
