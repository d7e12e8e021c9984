"""The path of what is to be launched, as somebody typed it."""

from __future__ import annotations

from pathlib import Path

from connectors.errors import MalformedInput


def project_path(typed: str) -> Path:
    """The whole path; nothing needs to be there.

    Raises:
        MalformedInput: it can be no path.
    """
    try:
        path = Path(typed).expanduser().resolve()
        path.exists()  # asks the system, which refuses what it could never hold
        return path
    except (OSError, RuntimeError, ValueError) as cause:
        raise MalformedInput(
            f"{typed[:200]!r} is no path ({type(cause).__name__})",
            hint="Name a folder or a file of this machine.",
        ) from cause
