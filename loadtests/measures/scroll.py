"""Scrolling an inbox of 10,000 items in a real Chromium: how long from frame to frame, read off the browser's own trace.

All items are read first, so that what is measured is drawing; then the list is scrolled by 120 px a frame, as a hard fling does.
"""

import asyncio
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from loadtests.figures import Figure, Form, Skipped
from loadtests.ground import Running, tidings
from loadtests.seed import notifications, people, seeding

ITEMS = 10_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# One interval at 60 Hz is 16.7 ms: this is one frame missed.
MOST_MS = 33.4
STEP_PX = 120
WHAT = "scrolling 10,000 items, from frame to frame"
TRACED = ["disabled-by-default-devtools.timeline.frame", "devtools.timeline.frame", "devtools.timeline"]

PAGE = """<!doctype html><meta charset="utf-8"><title>scroll</title>
<style>body {{ margin: 0 }} tidings-inbox {{ display: block; width: 420px; height: 700px }}</style>
<tidings-inbox mode="panel" no-share token="{token}"></tidings-inbox>
<script type="module" src="/client/inbox.js"></script>"""

ALL_READ = """async () => {
  const { inbox } = document.querySelector("tidings-inbox");
  while (inbox.getState().hasMore) await inbox.loadMore();
  return inbox.getState().items.length;
}"""

SCROLL = """async ([step, most]) => {
  const scroller = document.querySelector("tidings-inbox").shadowRoot.querySelector("[part~=scroller]");
  scroller.scrollTop = 0;
  for (let frames = 0; frames < most; frames++) {
    await new Promise(requestAnimationFrame);
    scroller.scrollTop += step;
  }
  return scroller.scrollTop;
}"""


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise Skipped(f"there is no browser: install one of {', '.join(BROWSERS)}")
    async with tidings(workers=("sequencer",)) as running:
        await fill(running)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = await opened(running, browser)
            rounds = [await scrolled(browser, page, int(form.choose(240, 1200)), report) for _ in range(form.rounds)]
            await browser.close()
    return [
        Figure(measure="scroll", what=f"{WHAT}: p50", unit="ms", rounds=[at(one, 0.5) for one in rounds]),
        Figure(measure="scroll", what=f"{WHAT}: p95", unit="ms", rounds=[at(one, 0.95) for one in rounds], bound="≤", limit=MOST_MS),
        Figure(measure="scroll", what=f"{WHAT}: longest", unit="ms", rounds=[one[-1] for one in rounds]),
    ]


async def fill(running: Running) -> None:
    async with seeding(running) as connection:
        [alice] = await people(connection, running, 1, "alice-")
        await notifications(connection, running, [alice], ITEMS)


async def opened(running: Running, browser: Browser) -> Page:
    """The page, with every item read."""
    [token] = await running.tokens(["alice-1"])
    page = await browser.new_page()
    body = PAGE.format(token=token)
    await page.route("**/scroll", lambda route: asyncio.ensure_future(route.fulfill(body=body, content_type="text/html")))
    await page.goto(f"http://127.0.0.1:{running.api.port}/scroll")
    await page.wait_for_selector("tidings-inbox article")
    assert await page.evaluate(ALL_READ) == ITEMS
    return page


async def scrolled(browser: Browser, page: Page, frames: int, report: Callable[[str], None]) -> list[float]:
    """From frame to frame, in milliseconds, sorted."""
    await browser.start_tracing(page=page, categories=TRACED)
    await page.evaluate(SCROLL, [STEP_PX, frames])
    times = frames_of(json.loads(await browser.stop_tracing())["traceEvents"])
    report(f"{len(times)} frames, p95 {at(times, 0.95):.1f} ms, longest {times[-1]:.1f} ms")
    return times


def frames_of(events: list[dict[str, Any]]) -> list[float]:
    drawn = sorted(event["ts"] for event in events if event.get("name") == "DrawFrame")
    return sorted((later - earlier) / 1000 for earlier, later in pairwise(drawn))


def at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]
