"""Every seed of the corpus has the verdict that its name says, now and later."""

from __future__ import annotations

import random
import time

import pytest

from tests.fuzz.corpus import FOLDER, made, seeds
from tests.fuzz.engine import Fuzzer
from tests.fuzz.targets import ACCEPTED, REFUSED, TARGETS, verdict


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_has_the_verdict_in_its_name(target: str) -> None:
    wrong = []
    for name, data in seeds(target):
        wanted = name.partition("-")[0]
        assert wanted in (ACCEPTED, REFUSED), f"decide about {name} and rename it"
        if verdict(target, data) != wanted:
            wrong.append(name)
    assert not wrong
    assert {name.partition("-")[0] for name, _ in seeds(target)} == {ACCEPTED, REFUSED}


def test_the_made_seeds_are_up_to_date() -> None:
    for name, data in made().items():
        stored = (FOLDER / name).read_bytes()
        assert stored == data, f"run: python -m tests.fuzz.corpus ({name})"


@pytest.mark.parametrize("target", TARGETS)
def test_half_a_second_of_fuzzing_finds_nothing(target: str) -> None:
    chance = random.Random(1)  # noqa: S311 - a repeatable test, no secret
    fuzzer = Fuzzer(target, [data for _, data in seeds(target)], chance)
    fuzzer.learn()
    fuzzer.search(time.monotonic() + 0.5)
    assert not fuzzer.findings, next(iter(fuzzer.findings.values())).problem
    assert fuzzer.covered


def test_the_engine_finds_an_error_that_a_reader_lets_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(data: bytes) -> None:
        if b"\\ud800" in data:
            raise KeyError("a reader let this out")

    monkeypatch.setitem(TARGETS, "json", careless)
    chance = random.Random(1)  # noqa: S311 - a repeatable test, no secret
    fuzzer = Fuzzer("json", [b'{"a":"x"}'], chance)
    fuzzer.search(time.monotonic() + 2)
    (finding,) = fuzzer.findings.values()
    assert "a reader let this out" in finding.problem
