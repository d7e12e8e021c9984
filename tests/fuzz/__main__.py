"""Fuzz every reader for a while: python -m tests.fuzz --seconds 60 [--target NAME]."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.fuzz.corpus import FOLDER, seeds
from tests.fuzz.engine import Finding, Fuzzer
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Fuzz; 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    targets = arguments.target or list(TARGETS)
    found: list[Finding] = []
    for target in targets:
        chance = random.Random(arguments.seed)  # noqa: S311 - no secret
        fuzzer = Fuzzer(target, [data for _, data in seeds(target)], chance)
        fuzzer.learn()
        known = len(fuzzer.covered)
        fuzzer.search(time.monotonic() + arguments.seconds / len(targets))
        found += fuzzer.findings.values()
        sys.stdout.write(
            f"{target}: {fuzzer.runs} inputs, {len(fuzzer.covered)} steps of code "
            f"({len(fuzzer.covered) - known} new), {len(fuzzer.findings)} findings\n"
        )
        sys.stdout.flush()
    for finding in found:
        report(finding)
    return 1 if found else 0


def report(finding: Finding) -> None:
    """Keep a finding beside the corpus and show what it broke."""
    from store.objects import sha256_hex

    name = f"found-{sha256_hex(finding.data)[:12]}"
    path = FOLDER / finding.target / name
    path.write_bytes(finding.data)
    sys.stdout.write(f"\n{path}\n{finding.problem}\n")


if __name__ == "__main__":
    sys.exit(main())
