"""A waiver stands above the text of the request that it is for."""

from __future__ import annotations

from console.app import CountersignApp
from console.screens.review import ReviewScreen
from console.services.opened import OpenStore
from tests.services.test_waivers import As, acting, approved, request_id, waived
from tests.ui.test_console import on_screen, settle

__all__ = ["acting", "request_id"]


async def test_the_review_shows_who_waived_what_and_until_when(
    demo_store: OpenStore, acting: As, request_id: str
) -> None:
    approved(demo_store, acting, request_id)
    waived(demo_store, acting("rik"), request_id)
    app = CountersignApp(demo_store)
    async with app.run_test(size=(120, 40)) as pilot:
        await app.push_screen(ReviewScreen(request_id))
        await settle(pilot)
        drawn = " ".join(on_screen(app).split())
        assert "no-group-loses waived by Rik Jansen as risk until" in drawn
