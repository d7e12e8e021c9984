"""The console as its user meets it: real keys, what stands on the screen, any size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from console.actions import ALL, CANCEL
from console.app import CountersignApp
from console.rendering import printable
from console.screens.detail import DetailScreen
from console.screens.review import ReviewScreen
from console.screens.signing import SigningDialog
from console.services.opened import OpenStore
from store.facts import Fact, FactKind
from store.identifiers import model_key, model_version_key, run_key
from tests.cli.test_command_line import HOSTILE
from tests.worlds import World

SIZES = [(40, 12), (80, 24), (200, 60)]


async def settle(pilot: Pilot[int]) -> None:
    """Wait for questions, their answers and what these draw: until nothing has changed
    for a while."""
    seen, quiet = "", 0
    for _ in range(200):
        await pilot.pause(0.02)
        await pilot.app.workers.wait_for_complete()
        drawn = on_screen(pilot.app)
        quiet = quiet + 1 if drawn == seen else 0
        seen = drawn
        if quiet == 8:
            break
    await pilot.pause()


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    """Let the screen go on until something holds."""
    for _ in range(300):
        if holds():
            return
        await pilot.pause(0.1)
    raise AssertionError(on_screen(pilot.app))


def on_screen(app: App[int]) -> str:
    """Every character a person sees."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip) for strip in lines[:height])[
        : (width + 1) * height
    ]


@pytest.fixture
def app(demo_store: OpenStore) -> CountersignApp:
    return CountersignApp(demo_store)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_every_view_opens_by_its_key_at_any_size(
    app: CountersignApp, size: tuple[int, int]
) -> None:
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for key, word in (
            ("1", "Overview"),
            ("2", "Models"),
            ("3", "Requests"),
            ("4", "Runs"),
            ("5", "Log"),
            ("6", "Trust"),
            ("7", "Policies"),
        ):
            await pilot.press(key)
            await settle(pilot)
            assert word in on_screen(app)
            assert app.screen.query(DataTable).first().row_count > 0


async def test_the_overview_shows_production_what_waits_and_what_is_wrong(
    app: CountersignApp,
) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        seen = on_screen(app)
    assert "diabetes-progression" in seen
    assert "DEMO KEYS" in seen
    assert "production is 5, the log says 6" in seen
    assert "uncommitted changes" in seen


async def test_a_policy_is_read_in_plain_words(app: CountersignApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("7")
        await settle(pilot)
        assert "diabetes-production 1" in on_screen(app)
        assert "1 x validator, 1 x risk" in on_screen(app)
        await pilot.press("enter")
        await settle(pilot)
        seen = on_screen(app)
        assert "When a version of a model named diabetes-* is to go" in seen
        assert "error-is-small: rmse at most 55.0" in seen
        await pilot.press("escape")
        await settle(pilot)
        assert "diabetes-production 1" in on_screen(app)


async def test_a_version_opens_with_its_lineage_both_ways(app: CountersignApp) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        await pilot.press("2")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)
        seen = on_screen(app)
        assert "Came from: diabetes-progression@6" in seen
        assert "read training: dataset-version" in seen
        assert "Came of it" in seen
        await pilot.press("escape")
        assert not isinstance(app.screen, DetailScreen)


async def open_request(pilot: Pilot[int], row: int) -> None:
    await settle(pilot)
    await pilot.press("3")
    await settle(pilot)
    await pilot.press(*["down"] * row, "enter")
    await settle(pilot)
    assert isinstance(pilot.app.screen, ReviewScreen)


async def test_signing_starts_on_cancel_and_wants_the_name_typed(
    app: CountersignApp,
) -> None:
    before = app.store.index.size
    async with app.run_test(size=(80, 24)) as pilot:
        await open_request(pilot, 2)
        await pilot.press("x")
        await pilot.pause()
        dialog = app.screen
        assert isinstance(dialog, SigningDialog)
        assert dialog.focused is not None
        assert dialog.focused.id == "cancel"
        seen = on_screen(app)
        assert "Policy: diabetes-production version 1" in seen
        assert "Short code" in seen
        dialog.query_one("#key", Input).value = "rik"
        dialog.query_one("#reason", Input).value = "no"
        dialog.query_one("#name", Input).value = "something else"
        dialog.query_one("#sign").focus()
        await pilot.press("enter")
        await pilot.pause()
        complaint = dialog.query_one("#complaint", Static)
        assert "Nothing was signed" in str(complaint.render())
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, ReviewScreen)
    assert app.store.catch_up() == before


async def test_a_rejection_signed_on_screen_is_in_the_log(app: CountersignApp) -> None:
    before = app.store.index.size
    async with app.run_test(size=(100, 30)) as pilot:
        await open_request(pilot, 2)
        await pilot.press("x")
        await pilot.pause()
        for field, text in (
            ("#key", "rik"),
            ("#reason", "one sex pays"),
            ("#name", "diabetes-progression"),
        ):
            app.screen.query_one(field, Input).value = text
        app.screen.query_one("#sign").focus()
        await pilot.press("enter")
        await settle(pilot)
        assert "reject by Rik Jansen as risk" in on_screen(app)
    assert app.store.catch_up() == before + 1


async def test_a_problem_is_told_with_its_next_step_and_the_screen_stays(
    app: CountersignApp,
) -> None:
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await open_request(pilot, 0)
        await pilot.press("a")
        await pilot.pause()
        for field, text in (
            ("#key", "ana"),
            ("#reason", "mine"),
            ("#name", "tumour-screening"),
        ):
            app.screen.query_one(field, Input).value = text
        app.screen.query_one("#sign").focus()
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, ReviewScreen)
        told = list(app._notifications)
        assert any("none of the roles" in notice.message for notice in told)
        assert any("Ask an enroller" in notice.message for notice in told)


async def test_read_only_dims_every_change_and_says_so(demo_store: OpenStore) -> None:
    app = CountersignApp(demo_store, is_read_only=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await open_request(pilot, 1)
        assert "READ-ONLY" in on_screen(app)
        for key in ("a", "x", "p"):
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(app.screen, ReviewScreen)


async def test_help_and_palette_open(app: CountersignApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        assert app.screen.query("HelpPanel")
        await pilot.press("question_mark")
        await pilot.pause()
        assert not app.screen.query("HelpPanel")
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert "CommandPalette" in type(app.screen).__name__


async def test_without_colour_every_state_is_still_a_word(
    demo_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = CountersignApp(demo_store)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("5")
        await settle(pilot)
        assert "accepted" in on_screen(app)


async def test_an_object_can_be_opened_at_start(demo_store: OpenStore) -> None:
    app = CountersignApp(demo_store, reference="model:diabetes-progression@2")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert "Came from: diabetes-progression@2" in on_screen(app)


async def test_hostile_names_are_drawn_escaped_in_every_view(world: World) -> None:
    facts = []
    for text in HOSTILE:
        version, model = (
            model_version_key("mlflow", text, "1"),
            model_key("mlflow", text),
        )
        run = run_key("mlflow", text)
        facts += [
            Fact(kind=FactKind.RUN, subject=run, name=text, actor=text, status=text),
            Fact(kind=FactKind.TAG, subject=run, name=text, text=text),
            Fact(kind=FactKind.MODEL, subject=model, name=text),
            Fact(kind=FactKind.MODEL_VERSION, subject=version, name="1", object=model),
            Fact(
                kind=FactKind.EDGE,
                subject=run,
                name="produced",
                object=version,
                strength="declared",
            ),
        ]
    world.tell(*facts)
    app = CountersignApp(world.store)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for view in ("1", "2", "3", "4", "5"):
            await pilot.press(view)
            await settle(pilot)
            drawn = on_screen(app)
            assert printable(drawn.replace("\n", "")) == drawn.replace("\n", "")
        await pilot.press("2")
        await settle(pilot)
        for _ in HOSTILE:
            await pilot.press("enter")
            await settle(pilot)
            assert isinstance(app.screen, DetailScreen)
            drawn = on_screen(app).replace("\n", "")
            assert printable(drawn) == drawn
            await pilot.press("escape", "down")
            await settle(pilot)


def test_action_ids_are_unique_and_no_view_has_two_on_one_key() -> None:
    ids = [action.id for action in ALL]
    keys = [action.key for action in ALL if action not in CANCEL]
    assert len(set(ids)) == len(ids)
    assert len(set(keys)) == len(keys)


async def test_at_80x24_nothing_of_the_review_is_cut_off_and_its_keys_stand_below(
    app: CountersignApp,
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await open_request(pilot, 1)
        drawn = on_screen(app)
        for word in ("Approve", "Reject", "Promote", "Back", "Quit"):
            assert word in drawn
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        assert screen.query_one("#text").size.width <= 80
        assert screen.query_one("#paper").max_scroll_x == 0


async def test_a_run_opens_and_a_thing_in_its_tree_opens_too(
    app: CountersignApp,
) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        await pilot.press("4")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)
        assert "Came from: " in on_screen(app)
        app.screen.query_one("#up").focus()
        await pilot.press("down", "enter")
        await settle(pilot)
        assert len([s for s in app.screen_stack if isinstance(s, DetailScreen)]) == 2


async def test_the_trust_view_shows_every_key_and_what_was_revoked(
    world: World,
) -> None:
    from console.services.revoking import revoke
    from policies.predicates import RevocationCause

    world.hire("vera", "validator")
    key = world.people["vera"].key.id
    revoke(
        world.store,
        world.people["dana"],
        f"key:{key}",
        RevocationCause.COMPROMISED,
        "stolen",
        since=1,
    )
    app = CountersignApp(world.store)
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot)
        await pilot.press("6")
        await settle(pilot)
        seen = on_screen(app)
    assert "root 1, 1 must sign, expires 2028-02-29" in seen
    for word in ("Dana", "Vera", key[:12], "stolen since entry 1", "in force"):
        assert word in seen


async def test_a_store_that_does_not_answer_is_told_in_the_title(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from store.errors import StoreUnavailable

    app = CountersignApp(world.store)

    def down(*_: object) -> None:
        raise StoreUnavailable("no answer")

    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot)
        assert "OFFLINE" not in on_screen(app)
        monkeypatch.setattr(world.store.log, "catch_up", down)
        await pilot.press("6")
        await settle(pilot)
        seen = on_screen(app)
    assert "OFFLINE, as of" in seen
    assert "Dana" in seen


async def test_a_version_is_compared_with_the_one_in_production_and_with_others(
    app: CountersignApp,
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.push_screen(DetailScreen("model:mlflow/diabetes-progression@2"))
        await settle(pilot)
        await pilot.press("v")
        await settle(pilot)
        seen = on_screen(app)
        assert "model:mlflow/diabetes-progression@6 ->" in seen
        assert "weight.sex:2" in str(
            app.screen.query_one("#comparison", Static).content
        )
        await pilot.press("n")
        await settle(pilot)
        assert "model:mlflow/diabetes-progression@5 ->" in on_screen(app)
        await pilot.press("b")
        await settle(pilot)
        assert "model:mlflow/diabetes-progression@6 ->" in on_screen(app)


async def test_the_next_step_of_what_is_wrong_stands_in_full_below(
    app: CountersignApp,
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.screen.query_one("#wrong", DataTable).focus()
        await pilot.press("down")
        await until(pilot, lambda: "Next: " in on_screen(app))
        assert "move the alias back" in " ".join(on_screen(app).split())
