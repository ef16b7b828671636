"""Open streams are told the counts: with a mark, and soon after something new."""

import json
from typing import Any

import aiohttp
from running import Project, Running


async def counts_told(stream: aiohttp.StreamReader, wanted: dict[str, int]) -> None:
    """Read until these counts are told."""
    name = b""
    async for line in stream:
        if line.startswith(b"event:"):
            name = line[6:].strip()
        elif line.startswith(b"data:") and name == b"inbox.counts" and json.loads(line[5:]) == wanted:
            return
    raise AssertionError("the stream ended")


async def test_counts_follow_what_is_published_marked_and_retracted(project: Project) -> None:
    token = {"Authorization": f"Bearer {await project.token('alice')}"}

    async def mark(action: str, body: Any) -> None:
        await project.call("POST", f"/v1/inbox/{action}", body, **token)

    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(project.base_url + "/v1/stream", headers=token) as answer:
        first = await project.publish("one", ["alice"])
        await counts_told(answer.content, {"total": 1, "unseen": 1, "unread": 1})
        second = await project.publish("two", ["alice"])
        await counts_told(answer.content, {"total": 2, "unseen": 2, "unread": 2})
        await mark("read", {"ids": [first]})
        await counts_told(answer.content, {"total": 2, "unseen": 1, "unread": 1})
        await project.call("DELETE", f"/v1/notifications/{second}")
        await counts_told(answer.content, {"total": 1, "unseen": 0, "unread": 0})


async def test_a_large_audience_is_told_its_counts_when_its_inboxes_are_written(tidings: Running, project: Project) -> None:
    for start in (0, 1000):
        await project.call("PUT", "/v1/topics/large/subscribers", {"add": [f"p{number}" for number in range(start, start + 1000)]})
    token = {"Authorization": f"Bearer {await project.token('p7')}"}
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(project.base_url + "/v1/stream", headers=token) as answer:
        tidings.projections.stop()
        large = await project.publish("large", [{"topic": "large"}])
        await project.publish("small", ["p7"])
        await counts_told(answer.content, {"total": 1, "unseen": 1, "unread": 1})
        tidings.projections.go_on()
        await counts_told(answer.content, {"total": 2, "unseen": 2, "unread": 2})
        await project.call("DELETE", f"/v1/notifications/{large}")
        await counts_told(answer.content, {"total": 1, "unseen": 1, "unread": 1})
