"""What a witness remembers of each log: the newest head it cosigned. It never shrinks.

The head is kept as the cosigned checkpoint itself, so that a memory which somebody
else altered is noticed, and both signed heads can be shown when a log splits.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from console.services.problems import Refusal
from policies.checkpoint import LARGEST_CHECKPOINT_BYTES, Checkpoint, read_checkpoint
from policies.errors import MalformedStatement
from policies.notes import VerifierKey
from store.errors import StoreUnavailable


class WitnessMemory:
    """The folder in which one witness keeps the heads it has seen."""

    def __init__(self, folder: Path, witness: VerifierKey) -> None:
        self._folder = folder
        self._witness = witness

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other process of this witness waiting.

        Raises:
            StoreUnavailable: the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            stream = open(self._folder / "lock", "ab")  # noqa: SIM115 - closed below
        except OSError as cause:
            raise _unavailable(self._folder, cause) from cause
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def find(self, origin: str) -> Checkpoint | None:
        """The newest head this witness cosigned of a log.

        Raises:
            Refusal: what is remembered does not carry this witness's signature.
            StoreUnavailable: it cannot be read.
        """
        path = self._path(origin)
        try:
            data = path.read_bytes()[: LARGEST_CHECKPOINT_BYTES + 1]
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise _unavailable(path, cause) from cause
        try:
            remembered = read_checkpoint(data)
        except MalformedStatement as cause:
            raise self._damaged(path) from cause
        if remembered.origin != origin or remembered.cosigned_at(self._witness) is None:
            raise self._damaged(path)
        return remembered

    def remember(self, checkpoint: Checkpoint) -> None:
        """Keep a cosigned head durably; call inside `held`.

        Raises:
            Refusal: a larger head is remembered.
            StoreUnavailable: it cannot be written.
        """
        known = self.find(checkpoint.origin)
        if known is not None and known.size > checkpoint.size:
            raise Refusal(f"this witness has cosigned {known.size} entries already")
        path = self._path(checkpoint.origin)
        aside = path.with_suffix(".new")
        try:
            with open(aside, "wb") as stream:
                stream.write(checkpoint.to_bytes())
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(path)
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as cause:
            raise _unavailable(path, cause) from cause

    def keep_evidence(self, known: Checkpoint, shown: bytes) -> Path:
        """Write two heads that cannot both be true into one file, beside the memory.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        data = (
            b"Two heads of one log that cannot both be true.\n\n"
            b"--- cosigned by this witness before\n%b\n--- shown to it now\n%b"
            % (known.to_bytes(), shown)
        )
        name = f"evidence-{hashlib.sha256(data).hexdigest()[:16]}.txt"
        path = self._folder / name
        try:
            with open(path, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as cause:
            raise _unavailable(path, cause) from cause
        return path

    def _path(self, origin: str) -> Path:
        named = hashlib.sha256(origin.encode()).hexdigest()[:32]
        return self._folder / f"{named}.checkpoint"

    def _damaged(self, path: Path) -> Refusal:
        return Refusal(
            f"{path} is not what this witness remembered",
            hint="Restore it from a backup. Do not start with an empty memory: a log "
            "that was rewritten would then be cosigned.",
        )


def _unavailable(path: Path, cause: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path}: {cause.strerror or cause}",
        hint="Give a folder that this witness can write: --state DIR.",
    )
