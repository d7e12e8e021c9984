"""Lint against a real store: its names, people, policies in force."""

from __future__ import annotations

from pathlib import Path

from console.services.opened import OpenStore
from console.services.policy_linting import lint_files
from policies.authoring.remarks import Severity
from tests.conftest import REPOSITORY

SAMPLE = REPOSITORY / "sample_data" / "policies" / "diabetes-production.toml"


def problems(store: OpenStore, path: Path) -> list[str]:
    report = lint_files([path], store.clock(), store)
    return [r.text for r in report.remarks if r.severity is Severity.PROBLEM]


def test_the_sample_policies_fit_the_sample_history(demo_store: OpenStore) -> None:
    assert problems(demo_store, SAMPLE) == []
    report = lint_files([SAMPLE], demo_store.clock(), demo_store)
    assert report.exit_code == 0
    assert [r.text.partition(":")[0] for r in report.remarks] == [
        "it is in force already",
        "nobody could waive a rule",
    ]


def test_misspelt_names_and_quorums_nobody_fills_are_found_in_the_store(
    demo_store: OpenStore, tmp_path: Path
) -> None:
    text = SAMPLE.read_text().replace("version = 1", "version = 2")
    text = text.replace('"rmse"', '"rsme"', 1).replace('"sex"', '"gender"', 1)
    text = text.replace('"diabetes-holdout"', '"diabetes-hold"')
    text = text.replace("count = 1", "count = 2", 1)
    path = tmp_path / "p.toml"
    path.write_text(text)
    assert problems(demo_store, path) == [
        "error-is-small: no run has a metric 'rsme'; did you mean 'rmse'?",
        "error-is-small: there is no dataset 'diabetes-hold'; did you mean "
        "'diabetes-holdout'?",
        "sexes-served-alike: no metric is sliced by 'gender'",
        "2 of the role validator are wanted for diabetes-progression in default, "
        "and 1 hold it",
    ]


def test_another_policy_for_the_same_transition_is_named(
    demo_store: OpenStore, tmp_path: Path
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(SAMPLE.read_text().replace('"diabetes-production"', '"another"'))
    found = problems(demo_store, path)
    assert len(found) == 1
    assert found[0].startswith("as specific as diabetes-production for ")
