"""No queue at all: aiohttp posts signed bodies as fast as it can. Arguments: Redis, receiver, jobs, the first two of no use."""

import asyncio
import sys

import uvloop
from signed import AT_ONCE, new_job, send, session


async def main(url: str) -> None:
    async with session() as client:

        async def post() -> None:
            while True:
                await send(client, url, **new_job())

        await asyncio.gather(*(post() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[2]))
