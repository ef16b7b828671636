"""What stands between a browser and Tidings: a proxy that holds streams back, and one that dies."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from client.conftest import NewTab
from client.tab import Tab
from doctor.between import BUFFERS
from proxies.proxy import OF_NGINX, binary
from running import Api, Project, Running, listens, until

from tidings.platform.embedded.memory import free_port

CONFIGURATION = """
worker_processes 1;
events {{}}
{http}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {more}
        }}
    }}
}}
"""


class Nginx:
    def __init__(self, folder: Path, api: Api, more: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.process: Process | None = None
        http = OF_NGINX.replace("FOLDER", str(folder))
        (folder / "nginx.conf").write_text(CONFIGURATION.format(http=http, port=self.port, upstream=api.port, more=more))

    async def start(self) -> None:
        user = "user root; " if os.geteuid() == 0 else ""
        settings = f"{user}daemon off; pid {self.folder}/nginx.pid;"
        self.process = await asyncio.create_subprocess_exec(
            *(binary("nginx"), "-p", str(self.folder), "-e", "stderr", "-c", str(self.folder / "nginx.conf"), "-g", settings),
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        await until(lambda: listens(self.port), 10, "nginx answers")

    async def kill(self) -> None:
        """With its workers, which hold the connections."""
        if self.process is not None and self.process.returncode is None:
            os.killpg(self.process.pid, 9)
            await self.process.wait()


@pytest.fixture
async def nginx(request: pytest.FixtureRequest, tmp_path: Path, tidings: Running) -> AsyncIterator[Nginx]:
    if not binary("nginx"):
        pytest.skip("nginx is not installed (.ci/system-packages brings it where it may)")
    nginx = Nginx(tmp_path, tidings.api, request.param)
    await nginx.start()
    yield nginx
    await nginx.kill()


@pytest.mark.parametrize("nginx", [BUFFERS], indirect=True, ids=["buffering"])
async def test_behind_a_proxy_that_holds_streams_back_long_polling_takes_over(nginx: Nginx, new: NewTab, project: Project) -> None:
    tab = await new(base_url=nginx.url)
    await tab.connect()
    assert (await tab.live(within=40))["transport"] == "poll"
    for title in ("one", "two", "three"):
        await project.publish(title, ["alice"])
    await tab.has_heard("one", "two", "three")


@pytest.mark.parametrize("nginx", [BUFFERS], indirect=True, ids=["buffering"])
async def test_what_worked_on_the_page_before_is_tried_first(nginx: Nginx, new: NewTab, project: Project) -> None:
    tab = await new(base_url=nginx.url)
    await tab.connect()
    await tab.live(within=40)
    await tab.load()
    await tab.connected()
    assert await tab.page.evaluate("states.map((state) => state.transport)") == ["poll", "poll"]
    await project.publish("at once", ["alice"])
    await tab.has_heard("at once")


async def test_a_way_that_works_no_more_is_passed_over(new: NewTab, project: Project) -> None:
    """As after an update of the browser: what it remembers is not there any more."""
    tab = await new()
    await tab.page.evaluate("localStorage.setItem(`tidings:${location.origin}:fetch,eventsource,poll`, `1 ${Date.now()}`)")
    await tab.page.evaluate("() => { window.EventSource = undefined; }")
    await tab.connect()
    assert (await tab.live())["transport"] == "fetch"
    assert await tab.page.evaluate("states[0].transport") == "eventsource"
    await project.publish("one", ["alice"])
    await tab.has_heard("one")


# nginx's own pages of an error, which are HTML, for whoever asks for a stream; what else is asked passes.
REFUSES = "proxy_buffering off; if ($http_accept ~ text/event-stream) { return %d; }"


@pytest.mark.parametrize("nginx", [REFUSES % 403, REFUSES % 406], indirect=True, ids=["403", "406"])
async def test_behind_a_gateway_that_refuses_streams_long_polling_takes_over(nginx: Nginx, new: NewTab, project: Project) -> None:
    tab = await new(base_url=nginx.url)
    await tab.connect()
    assert (await tab.live(within=40))["transport"] == "poll"
    for title in ("one", "two", "three"):
        await project.publish(title, ["alice"])
    await tab.has_heard("one", "two", "three")
    assert "closed" not in await tab.states()


@pytest.mark.parametrize("nginx", ["proxy_buffering off;"], indirect=True, ids=["passing"])
async def test_a_proxy_that_is_killed_costs_nothing(nginx: Nginx, new: NewTab, project: Project) -> None:
    tab = await new(base_url=nginx.url)
    await tab.connected()
    await project.publish("before", ["alice"])
    await tab.has_heard("before")
    await nginx.kill()
    await project.publish("while it is down", ["alice"])
    await until(lambda: is_waiting(tab), 10)
    await nginx.start()
    await tab.has_heard("before", "while it is down", within=40)
    assert (await tab.live())["transport"] == "fetch"


async def is_waiting(tab: Tab) -> bool:
    return (await tab.state())["name"] == "waiting"
