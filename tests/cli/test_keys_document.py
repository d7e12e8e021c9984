"""The procedures in docs/keys.md are run as they stand, with a real agent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from store.key_algorithms import Algorithm
from tests.cli.test_operations import run
from tests.conftest import REPOSITORY
from tests.ssh_programs import need

TEXT = (REPOSITORY / "docs" / "keys.md").read_text()
SCRIPTS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
HOMES = 'mkdir -p "$PEOPLE/vera" "$PEOPLE/bruno"\n'
END = '[ -z "${SSH_AGENT_PID:-}" ] || kill "$SSH_AGENT_PID"\n'


@pytest.mark.peer
@pytest.mark.parametrize("script", SCRIPTS, ids=["agent", "sshsig"])
def test_a_procedure_of_the_page_on_keys_works_as_it_is_written(
    script: str, tmp_path: Path
) -> None:
    need("ssh-agent")
    done = run(HOMES + f"trap '{END}' EXIT\n" + script, tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_algorithm_and_scheme_is_on_the_page_on_keys() -> None:
    assert all(f"`{algorithm}`" in TEXT for algorithm in Algorithm)
    assert all(f"`{scheme}" in TEXT for scheme in ("agent:", "sshsig:", "pkcs11:"))
