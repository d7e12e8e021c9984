"""Commands whose answer nobody reads, or that have nowhere to put it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNTERSIGN = [sys.executable, "-m", "console"]
ROOT = Path(__file__).resolve().parents[2]


def unread(
    *arguments: str, with_errors: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command into a pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [*COUNTERSIGN, *arguments],
            cwd=ROOT,
            stdout=writing,
            stderr=writing if with_errors else subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize("with_errors", [False, True])
def test_an_answer_that_nobody_reads_is_no_yes(with_errors: bool) -> None:
    done = unread("completion", "bash", with_errors=with_errors)
    assert (done.returncode, done.stderr or "") == (141, "")


@pytest.mark.parametrize("with_errors", [False, True])
def test_a_no_that_nobody_reads_is_not_taken_for_a_yes(
    tmp_path: Path, with_errors: bool
) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"no zip")
    given = ("verify", str(bad), "--anchor", "0" * 64)
    assert unread(*given, with_errors=with_errors).returncode in (1, 141)


def test_a_misuse_keeps_its_exit_code_where_nobody_reads_why(tmp_path: Path) -> None:
    given = ("models", "--store", str(tmp_path / "none"))
    assert unread(*given).returncode == 2
    assert unread(*given, with_errors=True).returncode == 141


def test_a_full_disk_is_said_and_is_no_yes() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COUNTERSIGN, "completion", "bash"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith("countersign: No space left on device\n")


def test_closed_output_is_said_before_anything_is_done(tmp_path: Path) -> None:
    command = " ".join(COUNTERSIGN)
    store = tmp_path / "store"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} init --store {store} >&-"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == "countersign: standard output is closed\n"
    assert not store.exists()


def test_closed_errors_change_no_exit_code(tmp_path: Path) -> None:
    command = " ".join(COUNTERSIGN)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} models --store {tmp_path}/none 2>&- <&-"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
