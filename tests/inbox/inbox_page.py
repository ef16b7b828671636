"""A page with <tidings-inbox>, in the hands of a visitor."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, expect

SOON_MS = 15_000
Mint = Callable[[], Awaitable[str]]

PAGE = """<!doctype html>
<html lang="{lang}" dir="{dir}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A page with an inbox</title>
<style>
  body {{ margin: 0; font: 16px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }}
  a {{ color: inherit; }}
  header {{ display: flex; justify-content: space-between; align-items: center; padding: 8px 20px; border-bottom: 1px solid #8884; }}
</style>
<header><h1>Product</h1><tidings-inbox {attributes}></tidings-inbox></header>
<main><p>What the page is about.</p><a id="else" href="#else">Something else</a></main>
<script type="module" src="/client/inbox.js"></script>
<script>
  const inbox = document.querySelector("tidings-inbox");
  inbox.token = () => window.freshToken();
  window.told = [];
  for (const name of ["tidings-open", "tidings-action", "tidings-arrival", "tidings-unread"]) {{
    inbox.addEventListener(name, (event) => {{
      told.push({{ name, detail: JSON.parse(JSON.stringify(event.detail)) }});
      if (name === "tidings-open" || name === "tidings-action") event.preventDefault();
    }});
  }}
</script>
</html>"""


@dataclass
class InboxPage:
    """said: what the browser's console said."""

    page: Page
    said: list[str] = field(default_factory=list)

    @property
    def element(self) -> Locator:
        return self.page.locator("tidings-inbox")

    @property
    def bell(self) -> Locator:
        return self.element.locator("button[part~=bell]")

    @property
    def badge(self) -> Locator:
        return self.element.locator("[part~=badge]")

    @property
    def panel(self) -> Locator:
        return self.element.locator("[part~=panel]")

    @property
    def rows(self) -> Locator:
        return self.element.locator("article")

    def row(self, title: str) -> Locator:
        return self.rows.filter(has_text=title)

    async def open(self) -> None:
        await self.bell.click()
        await expect(self.panel).to_be_visible()

    async def live(self) -> None:
        """What is published from now on arrives; before, it may have been there when the page first looked."""
        await self.page.wait_for_function("document.querySelector('tidings-inbox').connection?.state.name === 'live'")

    async def told(self, name: str) -> list[Any]:
        details: list[Any] = await self.page.evaluate("(name) => told.filter((one) => one.name === name).map((one) => one.detail)", name)
        return details

    async def has_badge(self, text: str) -> None:
        if text:
            await expect(self.badge).to_have_text(text, timeout=SOON_MS)
        else:
            await expect(self.badge).to_be_hidden(timeout=SOON_MS)


async def open_page(
    context: BrowserContext, base_url: str, mint: Mint, attributes: str = "", lang: str = "en", direction: str = "ltr"
) -> InboxPage:
    page = await context.new_page()
    shown = InboxPage(page)
    page.on("console", lambda message: shown.said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: shown.said.append(str(error)))
    body = PAGE.format(attributes=attributes, lang=lang, dir=direction)
    await page.route("**/page", lambda route: asyncio.ensure_future(route.fulfill(body=body, content_type="text/html")))
    await page.expose_function("freshToken", mint)
    await page.goto(f"{base_url}/page")
    await page.wait_for_function("customElements.get('tidings-inbox') !== undefined")
    return shown
