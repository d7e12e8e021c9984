"""The rule about files: by name and size alone, in doubt where a name says little."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from policies.document_reading import read_policy
from policies.errors import MalformedPolicy
from policies.evidence import FileDigest
from policies.rules import evaluate_facts
from policies.rules.file_formats import FORMATS, possible_formats, suffixes_of
from policies.verdict import Node, Verdict
from tests.unit.policies.test_rules import GOOD, HEAD, QUORUMS


def judged(fields: str, *paths: str, size: int = 10) -> Node:
    rule = f'[[rules]]\nid = "safe"\nkind = "files"\n{fields}\n'
    files = tuple(FileDigest(path, "a" * 64, size) for path in paths)
    evidence = replace(GOOD, model=replace(GOOD.model, files=files))
    return evaluate_facts(
        read_policy((HEAD + rule + QUORUMS).encode()), evidence
    ).children[0]


NO_PICKLE = 'forbid = ["pickle"]'
ONLY_SAFE = 'allow = ["safetensors", "text"]'


@pytest.mark.parametrize(
    ("fields", "paths", "wanted"),
    [
        (NO_PICKLE, ("MLmodel", "model.safetensors"), Verdict.YES),
        (NO_PICKLE, ("MLmodel", "model.pkl"), Verdict.NO),
        (NO_PICKLE, ("weights/MODEL.PTH",), Verdict.NO),
        (NO_PICKLE, ("model.pkl.txt",), Verdict.YES),
        (NO_PICKLE, ("MLmodel/model.joblib",), Verdict.NO),
        (NO_PICKLE, ("pytorch_model.bin",), Verdict.UNKNOWN),
        (NO_PICKLE, ("arrays.npy",), Verdict.UNKNOWN),
        (NO_PICKLE, ("model",), Verdict.UNKNOWN),
        (NO_PICKLE, ("model.dat", "model.pkl"), Verdict.NO),
        (NO_PICKLE, (), Verdict.UNKNOWN),
        ('forbid = ["pickle", "binary"]', ("pytorch_model.bin",), Verdict.NO),
        (ONLY_SAFE, ("MLmodel", "conda.yaml", "a.safetensors"), Verdict.YES),
        (ONLY_SAFE, ("MLmodel", "model.onnx"), Verdict.NO),
        (ONLY_SAFE, ("MLmodel", "model"), Verdict.UNKNOWN),
        ('allow = ["numpy"]', ("a.npz",), Verdict.UNKNOWN),
        ('allow = ["numpy", "pickle"]', ("a.npz",), Verdict.YES),
        ("largest_bytes = 10", ("anything",), Verdict.YES),
        ("largest_bytes = 9", ("anything",), Verdict.NO),
        (f"{NO_PICKLE}\nlargest_bytes = 9", ("model",), Verdict.NO),
    ],
)
def test_a_name_decides_only_what_it_says(
    fields: str, paths: tuple[str, ...], wanted: Verdict
) -> None:
    assert judged(fields, *paths).verdict is wanted
    assert judged(fields, *paths[::-1]).verdict is wanted


@pytest.mark.parametrize(
    ("path", "told", "wanted"),
    [
        ("model.txt", "pickle", Verdict.NO),
        ("model.pkl", "skops", Verdict.YES),
        ("model.pkl", "harmless", Verdict.NO),
        ("model.pkl", "", Verdict.NO),
    ],
)
def test_how_a_file_is_loaded_goes_before_its_name(
    path: str, told: str, wanted: Verdict
) -> None:
    rule = f'[[rules]]\nid = "safe"\nkind = "files"\n{NO_PICKLE}\n'
    files = (FileDigest(path, "a" * 64, 1, told),)
    evidence = replace(GOOD, model=replace(GOOD.model, files=files))
    policy = read_policy((HEAD + rule + QUORUMS).encode())
    assert evaluate_facts(policy, evidence).verdict is wanted


def test_the_files_that_decide_are_named_and_the_rest_counted() -> None:
    found = judged(NO_PICKLE, *(f"{n}.pkl" for n in range(7)), "MLmodel").children[0]
    assert found.observed == "0.pkl, 1.pkl, 2.pkl, 3.pkl, 4.pkl and 2 more"


def test_every_suffix_stands_for_its_format_in_any_case_and_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "policies.md").read_text()
    for name in FORMATS:
        for suffix in suffixes_of(name):
            assert re.search(rf"\{suffix}\b", text), suffix
            assert name in possible_formats(f"folder/x{suffix.upper()}")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("", "says forbid, allow or largest_bytes"),
        ('forbid = ["pickle"]\nallow = ["pickle"]', "both forbidden and allowed"),
        ('forbid = ["pickel"]', "pickle"),
        ("forbid = []", "list of texts"),
        ("largest_bytes = 0", "1 or more"),
    ],
)
def test_a_rule_about_files_that_makes_no_sense_is_refused(
    fields: str, said: str
) -> None:
    with pytest.raises(MalformedPolicy, match=said):
        judged(fields)
