"""The EventSource that browsers and Node have, without our client: it comes back by itself and gets exactly what it missed."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
from client.conftest import NewTab
from node import node_program
from running import Project, Running, until

CLIENT = Path(__file__).parents[2] / "src" / "client"

IN_THE_BROWSER = """async () => {
  const headers = { Authorization: `Bearer ${await freshToken()}` };
  const { ticket } = await (await fetch("/v1/stream/tickets", { method: "POST", headers })).json();
  window.heard = [];
  window.source = new EventSource(`/v1/stream?ticket=${ticket}`);
  source.addEventListener("notification", (event) => heard.push({ name: "notification", data: JSON.parse(event.data) }));
  await new Promise((resolve) => source.addEventListener("ready", resolve, { once: true }));
}"""

IN_NODE = """
import { EventSource } from "eventsource";
const [base, token] = process.argv.slice(1);
const signedIn = (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
const source = new EventSource(`${base}/v1/stream`, { fetch: signedIn });
source.addEventListener("ready", () => console.log(JSON.stringify("ready")));
source.addEventListener("notification", (event) => console.log(JSON.stringify(JSON.parse(event.data).title)));
"""


async def test_chromiums_comes_back_after_a_restart_and_misses_nothing(new: NewTab, project: Project, tidings: Running) -> None:
    tab = await new()
    await tab.page.evaluate(IN_THE_BROWSER)
    await project.publish("before", ["alice"])
    await until(lambda: has(tab.titles(), ["before"]), 10)
    await tidings.api.restart()
    await tidings.api.ready()
    await project.publish("after", ["alice"])
    await until(lambda: has(tab.titles(), ["before", "after"]), 30)


async def has(titles: Awaitable[list[str]], wanted: list[str]) -> bool:
    return await titles == wanted


@pytest.fixture
async def node(project: Project) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(node_program(), "--input-type=module", "--eval", IN_NODE, project.base_url, await project.token("alice")), cwd=CLIENT, stdout=PIPE
    )
    yield process
    process.kill()
    await process.wait()


async def test_that_of_npm_comes_back_after_a_restart_and_misses_nothing(node: Process, project: Project, tidings: Running) -> None:
    assert await said(node) == "ready"
    await project.publish("before", ["alice"])
    assert await said(node) == "before"
    await tidings.api.restart()
    await tidings.api.ready()
    await project.publish("after", ["alice"])
    assert [await said(node), await said(node)] == ["ready", "after"]


async def said(node: Process) -> str:
    assert node.stdout is not None
    line = await asyncio.wait_for(node.stdout.readline(), 30)
    text: str = json.loads(line)
    return text
