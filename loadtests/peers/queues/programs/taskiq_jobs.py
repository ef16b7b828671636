"""taskiq over a list in Redis. Arguments: Redis, receiver, jobs."""

import asyncio
import sys

import uvloop
from signed import AT_ONCE, new_job, send, session
from taskiq.receiver import Receiver
from taskiq_redis import ListQueueBroker


async def main(redis_url: str, url: str, jobs: int) -> None:
    broker = ListQueueBroker(redis_url)
    async with session() as client:

        @broker.task(task_name="webhook")
        async def webhook(identity: str, body: str) -> None:
            await send(client, url, identity, body)

        await broker.startup()
        for _ in range(0, jobs, AT_ONCE):
            await asyncio.gather(*(webhook.kiq(**new_job()) for _ in range(AT_ONCE)))
        broker.is_worker_process = True
        await Receiver(broker, max_async_tasks=AT_ONCE, max_prefetch=AT_ONCE, run_startup=False).listen(asyncio.Event())


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
