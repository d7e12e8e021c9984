"""The variables that the processes of a launch on this machine see: few, and named."""

from __future__ import annotations

import json
import os
from pathlib import Path

from connectors.pipelines.protocols import LaunchPlan, VirtualEnvironment

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ")


def variables_of_step(
    plan: LaunchPlan, launch: str, step: str, interpreter: Path
) -> dict[str, str]:
    """Those of a step: the kept and the named ones, and who it runs for."""
    kept = _here(_KEPT)
    context = {
        "countersign.launch": launch,
        "countersign.pipeline": plan.pipeline,
        "countersign.step": step,
    }
    own = {
        "PATH": f"{interpreter.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_RUN_CONTEXT": json.dumps(context),
    }
    if (interpreter.parent.parent / "pyvenv.cfg").is_file():
        own["VIRTUAL_ENV"] = str(interpreter.parent.parent)
    return kept | dict(plan.settings) | _here(plan.passed) | own


def variables_of_building(wanted: VirtualEnvironment) -> dict[str, str]:
    """Those of what builds an environment: the kept ones, and those for pip."""
    return _here((*_KEPT, "PYTHONPATH")) | dict(wanted.pip) | _here(wanted.passed)


def _here(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
