"""Policies that two people must endorse: proposed, signed by another, replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.cli import main
from console.services.opened import OpenStore
from console.services.policy_history import (
    VersionStanding,
    endorse_policy,
    find_policy,
    policy_named,
    policy_versions,
    to_endorse,
)
from console.services.problems import Misuse, Refusal
from console.services.revoking import revoke
from console.services.rotating import Changes
from policies.predicates import RevocationCause
from tests.conftest import REPOSITORY
from tests.services.test_rotation import rotated
from tests.worlds import World

FIRST = (REPOSITORY / "docs" / "policy-vectors" / "good-smallest.toml").read_text()
SECOND = FIRST.replace("version = 1", "version = 2").replace("60.0", "50.0")
OTHER_SECOND = FIRST.replace("version = 1", "version = 2").replace("60.0", "70.0")
CHANGE = "small-error stricter: rmse at most 60.0 -> rmse at most 50.0"


@pytest.fixture
def two(world: World) -> World:
    """A store in which two people must endorse a policy."""
    world.hire("vera", "validator")
    grant = Changes(grant={"Vera": ("policy",)}, policy_threshold=2)
    assert rotated(world, grant, "dana")
    return world


def endorse(world: World, name: str, text: str) -> VersionStanding:
    _, version = endorse_policy(world.store, world.people[name], text.encode())
    return version.standing


def standings(store: OpenStore) -> list[tuple[int, str, tuple[str, ...]]]:
    return [
        (v.version, v.standing.value, v.endorsed_by) for v in policy_versions(store)
    ]


def test_a_policy_waits_for_the_second_person_and_says_who_signed(two: World) -> None:
    assert endorse(two, "dana", FIRST) is VersionStanding.PROPOSED
    assert standings(two.store) == [(1, "proposed", ("Dana",))]
    waiting = to_endorse(two.store, "production")
    assert waiting.data == FIRST.encode()
    assert endorse(two, "dana", FIRST) is VersionStanding.PROPOSED, "one person is one"
    assert endorse(two, "vera", FIRST) is VersionStanding.IN_FORCE
    assert standings(two.store) == [(1, "in force", ("Dana", "Vera"))]
    with pytest.raises(Refusal, match="is in force; nothing waits"):
        to_endorse(two.store, "production")


def test_the_history_says_what_each_version_changed(two: World) -> None:
    for text in (FIRST, SECOND):
        for name in ("dana", "vera"):
            endorse(two, name, text)
    found = policy_versions(two.store)
    assert [v.standing.value for v in found] == ["replaced", "in force"]
    assert [v.changes for v in found] == [(), (CHANGE,)]
    assert [v.wanted for v in found] == [2, 2]
    assert find_policy(two.store, "production").version == 2
    assert find_policy(two.store, "production@1").version == 1
    assert policy_named(two.store, "production@1").version == 1
    with pytest.raises(Misuse, match="no policy 'producton'"):
        find_policy(two.store, "producton")


def test_of_two_documents_that_wait_the_second_is_passed_over(two: World) -> None:
    for name in ("dana", "vera"):
        endorse(two, name, FIRST)
    endorse(two, "dana", SECOND)
    endorse(two, "vera", OTHER_SECOND)
    with pytest.raises(Misuse, match="several documents wait"):
        to_endorse(two.store, "production@2")
    assert endorse(two, "vera", SECOND) is VersionStanding.IN_FORCE
    assert [s for _, s, _ in standings(two.store)] == [
        "replaced",
        "in force",
        "passed over",
    ]


def test_an_endorsement_by_a_stolen_key_no_longer_counts(two: World) -> None:
    endorse(two, "dana", FIRST)
    endorse(two, "vera", SECOND.replace("version = 2", "version = 1"))
    entry = two.store.index.size - 1
    key = two.people["vera"].key.id
    revoke(
        two.store,
        two.people["dana"],
        f"key:{key}",
        RevocationCause.COMPROMISED,
        "stolen",
        since=entry,
    )
    assert standings(two.store) == [(1, "proposed", ("Dana",)), (1, "passed over", ())]


def test_the_commands_sign_what_waits_and_list_all(
    two: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATA", str(two.places.data))
    monkeypatch.setenv("COUNTERSIGN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COUNTERSIGN_STORE", two.store.address)
    keys = {name: str(two.places.keys / f"{name}.pem") for name in ("dana", "vera")}
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text(FIRST)
    second.write_text(SECOND)
    for name in keys:
        assert main(["policy", "activate", str(first), "--key", keys[name]]) == 0
    assert main(["policy", "activate", str(second), "--key", keys["dana"]]) == 0
    assert "waiting for 1 more: countersign policy sign" in capsys.readouterr().err
    assert main(["policy", "list", "--all"]) == 0
    out = capsys.readouterr().out
    assert "production version 2: proposed" in out
    assert "  endorsed by Dana; 2 wanted" in out
    assert f"  {CHANGE}" in out
    assert main(["policy", "show", "production@2"]) == 0
    assert capsys.readouterr().out == SECOND
    assert main(["policy", "show", "production"]) == 0
    assert capsys.readouterr().out == FIRST
    assert main(["policy", "sign", "production", "--key", keys["vera"]]) == 0
    told = capsys.readouterr().err
    assert CHANGE in told
    assert "production version 2, in force" in told
    assert main(["policy", "sign", "production", "--key", keys["vera"]]) == 1
    assert main(["policy", "sign", "nothing", "--key", keys["vera"]]) == 2
    assert main(["policy", "sign", str(second), "--key", keys["vera"]]) == 1
    assert main(["policy", "diff", "production@1", str(second)]) == 0
    assert capsys.readouterr().out == CHANGE + "\n"
    assert main(["policy", "diff", "production@9", str(second)]) == 2


def test_signing_warns_of_a_policy_that_would_bar_what_another_allows(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATA", str(world.places.data))
    monkeypatch.setenv("COUNTERSIGN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COUNTERSIGN_STORE", world.store.address)
    key = str(world.places.keys / "dana.pem")
    path = tmp_path / "p.toml"
    path.write_text(FIRST)
    assert main(["policy", "activate", str(path), "--key", key]) == 0
    assert "warning" not in capsys.readouterr().err
    path.write_text(FIRST.replace('id = "production"', 'id = "other"'))
    assert main(["policy", "sign", str(path), "--key", key]) == 0
    assert "warning: as specific as production for any" in capsys.readouterr().err


def test_no_text_of_a_policy_can_pass_for_a_line_of_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text(FIRST)
    spoof = '"x\\nentry 9: production version 2, in force\\u001b[2J"'
    second.write_text(FIRST.replace('"What it takes."', spoof))
    assert main(["policy", "diff", str(first), str(second)]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "\x1b" not in out


def test_a_diff_of_files_needs_no_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text(FIRST)
    second.write_text(SECOND)
    assert main(["policy", "diff", str(first), str(second)]) == 0
    assert capsys.readouterr().out == CHANGE + "\n"
    assert main(["policy", "diff", str(first), str(first)]) == 0
    assert "They ask the same" in capsys.readouterr().err
    assert main(["policy", "diff", str(first), "production"]) == 2
    second.write_text("x")
    assert main(["policy", "diff", str(first), str(second)]) == 2
