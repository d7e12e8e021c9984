"""`status --watch` asks the registries, keeps what they said and never goes blank."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from console.cli import main
from console.cli.context import Context
from console.cli.watching import watch
from console.services.configuration import Configuration, EnvironmentSetting
from console.services.founding import activate_policy
from console.services.importing import import_address
from console.services.problems import Misuse, Undecided
from console.services.signing import act_as_service
from console.services.watching import ReadBy, Watch
from policies.trust_root import ServiceKind
from tests.mlflow_folders import Registry
from tests.worlds import World

POLICY = b"""\
schema = "countersign/policy/v1"
id = "fraud"
version = 1
description = "One validator."
[applies]
models = ["fraud"]
to = ["production"]
[[rules]]
id = "bytes"
kind = "artifact_unchanged"
[[approvals]]
role = "validator"
count = 1
"""


@pytest.fixture
def registry(world: World, tmp_path: Path) -> Registry:
    """A registry with two versions and no alias, imported, under a policy."""
    made = Registry(tmp_path / "mlruns")
    made.version("fraud", 1)
    made.version("fraud", 2)
    world.hire("vera", "validator")
    activate_policy(world.store, world.people["dana"], POLICY)
    read_again(world, made)
    return made


def read_again(world: World, registry: Registry) -> None:
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    import_address(world.store, acting, str(registry.path), name="dev")


def watched(
    world: World, *turns: Callable[[], object], every: str = "30s", form: str = "table"
) -> int:
    """Watch while something happens after each look; ctrl-C after the last."""
    context = Context(argparse.Namespace(watch=True, every=every, format=form))
    context.__dict__["store"] = world.store
    waiting = iter(turns)

    def sleep(seconds: float) -> None:
        world.clock.forward(seconds=seconds)
        following = next(waiting, None)
        if following is None:
            raise KeyboardInterrupt
        following()

    return watch(context, sleep=sleep)


def test_a_move_behind_our_back_is_told_without_an_import_and_so_is_its_end(
    world: World, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    size = world.store.index.size
    code = watched(
        world,
        lambda: registry.point("fraud", {"production": 2}),
        lambda: None,
        lambda: registry.point("fraud", {}),
    )
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "2026-03-01 12:00:00 UTC  every registry says what the log approves",
        "2026-03-01 12:00:30 UTC  dev/fraud production in default: the registry has 2, "
        "the log approves nothing",
        "    Next: countersign request model:dev/fraud@2 --to production "
        "--reason TEXT; or take it away.",
        "2026-03-01 12:01:30 UTC  dev/fraud production in default: no longer a "
        "difference",
        "2026-03-01 12:01:30 UTC  every registry says what the log approves",
    ]
    assert "dev: asked live" in err
    assert code == 0
    assert world.store.index.size == size


def test_the_exit_code_is_that_of_the_last_state(
    world: World, registry: Registry
) -> None:
    assert watched(world) == 0
    assert watched(world, lambda: registry.point("fraud", {"production": 1})) == 1
    gone = registry.path.with_name("away")
    assert watched(world, lambda: registry.path.rename(gone)) == 3
    gone.rename(registry.path)
    assert watched(world) == 1


def test_a_registry_that_is_silent_leaves_what_it_said_with_its_age(
    world: World, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.point("fraud", {"production": 2})
    gone = registry.path.with_name("away")
    look = Watch(world.store)
    first = look.look()
    registry.path.rename(gone)
    world.clock.forward(minutes=5)
    second = look.look()
    assert second.unapproved_changes == first.unapproved_changes != ()
    (compared,) = second.compared
    assert (compared.by, compared.at) == (ReadBy.LIVE, first.at)
    assert compared.problem
    assert (first.exit_code, second.exit_code) == (1, 3)
    code = watched(world, *[lambda: None] * 25, lambda: gone.rename(registry.path))
    lines = capsys.readouterr().out.splitlines()
    assert sum("dev cannot be asked" in line for line in lines) == 2
    assert "    Shown is the last import at 2026-03-01 12:00:00 UTC." in lines
    assert any(line.endswith("dev can be read again") for line in lines)
    assert "the registry has 2" in lines[-2]
    assert code == 1


def test_a_change_in_one_registry_is_a_no_though_another_is_silent(
    world: World, registry: Registry, tmp_path: Path
) -> None:
    other = Registry(tmp_path / "other")
    other.version("fraud", 1)
    acting = act_as_service(world.store, world.store.state(), ServiceKind.IMPORT)
    import_address(world.store, acting, str(other.path), name="second")
    registry.path.rename(tmp_path / "away")
    other.point("fraud", {"production": 1})
    look = Watch(world.store).look()
    assert [bool(one.problem) for one in look.compared] == [True, False]
    assert look.exit_code == 1


def test_a_source_that_this_machine_cannot_ask_is_compared_as_imported(
    world: World, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.point("fraud", {"production": 2})
    world.clock.forward(minutes=1)
    read_again(world, registry)
    (world.store.folder / "sources.json").unlink()
    assert watched(world) == 1
    assert "dev: as of the last import, 2026-03-01 12:01:00" in capsys.readouterr().err


def test_an_environment_is_asked_at_its_own_registry(
    world: World, registry: Registry
) -> None:
    (world.store.folder / "sources.json").unlink()
    setting = EnvironmentSetting(
        registry=str(registry.path), source="dev", aliases={"production": "champion"}
    )
    world.store.configuration = Configuration(environments={"prod": setting})
    registry.point("fraud", {"champion": 1, "production": 2})
    look = Watch(world.store).look()
    assert [one.by for one in look.compared] == [ReadBy.LIVE]
    (change,) = look.unapproved_changes
    assert (change.environment, change.registry) == ("prod", "1")
    assert change.since == world.clock.now


def test_json_is_one_object_a_line_for_each_change(
    world: World, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    watched(
        world,
        lambda: None,
        lambda: registry.point("fraud", {"production": 2}),
        lambda: None,
        form="json",
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["exit_code"] for line in lines] == [0, 1]
    assert {line["schema"] for line in lines} == {"countersign/status-watch/v1"}
    assert [len(line["unapproved_changes"]) for line in lines] == [0, 1]
    assert [sorted(line) for line in lines] == 2 * [
        [
            "at",
            "compared",
            "exit_code",
            "problem",
            "schedules",
            "schema",
            "unapproved_changes",
        ]
    ]
    assert sorted(lines[0]["compared"][0]) == ["at", "by", "problem", "source"]


def test_a_hostile_alias_reaches_no_terminal(
    world: World, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.point("fraud", {"production": 2})
    path = registry.path / "models" / "fraud" / "aliases" / "production"
    path.write_text("2\x1b]52;c;aGk=\x07 [/x]")
    assert watched(world) == 1
    assert "\x1b" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("every", ["0", "0s", "-1", "2d", "x", "", "9" * 5000, "1e3s"])
def test_an_impossible_span_is_misuse(
    world: World, registry: Registry, every: str
) -> None:
    if every:
        with pytest.raises(Misuse):
            watched(world, every=every)
    else:
        assert watched(world, every=every) == 0


def test_without_a_policy_nothing_can_be_told(world: World) -> None:
    with pytest.raises(Undecided, match="no policy in force"):
        watched(world)


def test_a_name_made_for_a_shell_is_quoted_in_the_next_step(
    world: World, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.point("fraud", {"production": 2})
    path = registry.path / "models" / "fraud" / "aliases" / "production"
    path.write_text("2; rm -rf $HOME")
    watched(world)
    assert "'model:dev/fraud@2; rm -rf $HOME'" in capsys.readouterr().out


def test_a_span_without_a_watch_is_misuse(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_STORE", world.store.address)
    assert main(["status", "--every", "5s"]) == 2
