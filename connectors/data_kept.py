"""What a bucket promises about the bytes of data, as tags on a dataset version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.data_files import HashedFile


def kept_tags(files: Sequence[HashedFile]) -> Iterator[tuple[str, str]]:
    """Names and texts; of several files only what holds for all of them."""
    if len(files) == 1 and files[0].version:
        yield "s3.version", files[0].version
    retained = [file.retention for file in files]
    weakest = [kept for kept in retained if kept is not None]
    if weakest and len(weakest) == len(files):
        # In the order of the alphabet the weaker mode, GOVERNANCE, is the last.
        mode = max(kept.mode for kept in weakest)
        until = min(kept.until for kept in weakest)
        yield "s3.lock", f"{mode} until {until:%Y-%m-%dT%H:%M:%SZ}"
    if files and all(file.has_legal_hold for file in files):
        yield "s3.legal-hold", "on"
