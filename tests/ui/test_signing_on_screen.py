"""What the commands can sign can be signed on screen, over the same services."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import CountersignApp
from console.screens.detail import DetailScreen
from console.screens.model_file import ModelFileScreen
from console.screens.naming import FileDialog
from console.screens.review import ReviewScreen
from console.screens.signing import SigningDialog
from console.services.demonstration import MODEL
from console.services.model_files import (
    RecordInput,
    findings,
    model_file_view,
    set_record,
)
from console.services.opened import OpenStore
from console.services.reviewing import all_requests, find_request
from console.services.signing_elsewhere import open_pack, sign_pack
from policies.predicates import Decision
from policies.workflow import RequestState
from tests.services.test_waivers import FAILING, As, acting, request_id
from tests.ui.test_console import on_screen, settle

__all__ = ["acting", "request_id"]
SIX = f"model:{MODEL}@6"


@pytest.fixture
def app(demo_store: OpenStore) -> CountersignApp:
    return CountersignApp(demo_store)


@pytest.fixture(autouse=True)
def _notices_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, what was said is there to be looked at."""
    monkeypatch.setattr(CountersignApp, "NOTIFICATION_TIMEOUT", 60)


async def fill(pilot: Pilot[int], **fields: str) -> None:
    """Type into the dialog's fields and sign."""
    assert isinstance(pilot.app.screen, SigningDialog)
    for name, text in ({"name": MODEL} | fields).items():
        pilot.app.screen.query_one(f"#{name}", Input).value = text
    pilot.app.screen.query_one("#sign").focus()
    await pilot.press("enter")
    await settle(pilot)


def told(app: CountersignApp) -> str:
    """Everything that was said in passing."""
    return " ".join(notice.message for notice in app._notifications)


def state_of(store: OpenStore, request: str) -> RequestState:
    return find_request(store, request, store.state()).state


@pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_rules_are_waived_from_the_review_and_the_list_says_so(
    app: CountersignApp, request_id: str, size: tuple[int, int]
) -> None:
    async with app.run_test(size=size) as pilot:
        await app.push_screen(ReviewScreen(request_id))
        await settle(pilot)
        await pilot.press("w")
        await settle(pilot)
        assert "sexes-served-alike" in app.screen.query_one("#rules", Input).value
        await fill(pilot, key="rik", reason="Mended by March")
        drawn = " ".join(on_screen(app).split())
        assert "waived by Rik Jansen as risk until" in drawn
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("3")
        await settle(pilot)
        assert "2 rules" in on_screen(app)


async def test_a_rule_that_cannot_be_waived_is_told_and_nothing_is_signed(
    app: CountersignApp, request_id: str
) -> None:
    size = app.store.index.size
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await app.push_screen(ReviewScreen(request_id))
        await settle(pilot)
        await pilot.press("w")
        await settle(pilot)
        await fill(pilot, key="rik", reason="no", rules="bytes-unchanged, x")
        assert app.store.index.size == size
        assert "the rule 'bytes-unchanged' cannot be waived" in told(app)


async def test_a_request_is_asked_for_and_withdrawn_by_who_asked(
    app: CountersignApp,
) -> None:
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await app.push_screen(DetailScreen(SIX))
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        await fill(pilot, key="ana", stage="production", reason="again")
        assert "holds production in default already" in told(app)
        await pilot.press("escape")
        four = f"model:{MODEL}@5"
        await app.push_screen(DetailScreen(four))
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        await fill(pilot, key="ana", stage="production", reason="r", waiver="perhaps")
        assert "neither yes nor no" in told(app)


async def test_a_request_is_taken_back_on_screen(
    app: CountersignApp, request_id: str
) -> None:
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await app.push_screen(ReviewScreen(request_id))
        await settle(pilot)
        await pilot.press("u")
        await settle(pilot)
        await fill(pilot, key="vera", reason="not mine")
        assert state_of(app.store, request_id) is RequestState.OPEN
        await pilot.press("u")
        await settle(pilot)
        await fill(pilot, key="bo", reason="asked too early")
        assert state_of(app.store, request_id) is RequestState.WITHDRAWN


async def test_a_version_is_taken_out_of_its_stage_and_the_one_before_put_back(
    app: CountersignApp,
) -> None:
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await app.push_screen(DetailScreen(SIX))
        await settle(pilot)
        await pilot.press("d")
        await settle(pilot)
        await fill(
            pilot,
            key="rik",
            stage="production",
            restore="yes",
            reason="errors",
        )
        assert "Out of production" in told(app)
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("1")
        await settle(pilot)
        held = " ".join(on_screen(app).split())
        assert f"{MODEL} 2 PRODUCTION" in held


async def test_escape_leaves_every_dialog_with_nothing_changed(
    app: CountersignApp, request_id: str
) -> None:
    size = app.store.index.size
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ReviewScreen(request_id))
        await settle(pilot)
        for key in ("a", "x", "w", "u", "e"):
            await pilot.press(key)
            await settle(pilot)
            assert not isinstance(app.screen, ReviewScreen)
            await pilot.press("escape")
            await settle(pilot)
            assert isinstance(app.screen, ReviewScreen)
    assert app.store.index.size == size


async def test_a_request_is_written_out_and_its_answer_handed_in(
    app: CountersignApp, acting: As, request_id: str, tmp_path: Path
) -> None:
    target = tmp_path / "request.review"
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await app.push_screen(ReviewScreen(request_id))
        await settle(pilot)
        for _ in range(2):
            await pilot.press("e")
            await settle(pilot)
            assert isinstance(app.screen, FileDialog)
            app.screen.query_one("#file", Input).value = str(target)
            await pilot.press("enter")
            await settle(pilot)
        assert "File exists" in told(app)
        with open_pack(target.read_bytes()) as opened:
            signed = sign_pack(opened, acting("vera"), Decision.APPROVE, "read it")
        answer = tmp_path / "answer"
        answer.write_bytes(signed)
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("3")
        await settle(pilot)
        for name in (tmp_path / "none", target, answer):
            await pilot.press("i")
            await settle(pilot)
            app.screen.query_one("#file", Input).value = str(name)
            await pilot.press("enter")
            await settle(pilot)
    (record,) = (r for r in all_requests(app.store, app.store.state())
                 if r.id == request_id)  # fmt: skip
    assert [a.decision for _, a in record.answers] == [Decision.APPROVE]


async def test_a_model_s_file_shows_its_record_and_findings_are_opened_and_closed(
    app: CountersignApp, acting: As
) -> None:
    record = RecordInput("Vera Novak", "high", "p \x1b[2J", "l")
    set_record(app.store, acting("ana"), f"model:{MODEL}", record)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(DetailScreen(SIX))
        await settle(pilot)
        await pilot.press("f")
        await settle(pilot)
        assert isinstance(app.screen, ModelFileScreen)
        assert "owner: Vera Novak" in on_screen(app)
        assert "\x1b" not in on_screen(app)
        await pilot.press("o")
        await settle(pilot)
        await fill(pilot, key="vera", severity="dire", reason="Leaks age")
        assert findings(app.store) == []
        await pilot.press("o")
        await settle(pilot)
        await fill(pilot, key="vera", reason="Leaks age")
        assert "OPEN" in on_screen(app)
        await pilot.press("c")
        await settle(pilot)
        await fill(pilot, key="vera", reason="Trained anew")
        assert [found.status for found in findings(app.store)] == ["closed"]
        await pilot.press("m")
        await settle(pilot)
        await fill(pilot, key="rik", reason="Fine by me")
    assert model_file_view(app.store, f"model:{MODEL}").comments[0].text == "Fine by me"


async def test_a_read_only_console_signs_nothing(
    demo_store: OpenStore, request_id: str
) -> None:
    app = CountersignApp(demo_store, is_read_only=True)
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await app.push_screen(ReviewScreen(request_id))
        await settle(pilot)
        await pilot.press("w", "u", "a")
        assert isinstance(app.screen, ReviewScreen)
        await app.push_screen(DetailScreen(FAILING))
        await settle(pilot)
        await pilot.press("t", "d")
        assert isinstance(app.screen, DetailScreen)
        await app.push_screen(ModelFileScreen(FAILING))
        await settle(pilot)
        await pilot.press("o", "c", "m")
        assert isinstance(app.screen, ModelFileScreen)
