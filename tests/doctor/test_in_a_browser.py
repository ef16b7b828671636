"""@tidings/client/doctor in a real Chromium: of the same origin and of another one, behind real proxies that do something wrong."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from doctor.between import BUFFERING, HIDING_HEALTH, IMPATIENT_NGINX, SWALLOWING_OPTIONS
from doctor.conftest import NewProxy
from doctor.page import Patient, open_page
from playwright.async_api import Browser
from proxies.proxy import Proxy
from running import Api, Running

from tidings.platform.embedded.memory import free_port

OpenPage = Callable[..., Awaitable[Patient]]


@pytest.fixture
async def opened(browser: Browser, api: Api) -> AsyncIterator[OpenPage]:
    """Opens a page of an origin."""
    patients: list[Patient] = []

    async def opened(origin: str, script_from: str = api.base_url, **more: Any) -> Patient:
        patients.append(await open_page(browser, origin, script_from, **more))
        return patients[-1]

    yield opened
    for patient in patients:
        await patient.page.context.close()


def another_origin(of: Api | Proxy) -> str:
    """That of a page which reached the same machine by its other name."""
    return (of.base_url if isinstance(of, Api) else of.url).replace("127.0.0.1", "localhost")


async def test_a_healthy_tidings_has_nothing_to_change(opened: OpenPage, api: Api, token: str) -> None:
    page = await opened(api.base_url)
    await page.examine(api.base_url, token)
    assert (page.report["ok"], page.flaws, page.unchecked) == (True, {}, {"heartbeats"}), page.report
    assert page.facts["protocol"] == "http/1.1"
    assert "cors" not in page.severities
    assert await page.page.evaluate("steps.slice(0, 2)") == ["Asking for a plain answer.", "Opening a stream."]


async def test_a_page_of_another_origin_sees_as_much(opened: OpenPage, api: Api, token: str) -> None:
    """What it is shown by CORS and Timing-Allow-Origin is all that the doctor needs."""
    page = await opened(another_origin(api))
    await page.examine(api.base_url, token)
    assert (page.report["ok"], page.flaws, page.unchecked) == (True, {}, {"heartbeats"}), page.report
    assert (page.severities["cors"], page.facts["protocol"]) == ("ok", "http/1.1")


async def test_an_origin_that_is_not_allowed_is_named(opened: OpenPage, tidings: Running, token: str) -> None:
    api = await tidings.another_api(TIDINGS_CORS_ORIGINS="https://app.example")
    page = await opened(another_origin(api))
    await page.examine(api.base_url, token)
    assert page.severities == {"cors": "error"}
    assert f"Add {another_origin(api)} to TIDINGS_CORS_ORIGINS" in page.finding("cors")["change"]


async def test_an_options_request_that_does_not_arrive_is_told(opened: OpenPage, proxy: NewProxy, token: str) -> None:
    between = await proxy("nginx.conf", SWALLOWING_OPTIONS)
    page = await opened(another_origin(between), between.url)
    await page.examine(between.url, token)
    assert page.severities == {"cors": "error"}
    assert "OPTIONS" in page.finding("cors")["change"]


async def test_http_2_is_seen(opened: OpenPage, proxy: NewProxy, token: str) -> None:
    between = await proxy("nginx.conf")
    page = await opened(another_origin(between), between.url)
    await page.examine(between.url, token)
    assert (page.report["ok"], page.facts["protocol"]) == (True, "h2"), page.report


async def test_http_1_over_tls_is_told(opened: OpenPage, proxy: NewProxy, token: str) -> None:
    between = await proxy("nginx-least.conf")
    page = await opened(between.url, between.url)
    await page.examine(between.url, token)
    assert page.flaws == {"protocol": "warning"}, page.report


async def test_a_proxy_that_buffers_is_told(opened: OpenPage, proxy: NewProxy, token: str) -> None:
    between = await proxy("nginx.conf", BUFFERING)
    page = await opened(between.url, between.url)
    await page.examine(between.url, token)
    assert page.flaws == {"buffering": "error"}, page.report
    assert "proxy_buffering off" in page.finding("buffering")["change"]


@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["same origin", "another origin"])
async def test_an_idle_time_out_is_told(opened: OpenPage, proxy: NewProxy, token: str, is_elsewhere: bool) -> None:
    """nginx's own 504 carries no CORS headers: a page of another origin sees only that the request failed."""
    between = await proxy("nginx.conf", IMPATIENT_NGINX)
    page = await opened(another_origin(between) if is_elsewhere else between.url, between.url)
    await page.examine(between.url, token, idle=8)
    assert page.flaws == {"stream-idle": "error", "poll-idle": "error"}, page.report
    assert page.facts["poll"]["status"] == (0 if is_elsewhere else 504)


@pytest.mark.parametrize("replaced", [{}, HIDING_HEALTH], ids=["by Tidings' time", "by the Date header"])
async def test_a_clock_that_is_off_is_told(opened: OpenPage, proxy: NewProxy, token: str, replaced: dict[str, str]) -> None:
    between = await proxy("nginx.conf", replaced)
    ahead = "const now = Date.now.bind(Date); Date.now = () => now() + 90_000;"
    page = await opened(another_origin(between), between.url, before=ahead)
    await page.examine(between.url, token)
    assert page.flaws == {"clock": "error"}, page.report
    assert abs(page.facts["clock"]["aheadS"] - 90) < 2
    assert (page.facts["clock"]["withinS"] >= 0.5) == bool(replaced)


async def test_a_short_drain_window_is_told(opened: OpenPage, tidings: Running, token: str) -> None:
    page = await opened(tidings.base_url, tidings.base_url)
    await page.examine(tidings.base_url, token)
    assert page.flaws == {"drain": "warning"}, page.report


async def test_a_refused_token_is_a_finding(opened: OpenPage, api: Api, token: str) -> None:
    page = await opened(api.base_url)
    await page.examine(api.base_url, token[:-8])
    assert page.severities == {"token": "error"}


async def test_nobody_there_is_told(opened: OpenPage, api: Api, token: str) -> None:
    page = await opened(api.base_url)
    await page.examine(f"http://127.0.0.1:{free_port()}", token)
    assert page.severities == {"reachable": "error"}
    assert page.finding("reachable")["title"] == "Nobody answers"


async def test_a_page_that_forbids_it_itself_is_told(opened: OpenPage, api: Api, token: str) -> None:
    page = await opened(another_origin(api), headers={"Content-Security-Policy": "connect-src 'self'"})
    await page.examine(api.base_url, token)
    assert page.severities == {"reachable": "error"}
    assert f"Add {api.base_url} to `connect-src`" in page.finding("reachable")["change"]


async def test_mixed_content_is_told(opened: OpenPage, token: str) -> None:
    page = await opened("https://app.example")
    await page.examine("http://tidings.example", token)
    assert page.severities == {"reachable": "error"}
    assert "mixed content" in page.finding("reachable")["title"]


async def test_it_can_be_ended(opened: OpenPage, api: Api, token: str) -> None:
    page = await opened(api.base_url)
    ended = await page.page.evaluate(
        """async (options) => {
          const signal = AbortSignal.timeout(500);
          return await examine({ ...options, signal }).then(() => "a report", (error) => error.name);
        }""",
        {"url": api.base_url, "token": token, "idleS": 60},
    )
    assert ended == "TimeoutError"
