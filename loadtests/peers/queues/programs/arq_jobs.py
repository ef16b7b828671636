"""arq, one job each. Arguments: Redis, receiver, jobs."""

import asyncio
import sys
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func
from signed import AT_ONCE, new_job, send, session


async def main(redis_url: str, url: str, jobs: int) -> None:
    settings = RedisSettings.from_dsn(redis_url)
    pool = await create_pool(settings)
    for _ in range(0, jobs, AT_ONCE):
        await asyncio.gather(*(pool.enqueue_job("webhook", **new_job()) for _ in range(AT_ONCE)))
    async with session() as client:

        async def webhook(_: dict[Any, Any], identity: str, body: str) -> None:
            await send(client, url, identity, body)

        functions = [func(webhook, name="webhook", keep_result=0)]
        await Worker(
            functions, redis_settings=settings, max_jobs=AT_ONCE, poll_delay=0.01, handle_signals=False, log_results=False
        ).async_run()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
