"""saq. Arguments: Redis, receiver, jobs."""

import asyncio
import sys
from typing import Any

import uvloop
from saq import Queue, Worker
from signed import AT_ONCE, new_job, send, session


async def main(redis_url: str, url: str, jobs: int) -> None:
    queue = Queue.from_url(redis_url)
    for _ in range(0, jobs, AT_ONCE):
        await asyncio.gather(*(queue.enqueue("webhook", ttl=-1, **new_job()) for _ in range(AT_ONCE)))
    async with session() as client:

        async def webhook(_: dict[str, Any], *, identity: str, body: str) -> None:
            await send(client, url, identity, body)

        await Worker(queue, functions=[("webhook", webhook)], concurrency=AT_ONCE).start()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
