"""A tab of a real browser with the client in it, in the hands of a test."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import BrowserContext, Page
from running import until

Mint = Callable[[], Awaitable[str]]

PAGE = """<!doctype html><meta charset="utf-8"><title>tab</title>
<script type="module">
  import { connect } from "/client/client.js";
  window.heard = [];
  window.states = [];
  const NAMES = ["notification", "notification.updated", "notification.retracted", "inbox.counts", "reset"];
  window.open_ = (options, { fixedToken } = {}) => {
    const token = fixedToken ?? (() => window.freshToken());
    const debug = (line, detail) => console.log(line, JSON.stringify(detail instanceof Error ? String(detail) : detail));
    const connection = connect({ url: location.origin, token, debug, start: false, ...options });
    for (const name of NAMES) connection.on(name, (data) => heard.push({ name, data }));
    connection.on("state", (state) => states.push(state));
    window.connection = connection;
    connection.start();
  };
  window.isLoaded = true;
</script>
<script>
  // What other tabs say can be lost on the way, as when a tab was busy elsewhere.
  window.isDeaf = false;
  window.BroadcastChannel = class extends BroadcastChannel {
    set onmessage(listener) {
      super.onmessage = (event) => window.isDeaf || listener(event);
    }
  };
</script>"""


@dataclass
class Tab:
    """base_url: what it takes for Tidings, and is its origin: an API process, or what stands before one."""

    page: Page
    base_url: str
    said: list[str] = field(default_factory=list)

    async def load(self) -> None:
        await self.page.goto(f"{self.base_url}/tab")
        await self.page.wait_for_function("window.isLoaded")

    async def connect(self, *, token: str | None = None, **options: Any) -> None:
        await self.page.evaluate("([options, fixed]) => open_(options, fixed ? { fixedToken: fixed } : {})", [options, token])

    async def connected(self, **options: Any) -> "Tab":
        await self.connect(**options)
        await self.live()
        return self

    async def live(self, within: float = 15) -> dict[str, Any]:
        """Its state, when that is live."""

        async def is_live() -> dict[str, Any] | None:
            state = await self.state()
            return state if state["name"] == "live" else None

        found: dict[str, Any] = await until(is_live, within, "the tab is live")
        return found

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = await self.page.evaluate("connection.state")
        return state

    async def states(self) -> list[str]:
        names: list[str] = await self.page.evaluate("states.map((state) => state.name)")
        return names

    async def cursor(self) -> str | None:
        cursor: str | None = await self.page.evaluate("connection.cursor")
        return cursor

    async def titles(self) -> list[str]:
        """Of the notifications that it was told of, in that order."""
        titles: list[str] = await self.page.evaluate("heard.filter((one) => one.name === 'notification').map((one) => one.data.title)")
        return titles

    async def has_heard(self, *titles: str, within: float = 15) -> None:
        """Exactly these, in this order, and nothing twice."""
        wanted = list(titles)

        async def has() -> bool:
            return len(await self.titles()) >= len(wanted)

        with contextlib.suppress(AssertionError):
            await until(has, within)
        assert await self.titles() == wanted, (await self.state(), self.said[-20:])

    async def offline(self, is_offline: bool) -> None:
        await self.page.context.set_offline(is_offline)

    async def close(self) -> None:
        await self.page.close()


async def new_tab(context: BrowserContext, base_url: str, mint: Mint) -> Tab:
    page = await context.new_page()
    tab = Tab(page, base_url)
    page.on("console", lambda message: tab.said.append(message.text))
    page.on("pageerror", lambda error: tab.said.append(f"error {error}"))
    await page.route("**/tab", lambda route: asyncio.ensure_future(route.fulfill(body=PAGE, content_type="text/html")))
    await page.expose_function("freshToken", mint)
    await tab.load()
    return tab
