"""What stands in front of several API processes: sends nothing to one that does not say it is ready."""

import asyncio
from collections.abc import Sequence

from faults.deployment import Api
from faults.listener import end_all

POLL_S = 0.1


class Balancer:
    def __init__(self, apis: Sequence[Api]) -> None:
        self.apis = apis
        self.ready = list(apis)

    def bases(self) -> list[str]:
        return [api.base for api in self.ready or self.apis]

    async def __aenter__(self) -> "Balancer":
        self.task = asyncio.create_task(self.watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_all([self.task])

    async def watch(self) -> None:
        while True:
            statuses = await asyncio.gather(*(api.status() for api in self.apis))
            self.ready = [api for api, status in zip(self.apis, statuses, strict=True) if status == 200]
            await asyncio.sleep(POLL_S)
