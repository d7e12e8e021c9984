"""Where an environment's registry keeps stages, as the configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import ConnectorRefused
from console.services.configuration import EnvironmentSetting, load_configuration
from console.services.places import Places
from console.services.problems import Misuse
from console.services.registry_slots import Slot, held, pointed, put, slot_of
from store.identifiers import model_key, model_version_key


def configured(folder: Path, lines: str) -> EnvironmentSetting:
    path = folder / "countersign.toml"
    path.write_text(f"[environments.prod]\nregistry = 'http://x'\n{lines}\n")
    places = Places(folder / "data", folder / "config")
    return load_configuration(places, explicit=str(path)).environment("prod")


def test_a_stage_is_a_legacy_stage_an_alias_or_an_alias_of_its_own_name(
    tmp_path: Path,
) -> None:
    setting = configured(
        tmp_path,
        "aliases = { production = 'champion' }\n"
        "stages = { staging = 'Staging' }\ntag = 'approved'",
    )
    assert slot_of(setting, "production") == Slot("champion")
    assert slot_of(setting, "staging") == Slot("Staging", is_stage=True)
    assert slot_of(setting, "shadow") == Slot("shadow")
    assert setting.tag == "approved"
    labels = [slot_of(setting, s).label for s in ("production", "staging")]
    assert labels == ["champion", "stage:Staging"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("stages = { production = 'production' }", "Staging, Production, Archived"),
        ("stages = { production = 7 }", "Staging, Production, Archived"),
        ("stages = 'Production'", "must map stages"),
        ("stages = ['Production']", "must map stages"),
        (
            "stages = { a = 'Production' }\naliases = { a = 'x' }",
            "an alias and a stage",
        ),
        ("tag = 7", "tag"),
    ],
)
def test_a_stage_that_mlflow_does_not_have_is_refused_with_its_line(
    tmp_path: Path, lines: str, said: str
) -> None:
    with pytest.raises(Misuse, match=said) as caught:
        configured(tmp_path, lines)
    assert "countersign.toml:3" in str(caught.value)


def test_several_versions_in_one_stage_are_none_that_was_approved() -> None:
    keys = [model_version_key("m", "fraud", number) for number in ("1", "2", "3")]
    found = pointed({keys[0]: "Production", keys[1]: "Production", keys[2]: "Staging"})
    model = model_key("m", "fraud")
    assert found == {
        (model, "stage:Production"): model_version_key("m", "fraud", "1, 2"),
        (model, "stage:Staging"): keys[2],
    }


class Aliases:
    """A registry that has aliases and nothing else."""

    address = "http://registry"

    def set_alias(self, model: str, alias: str, version: str) -> None:
        raise AssertionError("a stage is no alias")

    remove_alias = set_alias

    def read_alias(self, model: str, alias: str) -> str:
        raise AssertionError("a stage is no alias")


def test_a_registry_without_stages_refuses_and_says_what_to_do() -> None:
    slot = Slot("Production", is_stage=True)
    with pytest.raises(ConnectorRefused, match="no stages") as caught:
        put(Aliases(), slot, "fraud", "1")  # type: ignore[arg-type]
    assert "alias" in caught.value.hint
    with pytest.raises(ConnectorRefused, match="no stages"):
        held(Aliases(), slot, "fraud")  # type: ignore[arg-type]
