"""Two API processes behind each proxy in turn."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from certificate import make_certificate
from proxies.browser import Browser
from proxies.proxy import Proxy, binary
from running import Api, Project, Running, end_somehow

STREAMS = 2


@pytest.fixture(scope="module")
async def pair(system: Running) -> AsyncIterator[list[Api]]:
    apis = [system.new_api(f"behind-{number}", {"TIDINGS_STREAMS_PER_SUBSCRIBER": str(STREAMS)}) for number in (1, 2)]
    yield apis
    for api in apis:
        await end_somehow(api)


@pytest.fixture
async def apis(pair: list[Api], tidings: Running) -> list[Api]:
    """Both ready, whatever the test before did to them."""
    await asyncio.gather(*(api.start() for api in pair))
    await asyncio.gather(*(api.ready() for api in pair))
    return pair


@pytest.fixture(params=["nginx.conf", "nginx-least.conf", "haproxy.cfg"])
async def proxy(request: pytest.FixtureRequest, apis: list[Api], tmp_path: Path) -> AsyncIterator[Proxy]:
    needed = "haproxy" if request.param == "haproxy.cfg" else "nginx"
    if not binary(needed):
        pytest.skip(f"{needed} is not installed (.ci/system-packages brings it where it may)")
    proxy = Proxy(request.param, tmp_path, make_certificate(tmp_path))
    await proxy.start(apis)
    yield proxy
    await proxy.end()


@pytest.fixture
async def browser(proxy: Proxy, project: Project) -> AsyncIterator[Browser]:
    """alice's, who reaches Tidings through the proxy."""
    connector = aiohttp.TCPConnector(limit=0, ssl=False)
    async with aiohttp.ClientSession(proxy.url, connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield Browser(session, await project.token("alice"))
