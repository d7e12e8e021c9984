"""What a model version needs to run: packages and Python, from the files it came with.

Files are read only where two versions have them differently, and what is read counts
only if it has the digest that was registered. Nothing in them is run or resolved.
"""

from __future__ import annotations

import re

from connectors.errors import ConnectorError
from connectors.protocols import ArtifactReader
from console.services.artifact_check import artifact_reader
from console.services.opened import OpenStore
from policies.evidence import ModelItem
from store.objects import sha256_hex

FILES = ("requirements.txt", "python_env.yaml", "conda.yaml")
"""Files of a model that say what it needs."""
LARGEST_FILE_BYTES = 256 * 1024
_MOST_PACKAGES = 2_000
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<extras>\[[^\]]*\])?\s*"
    r"(?P<version>(?:===?|~=|!=|[<>]=?|=)[^;#]*)?"
)
_PYTHON = re.compile(r"python\s*[:=]=?\s*['\"]?(?P<version>[0-9][0-9A-Za-z.+-]*)")
_LISTED = re.compile(r"\s*-\s+['\"]?(?P<requirement>[^'\"]+?)['\"]?\s*$")


def runtime_of(
    store: OpenStore, model: ModelItem, other: ModelItem
) -> tuple[dict[str, str], str]:
    """Packages and Python of a version by name, as far as it differs from another.

    The second part says why a file could not be read, or is empty.
    """
    mine = {f.path: f.sha256 for f in model.files if f.path in FILES}
    theirs = {f.path: f.sha256 for f in other.files if f.path in FILES}
    wanted = [path for path in FILES if path in mine and mine[path] != theirs.get(path)]
    if not wanted:
        return {}, ""
    found: dict[str, str] = {}
    try:
        reader = artifact_reader(store, model.source)
        for path in wanted:
            text = _read(reader, model.location, path, mine[path])
            found |= {k: v for k, v in needs(path, text).items() if k not in found}
    except ConnectorError as problem:
        return found, str(problem)
    return found, ""


def needs(path: str, text: str) -> dict[str, str]:
    """What one file asks for: package -> version as written, `python` -> version."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if len(found) >= _MOST_PACKAGES:
            break
        listed = line if path == "requirements.txt" else _requirement_in(line)
        python = _PYTHON.match(listed.strip())
        if python:
            found.setdefault("python", python["version"])
        elif listed and path != "python_env.yaml":
            _add_package(listed.strip(), found)
    return found


def _requirement_in(line: str) -> str:
    """What a line of a YAML list or a plain `python: 3.11` holds."""
    item = _LISTED.fullmatch(line)
    if item:
        return "" if item["requirement"].endswith(":") else item["requirement"]
    return line if _PYTHON.match(line) else ""


def _add_package(text: str, found: dict[str, str]) -> None:
    if not text or text.startswith(("#", "-")):
        return
    matched = _REQUIREMENT.match(text)
    if matched is None:
        return
    name = re.sub(r"[-_.]+", "-", matched["name"]).lower()
    version = (matched["version"] or "").strip()
    found.setdefault(name, version.removeprefix("==").removeprefix("=") or "any")


def _read(reader: ArtifactReader, location: str, path: str, registered: str) -> str:
    data = reader.read(location, path, at_most=LARGEST_FILE_BYTES)
    if sha256_hex(data) != registered:
        raise ConnectorError(f"{path} is not the file that was registered")
    return data.decode("utf-8", "replace")
