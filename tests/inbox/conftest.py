"""Pages with an inbox in a real Chromium before a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from chromium import browser
from inbox.inbox_page import InboxPage, open_page
from playwright.async_api import Browser, BrowserContext
from running import Project, Running

__all__ = ["browser"]

NewPage = Callable[..., Awaitable[InboxPage]]


@pytest.fixture
async def new_page(browser: Browser, project: Project, tidings: Running) -> AsyncIterator[NewPage]:
    """Opens a page of alice's, each in a browser of its own, as on another device. Nothing may be said in a console."""
    contexts: list[BrowserContext] = []
    pages: list[InboxPage] = []

    async def new(attributes: str = "", subscriber: str = "alice", lang: str = "en", direction: str = "ltr", **options: Any) -> InboxPage:
        settings: dict[str, Any] = {"viewport": {"width": 1100, "height": 800}, "locale": "en-GB"} | options
        context = await browser.new_context(**settings)
        contexts.append(context)
        page = await open_page(context, project.base_url, lambda: project.token(subscriber), attributes, lang, direction)
        pages.append(page)
        return page

    yield new
    for context in contexts:
        await context.close()
    assert [page.said for page in pages if page.said] == []
