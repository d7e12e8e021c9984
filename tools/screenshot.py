"""Draw the console as an SVG, from a demonstration made for it: `make screenshot`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from console.app import CountersignApp
from console.services.configuration import Configuration
from console.services.demonstration import run_demonstration
from console.services.opened import open_store
from console.services.places import Places

SIZE = (110, 30)


async def draw() -> str:
    """Make a demonstration, open the overview on it, return what stands there."""
    with tempfile.TemporaryDirectory() as folder:
        done = run_demonstration(Path(folder) / "demo", tell=print)
        places = Places(done.home / "data", done.home / "config")
        store = open_store(str(done.store), places, Configuration())
        app = CountersignApp(store)
        app.store_name = "demo/store"
        async with app.run_test(size=SIZE) as pilot:
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
            await pilot.pause()
            picture = app.export_screenshot(title="countersign")
        store.close()
    return picture


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(asyncio.run(draw()))
