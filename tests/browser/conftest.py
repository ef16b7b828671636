"""What tests of /client have in common."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from chromium import browser
from running import Running

__all__ = ["browser"]


@pytest.fixture
async def client(system: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Asks the running API, takes no coding unless it is told to, and leaves answers as they came."""
    async with aiohttp.ClientSession(system.base_url, auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session:
        yield session


@pytest.fixture
async def manifest(client: aiohttp.ClientSession) -> dict[str, dict[str, str]]:
    """By stable name, as in `inbox.js`."""
    async with client.get("/client/manifest.json") as answer:
        assert answer.status == 200, f"{await answer.text()} (make browser)"
        return dict((await answer.json())["files"])
