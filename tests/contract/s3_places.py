"""S3 services that tests may use: moto's server, and a real endpoint named outside."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENDPOINT = "COUNTERSIGN_TEST_S3"
"""A URL with a bucket, `http://host:port/bucket`; credentials in AWS's variables."""
START_SECONDS = 30.0


@dataclass(frozen=True)
class S3Place:
    """A service, a bucket in it, and what signs requests."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    def variables(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def address(self) -> str:
        """A part of the bucket that nothing else uses."""
        return f"s3://{self.bucket}/{secrets.token_hex(6)}/store"


def real_place() -> S3Place | None:
    """The endpoint that whoever runs the tests has named."""
    named = os.environ.get(ENDPOINT, "")
    if not named:
        return None
    endpoint, _, bucket = named.rstrip("/").rpartition("/")
    return S3Place(
        endpoint,
        bucket,
        os.environ["COUNTERSIGN_TEST_S3_KEY"],
        os.environ["COUNTERSIGN_TEST_S3_SECRET"],
    )


@contextlib.contextmanager
def moto_place(folder: Path) -> Iterator[S3Place]:
    """Moto's server in a process of its own, with one bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(folder / "moto.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port)],
            stdout=log,
            stderr=log,
        )
    try:
        place = S3Place(f"http://127.0.0.1:{port}", "countersign", "test", "secret")
        _wait(port, process)
        client(place).create_bucket(Bucket=place.bucket)
        yield place
    finally:
        process.terminate()
        process.wait(10)


def client(place: S3Place):  # type: ignore[no-untyped-def]  # boto3 has no types
    """A boto3 client for what a store itself never does."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=place.endpoint,
        aws_access_key_id=place.access_key,
        aws_secret_access_key=place.secret_key,
        region_name="us-east-1",
    )


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError("moto's server did not start")
