"""Which launches are schedules: their plans say so, and each is read for that once.

What was found is kept in a file of this machine. A plan is named by its digest, so what
it is does not change; a log that is another than the one looked at is looked at anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from connectors.errors import ConnectorError
from connectors.parsing import parse_json, text_of, well_formed
from connectors.pipelines.durable import replace_file
from connectors.pipelines.protocols import LaunchPlan
from console.services.opened import OpenStore
from console.services.pipelines.launch_log import declared_first, launch_names
from console.services.pipelines.schedule_standing import planned_schedule
from store.errors import StoreError

FILE = "schedules.json"


@dataclass(slots=True)
class _Known:
    """What was found, up to one entry of the log."""

    index: int = -1
    statement: str = ""
    schedules: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    """Launches whose plans could not be read; they are tried again."""


def schedule_launches(store: OpenStore) -> Iterator[tuple[str, LaunchPlan]]:
    """Every launch that is a schedule, with its plan, in log order.

    One whose plan cannot be read is left out: the list of launches says so of it.
    """
    path = store.folder / FILE
    known = _read(path, store)
    names = launch_names(store)
    before = set(known.unread)
    for launch, index in names:
        is_open = launch in known.schedules or launch in known.unread
        if index <= known.index and not is_open:
            continue
        known.unread.discard(launch)
        declared = declared_first(store, launch)
        try:
            plan = planned_schedule(store, declared[2]) if declared else None
        except (ConnectorError, StoreError):
            known.unread.add(launch)
            continue
        if plan is not None:
            known.schedules.add(launch)
            yield launch, plan
    if names and (names[-1][1] > known.index or known.unread != before):
        _write(path, store, known, names[-1][1])


def _read(path: Path, store: OpenStore) -> _Known:
    """What was found before, if it was found in this log."""
    try:
        raw = parse_json(path.read_bytes(), str(path))
        with well_formed(str(path)):
            index = int(raw["index"])
            known = _Known(
                index,
                text_of(raw["statement"]),
                set(map(text_of, raw["schedules"])),
                set(map(text_of, raw["unread"])),
            )
    except (FileNotFoundError, ConnectorError):
        return _Known()
    found = store.index.entry(index)
    is_same = found is not None and found.judgement.statement_id == known.statement
    return known if is_same else _Known()


def _write(path: Path, store: OpenStore, known: _Known, index: int) -> None:
    found = store.index.entry(index)
    if found is None:
        return
    document = {
        "index": index,
        "statement": found.judgement.statement_id,
        "schedules": sorted(known.schedules),
        "unread": sorted(known.unread),
    }
    replace_file(path, json.dumps(document).encode())
