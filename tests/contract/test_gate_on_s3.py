"""The gate on a store in a bucket: quick to start, and honest while it is cut off."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.services.demonstration import Demonstrated
from tests.contract.s3_places import S3Place, copy_store

GATE = ("gate", "model:diabetes-progression@6", "--to", "production")
NOWHERE = "http://127.0.0.1:9"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(
    moto: S3Place, demo: Demonstrated, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Runs the program on the demonstration's store, which lies in a bucket."""
    for name, value in moto.variables().items():
        monkeypatch.setenv(name, value)
    address = moto.address()
    copy_store(demo.store, address)
    environment = os.environ | {
        "COUNTERSIGN_STORE": address,
        "COUNTERSIGN_HOME": str(demo.home),
    }

    def start(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment | changes,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )

    return start


def test_the_gate_imports_neither_boto3_nor_duckdb(run: Run) -> None:
    code = (
        "import sys\nfrom console.cli import main\n"
        f"code = main({list(GATE)!r})\n"
        "assert not {'boto3', 'botocore', 'duckdb', 'textual'} & set(sys.modules)\n"
        "sys.exit(code)"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_gate_that_is_cut_off_could_not_tell_unless_a_recent_head_will_do(
    run: Run,
) -> None:
    assert run("-m", "console", *GATE).returncode == 0
    cut_off = run("-m", "console", *GATE, AWS_ENDPOINT_URL_S3=NOWHERE)
    assert cut_off.returncode == 3, cut_off.stdout
    assert "--max-age" in cut_off.stderr
    allowed = run(
        "-m", "console", *GATE, "--max-age", "1h", AWS_ENDPOINT_URL_S3=NOWHERE
    )
    assert allowed.returncode == 0, allowed.stderr
    assert "does not answer; this is what this machine read" in allowed.stderr
    assert run("-m", "console", *GATE, "--max-age", "soon").returncode == 2


def test_what_only_reads_goes_on_while_cut_off_and_says_so(run: Run) -> None:
    for command in (("status",), ("log", "show"), ("requests",), ("trust", "show")):
        before = run("-m", "console", *command)
        assert "does not answer" not in before.stderr
        after = run("-m", "console", *command, AWS_ENDPOINT_URL_S3=NOWHERE)
        assert after.returncode == before.returncode, after.stderr
        assert after.stdout == before.stdout
        assert "this is what this machine read 20" in after.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("request", "model:diabetes-progression@6", "--to", "production"),
        ("promote", "000000"),
        ("approve", "000000"),
    ],
)
def test_decisions_while_cut_off_could_not_tell(
    run: Run, command: tuple[str, ...]
) -> None:
    assert run("-m", "console", "log", "show").returncode == 0
    extra = () if command[0] == "promote" else ("--reason", "because")
    done = run("-m", "console", *command, *extra, AWS_ENDPOINT_URL_S3=NOWHERE)
    assert done.returncode == 3, (done.returncode, done.stderr)
