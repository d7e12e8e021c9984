"""The form of every JSON answer, byte for byte: scripts depend on it.

`COUNTERSIGN_WRITE_GOLDEN=1 pytest tests/cli/test_json_shapes.py` writes the file anew;
a changed form of a released answer needs a new schema version.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from console.cli import main
from console.services.demonstration import Demonstrated
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "cli" / "json_shapes.json"
MODEL = "model:diabetes-progression"
COMMANDS = {
    "models": ["models"],
    "experiments": ["experiments"],
    "runs": ["runs"],
    "datasets": ["datasets"],
    "commits": ["commits"],
    "search": ["search", "ridge"],
    "show version": ["show", f"{MODEL}@4"],
    "show run": ["show", "run:ridge-balanced"],
    "lineage": ["lineage", f"{MODEL}@6"],
    "diff": ["diff", f"{MODEL}@2", f"{MODEL}@6"],
    "history": ["history", MODEL],
    "status": ["status"],
    "impact": ["impact", f"{MODEL}@2"],
    "sql": ["sql", "SELECT name, number, started FROM metric"],
    "requests": ["requests"],
    "trust show": ["trust", "show"],
    "key list": ["key", "list"],
    "key show": ["key", "show", "vera"],
    "policy explain": ["policy", "explain", f"{MODEL}@5", "--to", "production"],
    "policy explain file": [
        "policy",
        "explain",
        str(REPOSITORY / "sample_data" / "policies" / "diabetes-production.toml"),
    ],
    "policy lint": [
        "policy",
        "lint",
        str(REPOSITORY / "sample_data" / "policies" / "diabetes-production.toml"),
    ],
    "policy test": [
        "policy",
        "test",
        str(REPOSITORY / "sample_data" / "policy_cases"),
    ],
    "policy list": ["policy", "list"],
    "policy list --all": ["policy", "list", "--all"],
    "policy diff": [
        "policy",
        "diff",
        "diabetes-production",
        str(REPOSITORY / "sample_data" / "policies" / "screening-production.toml"),
    ],
    "policy backtest": [
        *("policy", "backtest", "--each"),
        str(REPOSITORY / "sample_data" / "policies" / "diabetes-production.toml"),
    ],
    "gate": ["gate", f"{MODEL}@6", "--to", "production"],
    "log show": ["log", "show"],
    "log verify": ["log", "verify"],
    "scan": ["scan", str(REPOSITORY / "sample_data")],
}


def shape(value: Any) -> Any:
    """Keys and kinds of values; of a list, every form its members take."""
    if isinstance(value, dict):
        if value and all(not key.isidentifier() for key in value):
            return {"*": shape(next(iter(value.values())))}
        return {key: shape(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        forms = {json.dumps(shape(inner), sort_keys=True) for inner in value}
        return [json.loads(form) for form in sorted(forms)]
    return type(value).__name__


def test_the_form_of_every_answer_is_the_golden_one(
    demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
    found = {}
    for name, command in COMMANDS.items():
        main([*command, "--format", "json"])
        answer = json.loads(capsys.readouterr().out)
        tree = answer.pop("tree", None)
        found[name] = {"schema": answer["schema"], "form": shape(answer)}
        if tree is not None:
            leaf = tree["children"][0] | {"children": []}
            found[name]["tree"] = shape(leaf)
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if os.environ.get("COUNTERSIGN_WRITE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
