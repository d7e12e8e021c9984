"""`python_env.yaml`: the Python and the packages that an MLflow Project asks for.

The form is MLflow's own. What it does not say in these words is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.errors import MalformedInput
from connectors.mlflow.yaml_text import parse_mapping

LARGEST_BYTES = 256 * 1024
MOST_ENTRIES = 5_000
_KNOWN = ("python", "build_dependencies", "dependencies")
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,3}(\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class PythonEnv:
    """A file of that kind, read and checked."""

    python: str
    """`3.11` or `3.11.7`; empty: any."""
    build_dependencies: tuple[str, ...]
    """Lines of a requirement file; installed first."""
    dependencies: tuple[str, ...]


def read_python_env(data: bytes, what: str) -> PythonEnv:
    """Read one.

    Raises:
        MalformedInput: it is none, or says something that is not understood here.
    """
    if len(data) > LARGEST_BYTES:
        raise MalformedInput(f"{what} is larger than {LARGEST_BYTES} bytes")
    raw = parse_mapping(data, what)
    unknown = sorted(str(name) for name in raw.keys() - set(_KNOWN))
    if unknown:
        raise MalformedInput(
            f"{what}: nothing is known of {unknown[0][:80]!r}",
            hint=f"It may hold {', '.join(_KNOWN)}.",
        )
    python = raw.get("python")
    if python is not None and not (
        isinstance(python, str) and _VERSION.fullmatch(python)
    ):
        raise MalformedInput(
            f"{what}: {str(python)[:40]!r} is no version of Python",
            hint='Write it in quotes, as python: "3.11" or python: "3.11.7".',
        )
    return PythonEnv(
        python or "",
        _lines(raw, "build_dependencies", what),
        _lines(raw, "dependencies", what),
    )


def _lines(raw: dict[str, object], name: str, what: str) -> tuple[str, ...]:
    value = raw.get(name) or []
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise MalformedInput(f"{what}: {name} is a list of requirements")
    for one in value:
        if not isinstance(one, str) or len(one.splitlines()) > 1:
            raise MalformedInput(f"{what}: {name}: {str(one)[:80]!r} is no requirement")
    return tuple(value)
