"""The event loop that the product runs on, for tests: uvloop's transports are not asyncio's."""

import asyncio
import os
from functools import partial
from typing import Any

import uvloop


class ProductLoop(uvloop.Loop):
    """uvloop starts no process as another user, which root's PostgreSQL must be."""

    async def subprocess_exec(self, protocol_factory: Any, *args: Any, **more: Any) -> Any:
        if "user" in more:
            more["preexec_fn"] = partial(become, more.pop("user"), more.pop("group"), more.pop("extra_groups"))
        return await super().subprocess_exec(protocol_factory, *args, **more)


def become(user: int, group: int, extra_groups: list[int]) -> None:
    os.setgroups(extra_groups)
    os.setgid(group)
    os.setuid(user)


class ProductLoops(asyncio.DefaultEventLoopPolicy):
    """Every loop of the tests is one."""

    _loop_factory = ProductLoop
