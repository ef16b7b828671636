"""A page of any origin in a real browser, with the doctor in it."""

import asyncio
from typing import Any

from playwright.async_api import Browser, Page

PAGE = """<!doctype html><meta charset="utf-8"><title>doctor</title>
<script type="module">
  import { doctor } from "SCRIPT";
  window.examine = async (options) => {
    window.steps = [];
    return await doctor({ ...options, onStep: (text) => steps.push(text) });
  };
  window.isLoaded = true;
</script>"""


class Patient:
    """report: of the last examination."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.report: Any = None

    async def examine(self, url: str, token: str, idle: float = 2) -> None:
        self.report = await self.page.evaluate("(options) => examine(options)", {"url": url, "token": token, "idleS": idle})

    @property
    def severities(self) -> dict[str, str]:
        return {finding["id"]: finding["severity"] for finding in self.report["findings"]}

    @property
    def flaws(self) -> dict[str, str]:
        return {id: severity for id, severity in self.severities.items() if severity != "ok"}

    @property
    def unchecked(self) -> set[str]:
        return {one["id"] for one in self.report["unchecked"]}

    @property
    def facts(self) -> Any:
        return self.report["facts"]

    def finding(self, id: str) -> Any:
        (found,) = [finding for finding in self.report["findings"] if finding["id"] == id]
        return found


async def open_page(browser: Browser, origin: str, script_from: str, headers: dict[str, str] | None = None, before: str = "") -> Patient:
    """A page of `origin`, answered by nobody but the test.   before: a script that runs first."""
    context = await browser.new_context(ignore_https_errors=True)
    page = await context.new_page()
    body = PAGE.replace("SCRIPT", f"{script_from}/client/doctor.js")
    answer = {"body": body, "content_type": "text/html", "headers": {"Content-Type": "text/html"} | (headers or {})}
    await page.route(f"{origin}/page", lambda route: asyncio.ensure_future(route.fulfill(**answer)))
    if before:
        await page.add_init_script(before)
    await page.goto(f"{origin}/page")
    await page.wait_for_function("window.isLoaded")
    # While requests are routed, Playwright answers OPTIONS in the server's place.
    await page.unroute_all()
    return Patient(page)
