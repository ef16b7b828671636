"""A real Chromium before a real server with the demo page on."""

from collections.abc import AsyncIterator

import pytest
from chromium import browser
from playwright.async_api import Browser
from running import Api, Project, Running, end_somehow

from demo.demo_page import DemoPage

__all__ = ["browser"]


@pytest.fixture(scope="package")
async def demo_project(system: Running) -> Project:
    return await system.new_project("Demo")


@pytest.fixture(scope="package")
async def demo_process(system: Running, demo_project: Project) -> AsyncIterator[Api]:
    """One process that shows the page, for all these tests: each would wait two seconds for its own."""
    api = system.new_api("api-demo", {"TIDINGS_DEMO_PROJECT": demo_project.key})
    yield api
    await end_somehow(api)


@pytest.fixture
async def demo_api(demo_process: Api, demo_project: Project) -> Api:
    """An API process that shows the demo page, with nothing in the inboxes of its people."""
    await demo_process.start()
    await demo_process.ready()
    for person in ("ana", "ben"):
        as_person = {"Authorization": f"Bearer {await demo_project.token(person)}"}
        items = (await demo_project.call("GET", "/v1/inbox?limit=1", **as_person))["items"]
        if items:
            await demo_project.call("POST", "/v1/inbox/archive", {"up_to": items[0]["id"]}, **as_person)
    return demo_process


@pytest.fixture
async def demo(browser: Browser, demo_api: Api) -> AsyncIterator[DemoPage]:
    """The page, open, with its three streams live. Nothing may have been said in the console when the test ends."""
    context = await browser.new_context(viewport={"width": 1360, "height": 850}, locale="en-GB")
    page = await context.new_page()
    demo = DemoPage(page, [])
    page.on("pageerror", lambda error: demo.said.append(str(error)))
    page.on("console", lambda message: demo.said.append(message.text) if message.type == "error" else None)
    await page.goto(f"{demo_api.base_url}/demo")
    await demo.all_live()
    yield demo
    await context.close()
    assert demo.said == []
