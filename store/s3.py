"""A store in an S3 bucket: put-if-absent by conditional PUT, no server of ours.

Reading is plain signed REST; boto3 writes and lists, and is imported when it must.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from store.errors import StoreDamaged
from store.errors import StoreUnavailable as Unavailable
from store.s3_place import Place
from store.s3_problems import (
    code_and_status,
    error_code,
    no_credentials,
    problem,
    told_as_ours,
)
from store.s3_rest import Answer, Credentials, SignedReader, quoted

_EXISTS = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}
_ABSENT = {"NoSuchKey", "NoSuchVersion"}
_MOST_CONFLICTS = 8
_CONFLICT_PAUSE_SECONDS = 0.05


class S3Backend:
    """A store in a bucket."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.reader = SignedReader(place.endpoint, place.region, self._credentials)

    @property
    def address(self) -> str:
        """See Backend."""
        return self.place.address

    def read(self, path: str, *, at_most: int) -> bytes | None:
        """See Backend.read."""
        answer = self.fetch(path, at_most=at_most)
        if answer.status == 200:
            if len(answer.body) > at_most:
                raise StoreDamaged(
                    f"{path} in {self.address} is larger than {at_most} bytes",
                    hint="Something other than countersign wrote it; look at it.",
                )
            return answer.body
        code = error_code(answer.body)
        if answer.status == 404 and code in _ABSENT:
            return None
        raise problem(self.place, answer.status, code)

    def fetch(self, path: str, *, at_most: int) -> Answer:
        """What the service answers to a read, whatever it is.

        Raises:
            StoreUnavailable: it did not answer.
        """
        where = f"/{self.place.bucket}/{self.place.key(path)}"
        return self.reader.get(quoted(where), at_most=at_most)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """See Backend.put_if_absent: PUT with `If-None-Match: *`."""
        from botocore.exceptions import ClientError

        for attempt in range(_MOST_CONFLICTS):
            with told_as_ours(self.place):
                try:
                    self.client.put_object(
                        Bucket=self.place.bucket,
                        Key=self.place.key(path),
                        Body=data,
                        IfNoneMatch="*",
                    )
                except ClientError as cause:
                    code, status = code_and_status(cause)
                    if code in _EXISTS or status == 412:
                        return False
                    if code not in _CONFLICT and status != 409:
                        raise
                else:
                    return True
            time.sleep(_CONFLICT_PAUSE_SECONDS * 2**attempt)
        raise Unavailable(
            f"{self.address} is busy: others keep writing {path}",
            hint="Try again.",
        )

    def names(self, prefix: str) -> Iterator[str]:
        """See Backend.names."""
        start = len(self.place.key(""))
        with told_as_ours(self.place):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.place.bucket, Prefix=self.place.key(prefix)
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    yield str(item["Key"])[start:]

    def remove(self, path: str) -> None:
        """See CanRemove.remove. A versioned bucket keeps the old version."""
        with told_as_ours(self.place):
            self.client.delete_object(
                Bucket=self.place.bucket, Key=self.place.key(path)
            )

    def overwritten(self, prefix: str) -> Iterator[tuple[str, str]]:
        """See KeepsVersions: names written more than once, with the oldest version."""
        start = len(self.place.key(""))
        oldest: dict[str, tuple[datetime, str]] = {}
        counts: Counter[str] = Counter()
        with told_as_ours(self.place):
            pages = self.client.get_paginator("list_object_versions").paginate(
                Bucket=self.place.bucket, Prefix=self.place.key(prefix)
            )
            for page in pages:
                # The newest of a name comes first; of two in one second, the later
                # one in the list is the older.
                for item in page.get("Versions", ()):
                    name = str(item["Key"])[start:]
                    version = (item["LastModified"], str(item["VersionId"]))
                    counts[name] += 1
                    if name not in oldest or version[0] <= oldest[name][0]:
                        oldest[name] = version
        for name, count in counts.items():
            if count > 1:
                yield name, oldest[name][1]

    def read_version(self, path: str, version: str, *, at_most: int) -> bytes:
        """See KeepsVersions."""
        with told_as_ours(self.place):
            answer = self.client.get_object(
                Bucket=self.place.bucket, Key=self.place.key(path), VersionId=version
            )
            return bytes(answer["Body"].read(at_most + 1))

    def close(self) -> None:
        """See HoldsConnections."""
        self.reader.close()
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    @cached_property
    def client(self) -> Any:
        """The boto3 client; it has no types of its own."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.place.endpoint,
            region_name=self.place.region,
            config=Config(
                connect_timeout=10,
                read_timeout=60,
                retries={"mode": "standard", "max_attempts": 4},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def _credentials(self) -> Credentials:
        key = os.environ.get("AWS_ACCESS_KEY_ID", "")
        secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
        if key and secret:
            return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN", ""))
        return self._chain.now()

    @cached_property
    def _chain(self) -> _Chain:
        return _Chain(self.place)


class _Chain:
    """Credentials from wherever boto3 finds them; refreshed by it."""

    def __init__(self, place: Place) -> None:
        import boto3

        self._place = place
        with told_as_ours(place):
            self._found: Any = boto3.session.Session().get_credentials()
        if self._found is None:
            raise no_credentials(place.address)

    def now(self) -> Credentials:
        with told_as_ours(self._place):
            frozen = self._found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")
