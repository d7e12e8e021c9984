"""Files that a person names on the command line: read whole, written whole."""

from __future__ import annotations

import sys
from pathlib import Path

from console.services.problems import Misuse


def read_input(given: str, at_most: int) -> bytes:
    """A small file that a person named, or standard input for `-`.

    Raises:
        Misuse: it cannot be read, or is larger than that.
    """
    if given != "-":
        return read_file(Path(given), at_most)
    data = sys.stdin.buffer.read(at_most + 1)
    if len(data) > at_most:
        raise Misuse(f"standard input is larger than {at_most} bytes")
    return data


def read_file(path: Path, at_most: int = 1024**2) -> bytes:
    """A small file that a person named.

    Raises:
        Misuse: it cannot be read, or is larger than that.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(at_most + 1)
    except OSError as cause:
        raise Misuse(f"cannot read {path}: {cause.strerror}") from cause
    if len(data) > at_most:
        raise Misuse(f"{path} is larger than {at_most} bytes")
    return data


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not be there yet.

    Raises:
        Misuse: it is, or cannot be written.
    """
    try:
        with open(path, "xb") as stream:
            stream.write(data)
    except OSError as cause:
        raise Misuse(f"cannot write {path}: {cause.strerror}") from cause


def write_whole(target: Path, data: bytes) -> None:
    """Write a new file, whole or not at all.

    Raises:
        Misuse: it cannot be written.
    """
    aside = target.with_name(target.name + ".part")
    try:
        aside.write_bytes(data)
        aside.replace(target)
    except OSError as cause:
        aside.unlink(missing_ok=True)
        raise Misuse(f"cannot write {target}: {cause.strerror}") from cause
