"""Each example, as it was built, in a real Chromium before a real server. `make examples` builds them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect
from running import Project, Running, until

EXAMPLES = Path(__file__).parents[2] / "src" / "client" / "examples"
# `plain` is not built: it is its own page.
PLACES = {"plain": EXAMPLES, "react": EXAMPLES / "dist", "vue": EXAMPLES / "dist", "angular": EXAMPLES / "dist"}
SOON_MS = 15_000


@pytest.fixture(params=PLACES)
async def page(request: pytest.FixtureRequest, browser: Browser, project: Project, tidings: Running) -> AsyncIterator[Page]:
    """An example, loaded. The test plays its web server and its back end; the rest is the API. Nothing may be said in its console."""
    said: list[str] = []
    context = await browser.new_context()
    page = await context.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    async def serve_file(route: Route) -> None:
        await route.fulfill(path=PLACES[request.param] / route.request.url.split("/examples/")[1])

    async def be_the_back_end(route: Route) -> None:
        await route.fulfill(json={"token": await project.token("ana")})

    await page.route("**/examples/**", serve_file)
    await page.route("**/demo/token", be_the_back_end)
    await page.route("**/favicon.ico", lambda route: asyncio.ensure_future(route.fulfill(status=204)))
    await page.goto(f"{project.base_url}/examples/{request.param}/index.html")
    yield page
    await context.close()
    assert said == []


async def test_an_example_shows_what_comes_and_marks_it_read(page: Page, project: Project) -> None:
    inbox = page.locator("tidings-inbox")
    badge, unread = inbox.locator("[part~=badge]"), page.locator("output")
    await project.publish("Your export is ready", ["ana"])
    await expect(badge).to_have_text("1", timeout=SOON_MS)
    await expect(unread).to_have_text("1")

    await inbox.locator("[part~=bell]").click()
    await inbox.get_by_role("article").get_by_text("Your export is ready").click()
    await expect(badge).to_be_hidden()
    await expect(unread).to_have_text("0", timeout=SOON_MS)

    await until(lambda: has_read_all(project), what="the server knows that it was read")

    # With the panel open, live.
    await project.publish("And another", ["ana"])
    await expect(unread).to_have_text("1", timeout=SOON_MS)
    await expect(inbox.get_by_role("article")).to_have_count(2)


async def has_read_all(project: Project) -> bool:
    counts = await project.call("GET", "/v1/inbox/counts", Authorization=f"Bearer {await project.token('ana')}")
    return bool(counts["unread"] == 0)
