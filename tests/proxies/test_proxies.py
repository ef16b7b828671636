"""nginx and HAProxy in front, with the very configurations that docs/proxies/ gives."""

import asyncio
import re
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator

import aiohttp
import pytest
from proxies.browser import Browser, end, leave
from proxies.conftest import STREAMS
from proxies.proxy import CONFIGURATIONS, Proxy
from running import Api, Project, until

from tidings.stream.poll import MOST_WAIT_S
from tidings.stream.wheel import BEAT_S

TWO = ["nginx.conf", "haproxy.cfg"]


async def open_streams(api: Api) -> int:
    """As the process itself counts them; 0 when it does not run."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{api.base_url}/metrics") as answer:
            found = re.search(r"^tidings_streams (\d+)", await answer.text(), re.MULTILINE)
    except aiohttp.ClientError:
        return 0
    assert found is not None
    return int(found[1])


async def holder_of_the_only_stream(apis: list[Api]) -> Api:
    counts = [await open_streams(api) for api in apis]
    assert sum(counts) == 1
    return apis[counts.index(1)]


async def test_events_come_at_once_and_a_stream_resumes(browser: Browser, project: Project) -> None:
    stream = await browser.listen()
    for number in range(3):
        await project.publish(str(number), ["alice"])
        # One by one: nothing waits for the next.
        assert await stream.titles(1) == [str(number)]
    leave(stream)
    for number in range(100):
        await project.publish(f"missed {number}", ["alice"])

    again = await browser.listen(stream.last_id)
    await project.publish("live", ["alice"])

    assert await again.titles(101) == [f"missed {number}" for number in range(100)] + ["live"]
    assert again.response.headers["content-type"].startswith("text/event-stream")


async def test_other_requests_go_on_before_during_and_after(browser: Browser, project: Project) -> None:
    for _ in range(3):
        assert await browser.status("/v1/inbox") == 200
        stream = await browser.listen()
        assert await browser.status("/v1/inbox") == 200
        assert await browser.status("/v1/stream?cursor=yesterday") == 400
        await project.publish("hello", ["alice"])
        assert await stream.titles(1) == ["hello"]
        leave(stream)


async def test_a_client_that_left_counts_no_more(browser: Browser, apis: list[Api]) -> None:
    streams = [await browser.listen() for _ in range(STREAMS)]
    assert await browser.try_to_listen() == 429

    for stream in streams:
        leave(stream)

    async def nothing_is_open() -> bool:
        return not sum([await open_streams(api) for api in apis])

    await until(nothing_is_open, 10, "the connections behind the proxy end")
    await browser.listen()


async def test_a_stream_resumes_after_the_proxy_was_started_again(
    browser: Browser, proxy: Proxy, project: Project, apis: list[Api]
) -> None:
    stream = await browser.listen()
    await project.publish("before", ["alice"])
    await stream.titles(1)

    await proxy.end()
    assert await end(stream) == []
    await project.publish("while away", ["alice"])
    await proxy.start(apis)

    assert await (await browser.listen(stream.last_id)).titles(1) == ["while away"]


@pytest.mark.parametrize("proxy", TWO, indirect=True)
async def test_a_stream_resumes_at_the_other_process_after_a_kill(browser: Browser, project: Project, apis: list[Api]) -> None:
    stream = await browser.listen()
    await project.publish("before", ["alice"])
    await stream.titles(1)

    await (await holder_of_the_only_stream(apis)).kill()
    assert await end(stream) == []
    await project.publish("while away", ["alice"])

    again = await browser.listen(stream.last_id)
    await project.publish("live", ["alice"])
    assert await again.titles(2) == ["while away", "live"]


@pytest.mark.parametrize("proxy", TWO, indirect=True)
async def test_a_drain_reaches_the_browser_and_it_resumes_at_the_other_process(browser: Browser, project: Project, apis: list[Api]) -> None:
    stream = await browser.listen()
    await project.publish("before", ["alice"])
    await stream.titles(1)

    await (await holder_of_the_only_stream(apis)).end()
    (told,) = await end(stream)
    await project.publish("while away", ["alice"])

    assert (told.event, told.data["reason"]) == ("reconnect", "drain")
    assert await (await browser.listen(stream.last_id)).titles(1) == ["while away"]


IDLE = {"proxy_read_timeout 75s": "proxy_read_timeout 1s", "timeout server 75s": "timeout server 1s"}


@pytest.mark.parametrize("proxy", TWO, indirect=True)
async def test_a_proxy_without_patience_loses_nothing(browser: Browser, proxy: Proxy, project: Project, apis: list[Api]) -> None:
    await proxy.end()
    await proxy.start(apis, **IDLE)
    stream = await browser.listen()
    await project.publish("before", ["alice"])
    await stream.titles(1)

    assert await end(stream) == []
    await project.publish("while away", ["alice"])

    assert await (await browser.listen(stream.last_id)).titles(1) == ["while away"]


@pytest.mark.parametrize("name", TWO)
def test_the_patience_of_the_configurations_outlasts_heartbeats_and_polls(name: str) -> None:
    text = (CONFIGURATIONS / name).read_text()
    found = [int(number) for number in re.findall(r"(?:proxy_read_timeout|timeout (?:client|server)) +(\d+)s", text)]
    assert found
    assert min(found) > max(2 * BEAT_S, MOST_WAIT_S)


class Curl:
    """What it prints, as it comes."""

    def __init__(self, output: asyncio.StreamReader) -> None:
        self.output = output
        self.received = b""

    async def until(self, wanted: bytes) -> bytes:
        async with asyncio.timeout(15):
            while wanted not in self.received:
                more = await self.output.read(65536)
                assert more, self.received
                self.received += more
        return self.received


@pytest.fixture
async def curl(proxy: Proxy, browser: Browser) -> AsyncIterator[Curl]:
    """A stream over HTTP/2."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed (.ci/system-packages brings it where it may)")
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--no-buffer", "--insecure", "--http2", "--dump-header", "-", "--max-time", "60"),
        *("--header", f"Authorization: {browser.headers['Authorization']}", f"{proxy.url}/v1/stream"),
        stdout=PIPE,
    )
    assert process.stdout is not None
    yield Curl(process.stdout)
    process.kill()
    await process.wait()


@pytest.mark.parametrize("proxy", TWO, indirect=True)
async def test_http_2_outside_carries_a_stream(curl: Curl, project: Project) -> None:
    await curl.until(b"event: ready")
    assert curl.received.startswith(b"HTTP/2 200")
    for title in ("first", "second"):
        await project.publish(title, ["alice"])
        await curl.until(title.encode())
