"""A page of another site, in a real browser, that shuts out whatever does not say that it may be loaded."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import Browser
from running import Running

# Cross-origin isolated: each script has to come with Cross-Origin-Resource-Policy, or with CORS.
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
Manifest = dict[str, dict[str, str]]


class Site:
    """One page, whose title says what became of its script."""

    def __init__(self) -> None:
        self.url = ""
        self.script = ""

    async def answer(self, _: web.Request) -> web.Response:
        text = f"""<!doctype html><title>waiting</title>
            <script type="module" {self.script} onload="document.title = 'loaded'" onerror="document.title = 'refused'"></script>"""
        return web.Response(text=text, content_type="text/html", headers=ISOLATED)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site, app = Site(), web.Application()
    app.router.add_get("/", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield site
    await runner.cleanup()


async def title_of(browser: Browser, site: Site) -> str:
    page = await browser.new_page()
    await page.goto(site.url)
    await page.wait_for_function("document.title !== 'waiting'", timeout=10_000)
    title = await page.title()
    await page.close()
    return title


@pytest.mark.parametrize("name", ["client.js", "inbox.js"])
async def test_one_line_is_all_it_needs(system: Running, browser: Browser, site: Site, name: str) -> None:
    site.script = f'src="{system.base_url}/client/{name}"'
    assert await title_of(browser, site) == "loaded"


@pytest.mark.parametrize("name", ["client.js", "inbox.js"])
async def test_it_may_hold_the_content_fast(system: Running, browser: Browser, site: Site, manifest: Manifest, name: str) -> None:
    src = f'src="{system.base_url}/client/{manifest[name]["path"]}"'

    site.script = f'{src} integrity="{manifest[name]["integrity"]}"'
    assert await title_of(browser, site) == "loaded"
    other = "inbox.js" if name == "client.js" else "client.js"
    site.script = f'{src} integrity="{manifest[other]["integrity"]}"'
    assert await title_of(browser, site) == "refused"
