"""What every worker's loops share: waiting for PostgreSQL, and going on after a failure."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
from loguru import logger

from tidings.errors import TidingsError
from tidings.platform.ending import end_if_told
from tidings.platform.metrics import ERRORS
from tidings.platform.postgres import NOT_YET, POSTGRES_AWAY, open_pool
from tidings.platform.redis import REDIS_AWAY

AWAY_S = 1.0


async def pool_when_there(url: str, name: str, size: int = 4, **settings: str) -> asyncpg.Pool:
    """name: as PostgreSQL shows it.   settings: of PostgreSQL, for these connections."""
    while True:
        try:
            return await open_pool(url, "tidings_worker", size, name, **settings)
        except NOT_YET:
            await asyncio.sleep(AWAY_S)


async def keep_doing(where: str, what: str, work: Callable[[], Awaitable[bool]], idle_s: float) -> None:
    """Work until there is none, rest, and begin again; a failure is told once and tried again.

    where: the worker's name, for the metric.   work: whether there was something to do.
    """
    troubled = False
    while True:
        try:
            has_worked = await work()
            troubled = False
        except Exception as error:  # one bad row must not end the process that serves all the others
            if not troubled:
                # A server that is away is no riddle, nor what was foreseen; anything else is told with its traceback.
                cause = None if isinstance(error, (TidingsError, *POSTGRES_AWAY, *REDIS_AWAY)) else error
                told = str(error) if isinstance(error, TidingsError) else type(error).__name__
                logger.opt(exception=cause).warning("{}: {}; trying again", what, told)
                ERRORS.labels(where).inc()
            troubled, has_worked = True, False
        end_if_told()
        await asyncio.sleep(0 if has_worked else AWAY_S if troubled else idle_s)
