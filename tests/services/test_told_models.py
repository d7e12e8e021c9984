"""What `show` tells of a model: flavours, columns, environment and size, in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.artifacts import LocalArtifacts
from connectors.mlflow.rows import ExperimentRow, ModelRow, RunRow, VersionRow
from connectors.mlflow.telling import MlflowSource
from console.services.importing import import_source
from console.services.inspection import details
from console.services.signing import act_as_service
from console.services.told_models import told_of_model
from policies.evidence import FileDigest
from policies.trust_root import ServiceKind
from tests.worlds import World

MLMODEL = b"""
flavors:
  python_function: {python_version: 3.11.7, loader_module: mlflow.sklearn}
  sklearn: {pickled_model: model.pkl, sklearn_version: 1.9.1}
signature:
  inputs: '[{"type": "double", "name": "age", "required": true},
    {"type": "string", "name": "[/x]", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
  params: null
"""


class OneModel:
    """A registry with one version, whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def experiments(self) -> list[ExperimentRow]:
        return []

    def runs(self) -> list[RunRow]:
        return []

    def models(self) -> list[ModelRow]:
        return [ModelRow("fraud", "")]

    def versions(self) -> list[VersionRow]:
        at = self._folder.as_uri()
        return [VersionRow("fraud", "1", 1, "READY", "None", at, "")]


def test_show_tells_flavours_columns_environment_and_size(
    world: World, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_bytes(MLMODEL)
    (model / "model.pkl").write_bytes(b"x" * 1000)
    (model / "requirements.txt").write_text("scikit-learn==1.9.1\n")
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    reader = OneModel(model)
    source = MlflowSource("m", reader, LocalArtifacts(None))  # type: ignore[arg-type]  # lists are iterated too
    import_source(world.store, acting, source)
    fields = dict(details(world.store, "model:fraud@1").fields)
    assert fields["flavours"] == "python_function, sklearn 1.9.1"
    assert fields["python"] == "3.11.7"
    assert fields["inputs"] == "age: double, [/x]: string (optional)"
    assert fields["outputs"] == "float64[-1]"
    assert fields["environment"] == "requirements.txt"
    assert fields["size"] == f"{1000 + len(MLMODEL) + 20:,} bytes in 3 files"
    assert "inference parameters" not in fields


def test_many_columns_are_counted_and_not_listed() -> None:
    columns = [{"type": "double", "name": f"c{n}"} for n in range(30)]
    told = told_of_model([], json.dumps({"inputs": json.dumps(columns)}), [])
    assert told["inputs"].startswith("c0: double, c1: double")
    assert told["inputs"].endswith("c7: double and 22 more")


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "{}",
        "[]",
        "null",
        "7",
        "not JSON",
        '{"inputs": "not JSON"}',
        '{"inputs": 7}',
        '{"inputs": "[7]"}',
        '{"inputs": {"a": 1}}',
        '{"inputs": "' + "[" * 100_000 + '"}',
    ],
)
def test_signature_in_no_known_form_is_left_out(signature: str) -> None:
    told = told_of_model([], signature, [FileDigest("a", "00", 1, "")])
    assert told["inputs"] == told["outputs"] == ""
    assert told["size"] == "1 byte in 1 file"
