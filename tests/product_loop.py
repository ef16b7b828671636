"""The event loop that the product runs on, for tests: uvloop's transports are not asyncio's."""

import asyncio

import uvloop


class ProductLoops(asyncio.DefaultEventLoopPolicy):
    """Every loop of the tests is one."""

    _loop_factory = uvloop.Loop
