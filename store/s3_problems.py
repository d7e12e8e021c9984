"""What an S3 service's refusals mean for a person, and what to do next."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from store.errors import (
    NotAStore,
    StoreError,
    StoreForbidden,
    StoreRefused,
    StoreUnavailable,
)
from store.s3_place import Place

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_STALE = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
_LACKS = "Reading needs s3:GetObject and s3:ListBucket, writing s3:PutObject."
_HINTS = {
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "SignatureDoesNotMatch": "The secret key is wrong, or a proxy meddles.",
    "InvalidAccessKeyId": "The service does not know that access key.",
}
_LARGEST_CODE = 64


@contextlib.contextmanager
def told_as_ours(place: Place) -> Iterator[None]:
    """Let what boto3 raises out as an error of the store.

    Raises:
        StoreUnavailable: the service did not answer, or not now.
        StoreRefused: it answered no, or there is nothing to sign with.
    """
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as cause:
        code, status = code_and_status(cause)
        raise problem(place, status, code) from cause
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as cause:
        raise no_credentials(place.address) from cause
    except (
        boto.ProfileNotFound,
        boto.CredentialRetrievalError,
        boto.TokenRetrievalError,
        boto.SSOError,
    ) as cause:
        raise StoreRefused(
            f"the credentials for {place.address} cannot be had: {cause}",
            hint="Log in again, or check AWS_PROFILE.",
        ) from cause
    except (boto.BotoCoreError, OSError) as cause:
        raise StoreUnavailable(
            f"{place.address} does not answer: {cause}",
            hint="Check the network, the credentials and AWS_ENDPOINT_URL_S3.",
        ) from cause


def no_credentials(address: str) -> StoreRefused:
    """What to say where nothing can sign a request."""
    return StoreRefused(
        f"there are no credentials for {address}",
        hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile.",
    )


def error_code(body: bytes) -> str:
    """The `<Code>` of an S3 error, or empty."""
    _, found, rest = body.partition(b"<Code>")
    code = rest.partition(b"</Code>")[0] if found else b""
    return code.decode("ascii", "replace") if len(code) <= _LARGEST_CODE else ""


def code_and_status(error: ClientError) -> tuple[str, int]:
    """What a service told boto3."""
    response: Any = error.response
    return (
        str(response.get("Error", {}).get("Code", "")),
        int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
    )


def problem(place: Place, status: int, code: str) -> StoreError:
    """An answer that is neither content nor plain absence, as an error."""
    said = f"{place.endpoint} answered {status} {code}".rstrip()
    if code == "NoSuchBucket":
        return NotAStore(
            f"there is no bucket {place.bucket!r} at {place.endpoint}",
            hint="Create it first, or check AWS_ENDPOINT_URL_S3 and the region.",
        )
    if (status == 404 and not code) or 200 <= status < 300:
        return NotAStore(
            f"{place.endpoint} does not answer like an S3 service: {said}",
            hint="Check AWS_ENDPOINT_URL_S3.",
        )
    if 300 <= status < 400 or code == "AuthorizationHeaderMalformed":
        return StoreRefused(
            f"the bucket {place.bucket!r} is not in the region {place.region}: {said}",
            hint="Set AWS_REGION to the bucket's region.",
        )
    if code in _STALE:
        return StoreRefused(
            f"the credentials for {place.address} count no longer: {said}",
            hint="Log in again, or get a new AWS_SESSION_TOKEN.",
        )
    if status in (401, 403):
        kind = StoreRefused if code in _HINTS else StoreForbidden
        hint = _HINTS.get(code, f"{_LACKS} See docs/s3.md.")
        return kind(f"{place.address} is refused: {said}", hint=hint)
    if status in (405, 501):
        return StoreRefused(
            f"{place.endpoint} does not do what was asked: {said}",
            hint="Use a service with conditional writes; see docs/s3.md.",
        )
    return StoreUnavailable(
        f"{place.address} cannot be used: {said}",
        hint="Check AWS_ENDPOINT_URL_S3, AWS_REGION and the service.",
    )
