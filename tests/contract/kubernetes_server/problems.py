"""Errors as Status objects: code, reason, message and details."""

from __future__ import annotations

from tests.contract.kubernetes_server.objects import Object

PAGE_NOT_FOUND = "404 page not found"
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class ApiError(Exception):
    """An answer other than yes."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: Object | None = None,
        retry_after_seconds: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = _REASONS.get(code, "") if reason is None else reason
        self.details = details
        said = (details or {}).get("retryAfterSeconds", 0)
        self.retry_after_seconds = retry_after_seconds or int(said)

    def status(self) -> Object:
        """The Status object that tells it."""
        details = dict(self.details or {})
        if self.retry_after_seconds:
            details["retryAfterSeconds"] = self.retry_after_seconds
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            **({"details": details} if details or self.details == {} else {}),
            "code": self.code,
        }


def _details(group: str, kind: str, name: str) -> Object:
    found: Object = {"name": name} if name else {}
    if group:
        found["group"] = group
    return found | {"kind": kind}


def qualified(group: str, plural: str) -> str:
    """`jobs.batch`, as messages name a resource."""
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> ApiError:
    """There is no such object."""
    message = f'{qualified(group, plural)} "{name}" not found'
    return ApiError(404, message, details=_details(group, plural, name))


def no_such_path() -> ApiError:
    """There is no such resource."""
    return ApiError(404, "the server could not find the requested resource", details={})


def no_such_page() -> ApiError:
    """There is no such group, and no such path outside groups: no Status either."""
    return ApiError(404, PAGE_NOT_FOUND)


def already_exists(group: str, plural: str, name: str) -> ApiError:
    """The name is taken."""
    return ApiError(
        409,
        f'{qualified(group, plural)} "{name}" already exists',
        reason="AlreadyExists",
        details=_details(group, plural, name),
    )


def conflict(group: str, plural: str, name: str, why: str) -> ApiError:
    """The object is no longer what the caller thought."""
    return ApiError(
        409,
        f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}',
        details=_details(group, plural, name),
    )


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version "
    "and try again"
)


def invalid(group: str, kind: str, name: str, causes: list[Object]) -> ApiError:
    """The object is not a valid one; each cause names its field."""
    said = [f"{cause['field']}: {cause['message']}" for cause in causes]
    whole = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    return ApiError(
        422,
        f'{qualified(group, kind)} "{name}" is invalid: {whole}',
        details=_details(group, kind, name) | {"causes": causes},
    )


def unsupported(kind: str, field: str, said: str, allowed: str) -> ApiError:
    """A parameter that says what it cannot say."""
    message = f"Unsupported value: {said}: supported values: {allowed}"
    problem = cause("FieldValueNotSupported", field, message)
    return invalid("meta.k8s.io", kind, "", [problem])


def unprocessable() -> ApiError:
    """A patch that cannot be carried out."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, message, details={})


def cause(reason: str, field: str, message: str) -> Object:
    """One reason why an object is invalid."""
    return {"reason": reason, "message": message, "field": field}


def bad_request(message: str) -> ApiError:
    """The request cannot be read."""
    return ApiError(400, message)


def gone(message: str) -> ApiError:
    """The version asked for is no longer kept."""
    return ApiError(410, message)
