"""Cases beside policies: found, run, and written for a policy that has none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from console.services.problems import Misuse
from policies.authoring.case_reading import read_cases
from policies.authoring.case_running import CaseResult, never_refused, run_case
from policies.authoring.case_writing import write_cases
from policies.authoring.cases import LARGEST_CASES_BYTES, open_cases
from policies.document_reading import LARGEST_POLICY_BYTES, read_policy

SUFFIX = ".cases.toml"


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of the cases of one file."""

    path: str
    policy: str
    cases: tuple[CaseResult, ...]
    never_refused: tuple[str, ...]
    """Rules and approvals that every case meets: nothing shows that they can refuse."""


def find_cases(given: Path) -> list[Path]:
    """The files of cases that a person named: one, a policy's, or a folder's.

    Raises:
        Misuse: there are none.
    """
    if given.is_dir():
        found = sorted(given.rglob(f"*{SUFFIX}"))
    elif given.name.endswith(SUFFIX):
        found = [given]
    else:
        found = [cases_path(given)]
    if not found or not found[0].is_file():
        where = f"in {given}" if given.is_dir() else f"beside {given}"
        raise Misuse(
            f"there are no cases {where}",
            hint="Write the first from a policy: countersign policy test --init FILE",
        )
    return found


def cases_path(policy: Path) -> Path:
    """Where the cases of a policy stand."""
    return policy.with_name(policy.name.removesuffix(".toml") + SUFFIX)


def run_file(path: Path) -> FileResult:
    """Run every case of a file.

    Raises:
        MalformedPolicy: the file or its policy is malformed.
        Misuse: one of them cannot be read.
    """
    opened = open_cases(_read(path, LARGEST_CASES_BYTES), path=str(path))
    beside = path.parent / opened.policy
    data = _read(beside, LARGEST_POLICY_BYTES)
    policy = read_policy(data, path=str(beside))
    results = tuple(run_case(case, policy) for case in read_cases(opened, policy))
    return FileResult(
        path=str(path),
        policy=f"{policy.id} version {policy.version}",
        cases=results,
        never_refused=never_refused(results),
    )


def first_cases(policy_path: Path) -> bytes:
    """The text of the first cases of a policy.

    Raises:
        MalformedPolicy: it is none.
    """
    data = _read(policy_path, LARGEST_POLICY_BYTES)
    policy = read_policy(data, path=str(policy_path))
    return write_cases(policy, policy_path.name).encode()


def _read(path: Path, at_most: int) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(at_most + 1)
    except OSError as cause:
        raise Misuse(f"cannot read {path}: {cause.strerror}") from cause
