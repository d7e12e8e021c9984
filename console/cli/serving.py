"""The command that listens: serve."""

from __future__ import annotations

import argparse
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.context import Context, span_of
from console.cli.output import say
from console.services.opened import OpenStore, open_store
from console.services.problems import Misuse
from console.services.signing import act_as_service
from policies.trust_root import ServiceKind
from store.errors import StoreUnavailable

if TYPE_CHECKING:
    from console.server.running import Recording

_LISTEN = "127.0.0.1:8765"
_OFTEN = "1m"
_SHORTEST, _LONGEST = timedelta(seconds=5), timedelta(days=1)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "serve", help="take OpenLineage events and webhooks over HTTP"
    )
    parser.add_argument(
        "--listen", default=_LISTEN, metavar="HOST:PORT", help=f"(else {_LISTEN})"
    )
    parser.add_argument(
        "--bearer",
        default="",
        metavar="env:NAME|file:PATH",
        help="where the key is that senders must know; needed beyond this machine",
    )
    parser.add_argument(
        "--spool", default="", metavar="DIR", help="where events wait for the log"
    )
    parser.add_argument(
        "--name", default="openlineage", metavar="NAME", help="the source's name"
    )
    parser.add_argument(
        "--record-launches",
        nargs="?",
        const=_OFTEN,
        default="",
        metavar="INTERVAL",
        help=f"make launches that have ended lineage; by default every {_OFTEN}",
    )
    parser.set_defaults(handler=serve)


def serve(context: Context) -> int:
    """`serve`: until SIGTERM or SIGINT."""
    import asyncio

    from console.server import (
        access,
        health,
        keeping,
        lineage,
        patience,
        running,
        webhooks,
    )
    from console.services.draining import Drain
    from console.services.opened import wall_clock
    from console.services.polling import Polls
    from console.services.spool import Spool

    arguments = context.arguments
    key = access.bearer_key(arguments.bearer) if arguments.bearer else None
    listen = access.listen_address(arguments.listen, has_key=key is not None)
    recording = _recording(context)
    secrets = webhooks.webhook_secrets(context.configuration.sources)
    _require_service(context)
    spool = Spool(_spool_folder(context))
    keeper = keeping.Keeper(spool, wall_clock)
    drain = Drain(spool, lambda: _opened(context), arguments.name)
    polls = Polls(lambda: _opened(context), wall_clock)
    routes = (
        *lineage.lineage_routes(keeper),
        *webhooks.webhook_routes(secrets, polls.ask, wall_clock),
        *health.health_routes(),
    )
    waiting = patience.Patience()
    application = running.make_application(routes, key, waiting)
    serving = running.serve(application, waiting, listen, drain, say, polls, recording)
    try:
        asyncio.run(serving)
    finally:
        keeper.close()
        spool.close()
    say("stopped; what was taken is in the log, or waits for the next start")
    return 0


def _recording(context: Context) -> Recording | None:
    """What records launches meanwhile, if that is wanted."""
    from console.server.running import Recording
    from console.services.opened import wall_clock
    from console.services.pipelines.recorder import Recorder

    given = context.arguments.record_launches
    if not given:
        return None
    every = span_of(given, "interval")
    if not _SHORTEST <= every <= _LONGEST:
        raise Misuse(f"--record-launches {given}: between 5s and 1d")
    recorder = Recorder(lambda: _opened(context), wall_clock, every)
    return Recording(recorder, every.total_seconds())


def _require_service(context: Context) -> None:
    """Refuse at once what could never reach the log; a log that is away may return."""
    if not context.store_address:
        raise Misuse(
            "no store was named", hint="Give --store FOLDER or set COUNTERSIGN_STORE."
        )
    try:
        store = _opened(context)
    except StoreUnavailable as problem:
        say(f"the log does not answer yet: {problem}")
        return
    try:
        act_as_service(store, store.state(), ServiceKind.IMPORT)
    finally:
        store.close()


def _opened(context: Context) -> OpenStore:
    return open_store(
        context.store_address,
        context.places,
        context.configuration,
        anchor=context.anchor,
    )


def _spool_folder(context: Context) -> Path:
    given = context.arguments.spool
    if given:
        return Path(given).expanduser()
    digest = hashlib.sha256(context.store_address.encode()).hexdigest()[:16]
    return context.places.data / "spool" / digest
