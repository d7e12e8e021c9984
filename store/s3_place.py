"""Where a bucket is: what an address and the usual variables say, nothing asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from store.errors import NotAStore


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
