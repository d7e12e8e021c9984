"""A store in an S3 bucket: put-if-absent by conditional PUT, no server of ours.

Reading is plain signed REST; boto3 writes and lists, and is imported when it must.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from store.errors import NotAStore, StoreDamaged, StoreError, StoreRefused
from store.errors import StoreUnavailable as Unavailable
from store.s3_rest import Credentials, SignedReader, quoted

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_EXISTS = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}
_MOST_CONFLICTS = 8
_CONFLICT_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket is, and the part of it that is the store."""

    bucket: str
    prefix: str
    endpoint: str
    region: str

    @property
    def address(self) -> str:
        """How a person names it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, path: str) -> str:
        """Key of a path of the store."""
        return f"{self.prefix}/{path}" if self.prefix else path


def place_of(address: str, environment: Mapping[str, str] = os.environ) -> Place:
    """Read `s3://bucket/prefix`, with endpoint and region from the usual variables.

    Raises:
        NotAStore: it names no bucket.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    if not bucket or any(part in ("", ".", "..") for part in prefix.split("/")[:-1]):
        raise NotAStore(
            f"{address} names no bucket and prefix",
            hint="Write s3://BUCKET/PREFIX.",
        )
    region = (
        environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
        or "us-east-1"
    )
    endpoint = (
        environment.get("AWS_ENDPOINT_URL_S3")
        or environment.get("AWS_ENDPOINT_URL")
        or f"https://s3.{region}.amazonaws.com"
    )
    if not endpoint.startswith(("http://", "https://")):
        raise NotAStore(
            f"{endpoint} is no address of an S3 service",
            hint="Set AWS_ENDPOINT_URL_S3 to https://HOST.",
        )
    return Place(bucket, prefix.strip("/"), endpoint, region)


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
        where = f"/{self.place.bucket}/{self.place.key(path)}"
        answer = self.reader.get(quoted(where), at_most=at_most)
        if answer.status == 200:
            if len(answer.body) > at_most:
                raise StoreDamaged(
                    f"{path} in {self.address} is larger than {at_most} bytes",
                    hint="Something other than countersign wrote it; look at it.",
                )
            return answer.body
        code = error_code(answer.body)
        if answer.status == 404 and code != "NoSuchBucket":
            return None
        raise _problem(self.place, answer.status, code)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """See Backend.put_if_absent: PUT with `If-None-Match: *`."""
        from botocore.exceptions import BotoCoreError, ClientError

        for attempt in range(_MOST_CONFLICTS):
            try:
                self.client.put_object(
                    Bucket=self.place.bucket,
                    Key=self.place.key(path),
                    Body=data,
                    IfNoneMatch="*",
                )
            except ClientError as cause:
                code, status = _told(cause)
                if code in _EXISTS or status == 412:
                    return False
                if code not in _CONFLICT and status != 409:
                    raise _problem(self.place, status, code) from cause
                time.sleep(_CONFLICT_PAUSE_SECONDS * 2**attempt)
            except BotoCoreError as cause:
                raise Unavailable(
                    f"{self.address} does not answer: {cause}",
                    hint="Check the network, the credentials and AWS_ENDPOINT_URL_S3.",
                ) from cause
            else:
                return True
        raise Unavailable(
            f"{self.address} is busy: others keep writing {path}",
            hint="Try again.",
        )

    def names(self, prefix: str) -> Iterator[str]:
        """See Backend.names."""
        from botocore.exceptions import BotoCoreError, ClientError

        whole = self.place.key(prefix)
        start = len(self.place.key(""))
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.place.bucket, Prefix=whole
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    yield str(item["Key"])[start:]
        except ClientError as cause:
            code, status = _told(cause)
            raise _problem(self.place, status, code) from cause
        except BotoCoreError as cause:
            raise Unavailable(f"{self.address} does not answer: {cause}") from cause

    def remove(self, path: str) -> None:
        """See CanRemove.remove. A versioned bucket keeps the old version."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client.delete_object(
                Bucket=self.place.bucket, Key=self.place.key(path)
            )
        except ClientError as cause:
            code, status = _told(cause)
            raise _problem(self.place, status, code) from cause
        except BotoCoreError as cause:
            raise Unavailable(f"{self.address} does not answer: {cause}") from cause

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
        return _Chain(self.address)


class _Chain:
    """Credentials from wherever boto3 finds them; refreshed by it."""

    def __init__(self, address: str) -> None:
        import boto3

        self._found: Any = boto3.session.Session().get_credentials()
        if self._found is None:
            raise StoreRefused(
                f"there are no credentials for {address}",
                hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile.",
            )

    def now(self) -> Credentials:
        frozen = self._found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")


def error_code(body: bytes) -> str:
    """The `<Code>` of an S3 error, or empty."""
    _, found, rest = body.partition(b"<Code>")
    code = rest.partition(b"</Code>")[0] if found else b""
    return code.decode("ascii", "replace")[:64] if len(code) <= 64 else ""


def _told(error: ClientError) -> tuple[str, int]:
    response: Any = error.response
    return (
        str(response.get("Error", {}).get("Code", "")),
        int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
    )


def _problem(place: Place, status: int, code: str) -> StoreError:
    """What a service's answer means for a person."""
    said = f"{place.endpoint} answered {status} {code}".rstrip()
    if code == "NoSuchBucket":
        return NotAStore(
            f"there is no bucket {place.bucket!r} at {place.endpoint}",
            hint="Create it first, or check AWS_ENDPOINT_URL_S3 and the region.",
        )
    hints = {
        "RequestTimeTooSkewed": "Set this machine's clock.",
        "SignatureDoesNotMatch": "The secret key is wrong, or a proxy meddles.",
        "InvalidAccessKeyId": "The service does not know that access key.",
        "AccessDenied": "Reading needs s3:GetObject and s3:ListBucket, writing "
        "s3:PutObject. See docs/s3.md.",
    }
    if 300 <= status < 400 or code in ("AuthorizationHeaderMalformed",):
        return StoreRefused(
            f"the bucket {place.bucket!r} is not in the region {place.region}: {said}",
            hint="Set AWS_REGION to the bucket's region.",
        )
    if status in (401, 403):
        hint = hints.get(code, hints["AccessDenied"])
        return StoreRefused(f"{place.address} is refused: {said}", hint=hint)
    return Unavailable(
        f"{place.address} cannot be used: {said}",
        hint="Check AWS_ENDPOINT_URL_S3, AWS_REGION and the service.",
    )
