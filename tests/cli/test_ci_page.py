"""docs/ci.md is run as it stands: its YAML is read, its lines run on a real store."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from console.services.demonstration import Demonstrated
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "docs" / "ci.md").read_text()


def block(title: str, kind: str) -> str:
    """The one block of code in a section."""
    section = TEXT[TEXT.index(f"## {title}\n") :]
    found = re.search(rf"```{kind}\n(.*?)```", section, re.DOTALL)
    assert found is not None, title
    return found[1]


def page(title: str) -> Any:
    return yaml.safe_load(block(title, "yaml"))


def github() -> str:
    return str(page("GitHub Actions")["jobs"]["deploy"]["steps"][-1]["run"])


def gitlab() -> str:
    return "\n".join(page("GitLab CI")["gate"]["script"])


def argo() -> str:
    (template,) = page("Argo Workflows")["spec"]["templates"]
    assert template["container"]["command"] == ["sh", "-c"]
    return str(template["container"]["args"][0])


SCRIPTS = {
    "github": (github(), "gate.md"),
    "gitlab": (gitlab(), "gate.xml"),
    "argo": (argo(), "gate.sarif"),
    "signing": (block("Signing the answer", "sh"), "gate.vsa.json"),
}


@pytest.fixture
def job(demo: Demonstrated, tmp_path: Path) -> dict[str, str]:
    """The variables of a job on a machine that never saw the store."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "COUNTERSIGN_STORE": str(demo.store),
        "COUNTERSIGN_ANCHOR": demo.anchor,
        "COUNTERSIGN_DATA": str(tmp_path / "job-data"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GATE_KEY": str(next((demo.home / "config").rglob("vera.pem"))),
        "MODEL": "diabetes-progression",
    }


def folder_of(demo: Demonstrated, version: str) -> str:
    """The files of a version of the sample."""
    from console.services.configuration import Configuration
    from console.services.named_versions import find_version
    from console.services.opened import open_store
    from console.services.places import Places

    places = Places(demo.home / "data", demo.home / "config")
    store = open_store(str(demo.store), places, Configuration())
    location = find_version(store, f"model:diabetes-progression@{version}").location
    store.close()
    path = location.removeprefix("mlflow-artifacts:/")
    return str(demo.store.parent / "sample" / "mlartifacts" / path)


def run(script: str, job: dict[str, str], folder: Path) -> int:
    done = subprocess.run(
        ["bash", "-e", "-c", script], env=job, cwd=folder, capture_output=True
    )
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("system", SCRIPTS)
def test_a_job_as_the_page_has_it_stops_and_goes_on_as_the_gate_says(
    system: str, job: dict[str, str], demo: Demonstrated, tmp_path: Path
) -> None:
    script, written = SCRIPTS[system]
    job |= {"VERSION": "6", "MODEL_DIR": folder_of(demo, "6")}
    assert run(script, job, tmp_path) == 0
    assert (tmp_path / written).stat().st_size > 500
    assert run(script, job | {"VERSION": "5"}, tmp_path) == 1
    assert run(script, job | {"MODEL_DIR": str(tmp_path)}, tmp_path) == 1
    (tmp_path / written).unlink()
    assert run(script, job | {"COUNTERSIGN_ANCHOR": "0" * 64}, tmp_path) != 0
    assert not (tmp_path / written).exists()


def test_a_version_spelled_like_a_command_runs_nothing(
    job: dict[str, str], tmp_path: Path
) -> None:
    hostile = f'6"; touch {tmp_path}/ran; echo "$(touch {tmp_path}/ran)'
    for script, _ in SCRIPTS.values():
        job |= {"VERSION": hostile, "MODEL_DIR": str(tmp_path)}
        assert run(script, job, tmp_path) != 0
        assert not (tmp_path / "ran").exists()
    assert not re.search(r"run: \|.*\$\{\{", block("GitHub Actions", "yaml"), re.DOTALL)


def test_the_pipeline_component_runs_the_gate(
    job: dict[str, str], demo: Demonstrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's Python is run with the few names of kfp that it uses."""
    kfp = ModuleType("kfp")
    names: dict[str, Any] = {
        "container_component": lambda made: made,
        "ContainerSpec": SimpleNamespace,
    }
    names |= {"Input": {str: str}, "Model": str}
    monkeypatch.setattr(kfp, "dsl", SimpleNamespace(**names), raising=False)
    monkeypatch.setitem(sys.modules, "kfp", kfp)
    made: dict[str, Any] = {}
    exec(block("Kubeflow Pipelines", "python"), made)  # noqa: S102 - our own page
    spec = made["countersign_gate"](
        SimpleNamespace(path=folder_of(demo, "6")),
        "model:diabetes-progression@6",
        "production",
        str(demo.store),
        demo.anchor,
    )
    done = subprocess.run([*spec.command, *spec.args], env=job, capture_output=True)
    assert done.returncode == 0
