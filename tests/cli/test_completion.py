"""Completion scripts: made from the parser itself, and used by a real shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from console.cli import COMMANDS, main
from console.cli.completing import SHELLS


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell_names_every_command(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = script(shell, capsys)
    if shell != "tcsh":
        named = [name for module in COMMANDS.values() for name in module]
        assert [name for name in named if name not in text] == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("pol", {"policy"}),
        ("policy li", {"lint", "list"}),
        ("gate --form", {"--format"}),
        ("lineage --format m", {"mermaid"}),
        ("pipeline launch --backend k", {"kubernetes", "kfp"}),
    ],
)
def test_bash_completes_commands_options_and_choices(
    words: str,
    expected: set[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    path = tmp_path / "script.bash"
    path.write_text(script("bash", capsys))
    asked = (
        f"source {path}; COMP_WORDS=(countersign {words}); "
        "COMP_CWORD=$((${#COMP_WORDS[@]}-1)); "
        "$(complete -p countersign | sed 's/.*-F \\([^ ]*\\) .*/\\1/') countersign "
        '"${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    found = subprocess.run(
        ["/bin/bash", "-c", asked], capture_output=True, text=True, check=True
    )
    assert expected <= {word.strip() for word in found.stdout.split()}


def test_the_zsh_script_is_read_by_zsh(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("zsh is not installed")
    path = tmp_path / "_countersign"
    path.write_text(script("zsh", capsys))
    subprocess.run([zsh, "-n", str(path)], check=True)


def test_a_shell_that_nobody_knows_is_misuse() -> None:
    with pytest.raises(SystemExit) as left:
        main(["completion", "cmd"])
    assert left.value.code == 2
