"""Long polls of a process that is about to stop: they wait as long as they can, and then are sent elsewhere, not answered in circles."""

import asyncio
import signal
from functools import partial

import aiohttp
from running import Api, Project, Running, until


async def is_not_ready(api: Api) -> bool:
    return (await api.health())[0] == 503


async def test_a_poll_of_a_process_about_to_stop_waits_and_then_is_refused(tidings: Running, project: Project) -> None:
    api = await tidings.another_api(TIDINGS_DRAIN_S="3", TIDINGS_READINESS_DELAY_S="2")
    statuses: list[int] = []
    headers = {"Authorization": f"Bearer {await project.token('alice')}"}
    async with aiohttp.ClientSession(api.base_url, headers=headers) as session:
        async with session.get("/v1/stream/poll") as answer:
            cursor = (await answer.json())["cursor"]
        api.signal(signal.SIGTERM)
        await until(partial(is_not_ready, api), 5)
        while 503 not in statuses and len(statuses) < 20:
            async with session.get("/v1/stream/poll", params={"wait": "30", "cursor": cursor}) as answer:
                statuses.append(answer.status)
                retry_after = answer.headers.get("Retry-After")
            await asyncio.sleep(0)
    assert statuses in ([200, 503], [503])
    assert retry_after
    await api.ended()
