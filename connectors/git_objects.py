"""The commits of a repository as git stores them, each held to its own id.

What git says a commit is called counts only if its bytes have that id, so no file of a
repository can put one commit in the place of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from connectors.errors import MalformedInput
from connectors.git_running import UNBOUNDED, Bounds, output
from store.git_commit import commit_id

LARGEST_COMMIT_BYTES = 16 * 1024**2
_READ = ("cat-file", "--batch", "--buffer")
_LONGEST_LINE = 200


def raw_commits(
    folder: Path, wanted: Sequence[str], bounds: Bounds = UNBOUNDED
) -> Iterator[tuple[str, bytes]]:
    """Id and bytes of the commits that `git rev-list` lists with these arguments.

    Raises:
        MalformedInput: one is missing, no commit, too large, or not what it is called.
        ConnectorError: git cannot read them.
    """
    listing = ("rev-list", *wanted)
    stream = _Stream(output(folder, listing, _READ, bounds=bounds))
    while line := stream.line():
        sha, kind, size = (*line.decode("ascii", "replace").split(" "), "", "")[:3]
        if kind != "commit" or not size.isdigit():
            raise MalformedInput(f"{folder}: git cannot show the commit {sha[:64]}")
        if int(size) > LARGEST_COMMIT_BYTES:
            raise MalformedInput(f"{folder}: a commit is larger than can be read")
        data = stream.exactly(int(size))
        stream.exactly(1)
        if commit_id(data, sha) != sha:
            raise MalformedInput(
                f"{folder}: the object called {sha[:64]} is another one",
                hint="Look at it with: git fsck",
            )
        yield sha, data


class _Stream:
    """Lines and counted bytes from pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = bytearray()
        self._at = 0

    def line(self) -> bytes:
        """Up to the next line feed, without it; empty at the end."""
        while (end := self._held.find(b"\n", self._at)) < 0:
            if len(self._held) - self._at > _LONGEST_LINE or not self._more():
                return self.exactly(len(self._held) - self._at)
        found = self.exactly(end - self._at)
        self._at += 1
        return found

    def exactly(self, count: int) -> bytes:
        """That many bytes.

        Raises:
            MalformedInput: git wrote fewer.
        """
        while len(self._held) - self._at < count:
            if not self._more():
                raise MalformedInput("git broke off in the middle of a commit")
        found = bytes(self._held[self._at : self._at + count])
        self._at += count
        return found

    def _more(self) -> bool:
        del self._held[: self._at]
        self._at = 0
        piece = next(self._pieces, b"")
        self._held += piece
        return bool(piece)
