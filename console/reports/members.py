"""An auditor's file as its members: read into memory, and read as a store.

Nothing is unpacked and no name leads anywhere: whatever we would not write is refused.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from console.services.problems import Refusal
from store.errors import StoreError

LARGEST_FILE_BYTES = 4 * 1024**3
MOST_MEMBERS = 2_000_000


class MemberBackend:
    """The log and objects of a file, as a store to read."""

    def __init__(self, members: dict[str, bytes]) -> None:
        self._members = members

    @property
    def address(self) -> str:
        """See Backend."""
        return "the file"

    def read(self, path: str, *, at_most: int) -> bytes | None:
        """See Backend.read."""
        if path.startswith("object/"):
            path = f"object/{path.rpartition('/')[2]}"
        else:
            path = f"log/{path}"
        data = self._members.get(path)
        return None if data is None or len(data) > at_most else data

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """A file to verify is never written."""
        raise StoreError(f"{path} cannot be written into a file to verify")

    def names(self, prefix: str) -> Iterator[str]:
        """See Backend.names."""
        return (name for name in self._members if name.startswith(prefix))


def read_zip(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        Refusal: it cannot be read, or is too large.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(LARGEST_FILE_BYTES + 1)
    except OSError as cause:
        raise Refusal(f"cannot read {path}: {cause.strerror}") from cause
    if len(data) > LARGEST_FILE_BYTES:
        raise Refusal(f"{path} is larger than {LARGEST_FILE_BYTES} bytes")
    return data


def members_of(data: bytes) -> dict[str, bytes]:
    """The members in memory, none compressed, none twice, none with a way out.

    Raises:
        Refusal: the bytes are no zip, or one that we would never write.
    """
    members: dict[str, bytes] = {}
    folded: set[str] = set()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.infolist()
            if len(listed) > MOST_MEMBERS:
                raise Refusal("the file has too many members")
            for member in listed:
                name = member.filename
                parts = name.split("/")
                if name.startswith("/") or ".." in parts or name.casefold() in folded:
                    raise Refusal(f"the file has a forbidden or double member {name!r}")
                if member.compress_type != zipfile.ZIP_STORED or (
                    member.file_size > len(data)
                ):
                    raise Refusal(f"{name} is stored in a way we never write")
                folded.add(name.casefold())
                members[name] = archive.read(member)
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as cause:
        raise Refusal(f"the file is no readable zip: {cause}") from cause
    return members
