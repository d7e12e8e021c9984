"""Files of OpenLineage events: one document, a list, or one event a line; also gzip."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from connectors.errors import ConnectorUnavailable, MalformedInput

SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
LARGEST_DOCUMENT_BYTES = 256 * 1024**2
LONGEST_LINE_BYTES = 16 * 1024**2
LARGEST_FILE_BYTES = 64 * 1024**3
MOST_FILES = 1_000_000
_SNIFFED_BYTES = 1024**2


def is_events_file(path: Path) -> bool:
    """Whether a file is named like one, and begins like an OpenLineage event."""
    if not path.name.endswith(SUFFIXES) or not path.is_file():
        return False
    try:
        with _opened(path) as stream:
            return b'"eventTime"' in stream.read(_SNIFFED_BYTES)
    except (OSError, EOFError, zlib.error):
        return False


def event_files(path: Path) -> Iterator[Path]:
    """The file itself, or all below a folder that are named like one, by name."""
    if not path.is_dir():
        yield path
        return
    count = 0
    for place, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if name.endswith(SUFFIXES):
                count += 1
                if count > MOST_FILES:
                    raise MalformedInput(f"{path} holds more than {MOST_FILES} files")
                yield Path(place) / name


def read_events(path: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that may be an event, unread, with where it stands.

    Raises:
        ConnectorUnavailable: the file cannot be read.
        MalformedInput: it is too large, or damaged.
    """
    try:
        with _opened(path) as stream:
            if path.name.removesuffix(".gz").endswith(".json"):
                yield from _document_or_lines(stream, path)
            else:
                yield from _lines(stream, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as cause:
        raise MalformedInput(f"{path} is damaged: {cause}") from cause
    except OSError as cause:
        raise ConnectorUnavailable(f"cannot read {path}: {cause.strerror}") from cause


def _document_or_lines(stream: IO[bytes], path: Path) -> Iterator[tuple[str, bytes]]:
    from connectors.openlineage_parsing import events_of_document

    beginning = stream.read(LARGEST_DOCUMENT_BYTES)
    try:
        found = events_of_document(beginning, path.name)
    except MalformedInput:
        stream.seek(0)
        yield from _lines(stream, path)
    else:
        for event in found:
            yield path.name, event


def _lines(stream: IO[bytes], path: Path) -> Iterator[tuple[str, bytes]]:
    number = size = 0
    while line := stream.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        size += len(line)
        where = f"{path.name}:{number}"
        if len(line) > LONGEST_LINE_BYTES or size > LARGEST_FILE_BYTES:
            raise MalformedInput(f"{where} is longer than can be read")
        if not line.isspace():
            yield where, line


def _opened(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return open(path, "rb")
