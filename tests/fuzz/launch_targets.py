"""Readers of what stands in a log about launches, and of what a plan of one holds."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.kubernetes_cron import (
    is_schedule,
    job_of,
    times_of,
)
from connectors.pipelines.protocols import Code, LaunchPlan
from connectors.pipelines.python_env import read_python_env
from connectors.pipelines.requirements import read_requirements
from console.services.pipelines.launch_evidence import read_commit_told
from policies.verdict import read_tree

_MOMENT = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


def check_verdict(data: bytes) -> None:
    """A recorded verdict is read back as it was written, and decides as itself."""
    tree = read_tree(data)
    assert read_tree(tree.to_bytes()) == tree
    assert tree.decides_as(tree)


def check_launch_evidence(data: bytes) -> None:
    """What was known of a commit is read back as it was written."""
    told = read_commit_told(data)
    assert read_commit_told(told.to_bytes()) == told


def plan_of(manifest: bytes) -> LaunchPlan:
    """A plan that would send a manifest."""
    lines = tuple(manifest.decode("utf-8", "surrogateescape").split("\n"))
    return LaunchPlan("kubernetes", "x", "p", "x", Code(), (), manifest=lines)


def check_schedule(data: bytes) -> None:
    """The times of a planned schedule are times, and its job is marked as its own."""
    plan = plan_of(data)
    times = times_of(plan)
    job = job_of(plan)
    assert is_schedule(plan)
    due = cron_times(times.cron, times.time_zone).after(_MOMENT)
    assert due is None or due > _MOMENT
    assert job["kind"] in ("Job", "Workflow")


def check_python_env(data: bytes) -> None:
    """What pip is given is read again as it is, and names no place but the project."""
    wanted = read_python_env(data, "python_env.yaml")
    lists = (wanted.build_dependencies, wanted.dependencies)
    for lines in lists:
        found = read_requirements(lines, "python_env.yaml", lambda _: data)
        again = read_requirements(found.lines, "x", lambda _: b"")
        assert again.lines == found.lines
        assert again.files == again.links == []
        assert not any(" @ " in line or "://" in line for line in found.lines)
