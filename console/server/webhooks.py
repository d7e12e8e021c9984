"""`POST /api/v1/webhooks/mlflow/SOURCE`: MLflow says that something changed there.

Only that is believed, and only when it is signed with the source's secret, recent and
new. What changed is then read from the source itself.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from aiohttp import web

from connectors.errors import MalformedInput
from connectors.parsing import parse_json
from console.server.access import SIGNED_ROUTE, referenced_secret
from console.server.problems import RequestProblem
from console.services.configuration import SourceSetting
from console.services.opened import Clock
from console.services.problems import Misuse

WINDOW = timedelta(minutes=5)
"""How far the time of a delivery may be from this machine's."""
MOST_BYTES = 256 * 1024
MOST_REMEMBERED = 100_000
"""Deliveries within the window; all of them are signed, so no stranger fills it."""
_VERSION = "v1,"
_DELIVERY = re.compile(r"[0-9A-Za-z._-]{1,128}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_OF_USE = ("registered_model", "model_version")
"""What an entity's name begins with, if an import would show its change."""
_HINT = 'webhook_secret = "env:NAME" or "file:PATH"'


def webhook_secrets(sources: Mapping[str, SourceSetting]) -> dict[str, bytes]:
    """The secret of every source that has one.

    Raises:
        Misuse: a secret is not there or too short, or its source has no address.
    """
    found = {}
    for name, setting in sources.items():
        if not setting.webhook_secret:
            continue
        if not setting.address:
            raise Misuse(
                f"[sources.{name}] has a webhook_secret and no address",
                hint='address = "http://mlflow.example:5000"',
            )
        what = f"webhook secret of {name}"
        found[name] = referenced_secret(setting.webhook_secret, what, _HINT)
    return found


class Deliveries:
    """Which deliveries were taken lately; an id is used once."""

    def __init__(self, *, at_most: int = MOST_REMEMBERED) -> None:
        self._at_most = at_most
        self._taken: OrderedDict[tuple[str, str], float] = OrderedDict()

    def is_new(self, source: str, delivery: str, now: float) -> bool:
        """Note a delivery; whether it was not noted within the window before.

        Raises:
            RequestProblem: too many came; one more could not be told from a replay.
        """
        kept = 2 * WINDOW.total_seconds()
        while self._taken and now - next(iter(self._taken.values())) > kept:
            self._taken.popitem(last=False)
        if (source, delivery) in self._taken:
            return False
        if len(self._taken) >= self._at_most:
            raise RequestProblem(429, "too many deliveries", Retry_After="60")
        self._taken[source, delivery] = now
        return True


def webhook_routes(
    secrets: Mapping[str, bytes], ask: Callable[[str], None], clock: Clock
) -> Iterable[web.RouteDef]:
    """The route, with whom to ask for a source to be read."""
    deliveries = Deliveries()

    async def take(request: web.Request) -> web.Response:
        source = request.match_info["source"]
        secret = secrets.get(source)
        if secret is None:
            raise RequestProblem(404, "no source of that name has a webhook secret")
        now = clock().timestamp()
        body = await _body(request)
        delivery = _signed_delivery(request, body, secret, now)
        entity = _entity(body)
        if not deliveries.is_new(source, delivery, now):
            return _said("was taken before")
        if not entity.startswith(_OF_USE):
            return _said("is of no use here")
        ask(source)
        return _said("the source is read soon")

    return (web.post(SIGNED_ROUTE, take),)


def _said(status: str) -> web.Response:
    return web.json_response({"status": status}, status=202)


async def _body(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        raise RequestProblem(415, "the Content-Type is not application/json")
    if "Content-Encoding" in request.headers:
        raise RequestProblem(415, "a signed body comes without Content-Encoding")
    if (request.content_length or 0) > MOST_BYTES:
        raise RequestProblem(413, "the body is larger than is taken here")
    body = await request.read()
    if len(body) > MOST_BYTES:
        raise RequestProblem(413, "the body is larger than is taken here")
    return body


def _signed_delivery(
    request: web.Request, body: bytes, secret: bytes, now: float
) -> str:
    """The id of a delivery that is signed and recent.

    Raises:
        RequestProblem: a header is malformed (400); the signature is missing or
            another one, or the time is too far away (401).
    """
    delivery = _header(request, "X-MLflow-Delivery-Id", _DELIVERY)
    seconds = _header(request, "X-MLflow-Timestamp", _SECONDS)
    signed = b".".join((delivery.encode(), seconds.encode(), body))
    wanted = hmac.digest(secret, signed, "sha256")
    if not hmac.compare_digest(wanted, _signature(request)):
        raise RequestProblem(401, "the signature is not made with this secret")
    if abs(now - int(seconds)) > WINDOW.total_seconds():
        raise RequestProblem(401, "the delivery is too old, or of the future")
    return delivery


def _header(request: web.Request, name: str, form: re.Pattern[str]) -> str:
    given = request.headers.getall(name, [])
    if len(given) != 1 or not form.fullmatch(given[0]):
        raise RequestProblem(400, f"{name} is missing, or not in its form")
    return given[0]


def _signature(request: web.Request) -> bytes:
    given = request.headers.getall("X-MLflow-Signature", [])
    try:
        if len(given) == 1 and given[0].startswith(_VERSION):
            return base64.b64decode(given[0].removeprefix(_VERSION), validate=True)
    except ValueError as cause:
        raise RequestProblem(401, "X-MLflow-Signature is no base64") from cause
    raise RequestProblem(401, "X-MLflow-Signature is missing, or not in its form")


def _entity(body: bytes) -> str:
    try:
        told = parse_json(body, "the body")
    except MalformedInput as problem:
        raise RequestProblem(400, str(problem)) from problem
    entity = told.get("entity") if isinstance(told, dict) else None
    if not isinstance(entity, str):
        raise RequestProblem(400, "the body names no entity")
    return entity
