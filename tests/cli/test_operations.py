"""Every procedure in docs/operations.md is run as it stands, in a real shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "docs" / "operations.md").read_text()
SECTIONS = {
    title: "\n".join(re.findall(r"```sh\n(.*?)```", body, re.DOTALL))
    for title, body in re.findall(
        r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE
    )
}
RUNNABLE = [title for title, script in SECTIONS.items() if script]
TWO_PEOPLE = RUNNABLE[0]
ENROL_VERA = """
as vera
countersign key new vera
countersign key enrol --out "$HANDED/vera.offer" --name Vera --identity mlflow:vera
as dana
countersign key enrol "$HANDED/vera.offer" --role validator
"""
NEEDS_VERA = {
    "A new key for somebody",
    "A lost key",
    "A stolen key",
    "Somebody leaves",
    "Erasure",
}


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = folder / "bin" / "countersign"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m console "$@"\n')
    command.chmod(0o755)
    (folder / "handed").mkdir()
    prelude = """
set -eu
as() { export COUNTERSIGN_HOME="$PEOPLE/$1"; }
as dana
export COUNTERSIGN_ANCHOR=
COUNTERSIGN_ANCHOR=$(countersign init --name Dana)
"""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COUNTERSIGN_")
    } | {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "COUNTERSIGN_STORE": str(folder / "store"),
        "COUNTERSIGN_PASSPHRASE": "correct horse",
        "PEOPLE": str(folder / "people"),
        "HANDED": str(folder / "handed"),
        "BACKUP": str(folder / "backup"),
    }
    return subprocess.run(
        ["/bin/bash", "-c", prelude + script],
        env=variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_document_has_procedures_to_run() -> None:
    assert len(RUNNABLE) >= 10
    assert set(RUNNABLE) >= NEEDS_VERA


@pytest.mark.slow
@pytest.mark.parametrize("title", RUNNABLE)
def test_a_procedure_works_as_it_is_written(title: str, tmp_path: Path) -> None:
    script = SECTIONS[title]
    if title in NEEDS_VERA:
        script = ENROL_VERA + script
    if title == "Restore":
        script = SECTIONS["Backup"] + ENROL_VERA + script
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
