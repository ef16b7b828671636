"""Tabs of a real Chromium before a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from chromium import browser
from client.tab import Mint, Tab, new_tab
from playwright.async_api import Browser, BrowserContext
from running import Project, Running

__all__ = ["browser"]

NewTab = Callable[..., Awaitable[Tab]]


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser of its own, with nothing stored."""
    context = await browser.new_context()
    yield context
    await context.close()


@pytest.fixture
async def new(context: BrowserContext, project: Project, tidings: Running) -> NewTab:
    """Opens a tab of alice's, or another's, or of whoever is signed in when `mint` is asked."""

    async def new(subscriber: str = "alice", base_url: str | None = None, ttl: int = 900, mint: Mint | None = None) -> Tab:
        return await new_tab(context, base_url or project.base_url, mint or (lambda: project.token(subscriber, ttl)))

    return new
