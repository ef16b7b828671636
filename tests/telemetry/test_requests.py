"""Requests by their names."""

import re

import aiohttp
import pytest

from telemetry.conftest import Telling

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MADE = re.compile(r"req_\w{10}[0-9]+")


async def name_of(telling: Telling, path: str = "/health", **headers: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(telling.tidings.base_url + path, headers=headers) as answer:
        return answer.headers["X-Request-Id"]


async def test_a_request_keeps_the_name_that_it_came_with(telling: Telling) -> None:
    assert await name_of(telling, **{"X-Request-Id": "Root=1-67891233-abcdef"}) == "Root=1-67891233-abcdef"
    assert await name_of(telling, traceparent=f"00-{TRACE}-00f067aa0ba902b7-00") == TRACE


@pytest.mark.parametrize("wrong", ["", "a b", 'a"b', "x" * 65, "ü", "a,b", "<script>"])
async def test_a_name_that_is_not_sane_is_replaced(telling: Telling, wrong: str) -> None:
    assert MADE.fullmatch(await name_of(telling, **{"X-Request-Id": wrong}))


async def test_names_that_are_made_differ(telling: Telling) -> None:
    assert len({await name_of(telling) for _ in range(3)}) == 3


async def test_every_kind_of_answer_carries_the_name_and_problems_hold_it(telling: Telling) -> None:
    project = await telling.new_project()
    token = await project.token("alice")
    url = telling.tidings.base_url
    body = {"to": ["alice"], "title": "x"}
    async with aiohttp.ClientSession(headers={"X-Request-Id": "mine"}) as session:
        async with session.post(f"{url}/v1/notifications", json=body, headers=project.headers) as express:
            assert (express.status, express.headers["X-Request-Id"]) == (202, "mine")
        async with session.post(f"{url}/v1/notifications", json={}, headers=project.headers) as refused:
            assert (refused.status, refused.headers["X-Request-Id"], (await refused.json())["request_id"]) == (422, "mine", "mine")
        async with session.get(f"{url}/nowhere") as missing:
            assert (missing.status, missing.headers["X-Request-Id"], (await missing.json())["request_id"]) == (404, "mine", "mine")
        async with session.get(f"{url}/v1/stream", headers={"Authorization": f"Bearer {token}"}) as stream:
            assert (stream.status, stream.headers["X-Request-Id"]) == (200, "mine")
            assert await stream.content.readline()
