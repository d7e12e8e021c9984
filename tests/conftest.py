"""What tests share: a home of their own, and stores to stand on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from console.services.configuration import Configuration
from console.services.demonstration import Demonstrated, run_demonstration
from console.services.opened import OpenStore, open_store
from console.services.places import Places
from tests.worlds import World, new_world

REPOSITORY = Path(__file__).resolve().parent.parent

# The same examples in every run and on every machine, however busy it is, so that a
# failure is of the change under test. To look for new ones:
# COUNTERSIGN_TEST_HYPOTHESIS=searching.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "searching", deadline=None, database=None, max_examples=5_000, print_blob=True
)
settings.load_profile(os.environ.get("COUNTERSIGN_TEST_HYPOTHESIS", "repeatable"))


WHOLE_RUNS = frozenset(
    {
        *("demo", "demo_store", "finished_demo", "moto", "place", "world"),
        *("bucket_world", "project", "here", "kept"),
    }
)
"""Fixtures that make a whole store or start a server: a second or more each test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands on a whole store or a server is left to `make test`, and so are
    the contracts of servers."""
    for item in items:
        stands_on_much = WHOLE_RUNS & set(getattr(item, "fixturenames", ()))
        if stands_on_much or REPOSITORY / "tests" / "contract" in item.path.parents:
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the keys, stores or settings of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("COUNTERSIGN_", "XDG_")) and not name.startswith(
            (
                "COUNTERSIGN_TEST_",
                "COUNTERSIGN_MLFLOW_",
                "COUNTERSIGN_REQUIRE_",
                "COUNTERSIGN_WRITE_",
            )
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory: pytest.TempPathFactory) -> Demonstrated:
    """One demonstration for the whole session: never change it."""
    folder = tmp_path_factory.mktemp("demo") / "d"
    return run_demonstration(folder, tell=lambda _: None)


@pytest.fixture
def demo(finished_demo: Demonstrated, tmp_path: Path) -> Demonstrated:
    """A copy of the demonstration that a test may change."""
    source, target = finished_demo.store.parent, tmp_path / "demo"
    shutil.copytree(source, target)
    for remembered in (target / "home").rglob("sources.json"):
        text = remembered.read_text()
        remembered.write_text(text.replace(str(source), str(target)))
    return Demonstrated(
        target / "store", target / "audit.zip", finished_demo.anchor, target / "home"
    )


@pytest.fixture
def demo_store(demo: Demonstrated) -> Iterator[OpenStore]:
    """The copied demonstration, opened with its own home."""
    places = Places(demo.home / "data", demo.home / "config")
    store = open_store(str(demo.store), places, Configuration())
    yield store
    store.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where peers are required, a skip for want of one is a failure."""
    report = yield
    if (
        os.environ.get("COUNTERSIGN_REQUIRE_PEERS")
        and report.skipped
        and "peer:" in str(report.longrepr)
    ):
        report.outcome = "failed"
        report.longrepr = f"a peer is required here: {report.longrepr}"
    return report


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh store with one person."""
    made = new_world(tmp_path / "world")
    yield made
    made.store.close()
