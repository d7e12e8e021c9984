"""One answer of a cluster while it arrives: bounded, and ended from outside."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from connectors.errors import ConnectorRefused, ConnectorUnavailable
from connectors.kubernetes.problems import unreachable

_PIECE_BYTES = 64 * 1024


class Stream:
    """An answer while it arrives."""

    def __init__(self, place: str, answer: Any) -> None:
        self._place = place
        self._answer = answer

    def pieces(self) -> Iterator[bytes]:
        """What arrives, as it arrives, to the proper end.

        Raises:
            ConnectorUnavailable: it broke off.
        """
        import urllib3

        try:
            while piece := self._answer.read1(_PIECE_BYTES, decode_content=True):
                yield piece
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as cause:
            raise unreachable(self._place, cause) from None
        finally:
            self.close()

    def read_all(self, most_bytes: int, most_seconds: float) -> bytes:
        """The whole answer.

        Raises:
            ConnectorRefused: it is too large.
            ConnectorUnavailable: it broke off, or takes too long.
        """
        whole, started = bytearray(), time.monotonic()
        for piece in self.pieces():
            whole += piece
            if len(whole) > most_bytes:
                raise ConnectorRefused(
                    f"{self._place} answered more than {most_bytes} bytes"
                )
            if time.monotonic() - started > most_seconds:
                raise ConnectorUnavailable(f"{self._place} is too slow")
        return bytes(whole)

    def stop(self) -> None:
        """End the reading from another thread, also while one waits for a piece."""
        with contextlib.suppress(ValueError, OSError):
            self._answer.shutdown()

    def close(self) -> None:
        """Read no more."""
        self._answer.close()
