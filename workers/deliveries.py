"""A deliveries worker: makes the attempts. As many of them run as there is to send."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable

from loguru import logger

from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.deliveries.ledger.session import SESSION
from tidings.deliveries.sending.queue import open_queue, worker_on
from tidings.deliveries.sending.sender import Sender
from tidings.flags.flags import Flags
from tidings.flags.known import KEPT_CONNECTIONS
from tidings.outbound.client import open_outbound
from tidings.platform.ending import end_tasks
from tidings.platform.garbage import spare_what_lives
from tidings.platform.metrics import UNDER_WAY
from tidings.platform.redis import REDIS_AWAY
from tidings.platform.secrets import load_secret
from tidings.settings import Settings
from tidings.vault import load_vault
from workers.keeping import AWAY_S, pool_when_there
from workers.listening import listening

# Of the time that the supervisor gives; what has not ended by then is taken over when its lease runs out.
ENDS_WITHIN_S = 8.0
# Longer than any way to fail takes (a command waits 5 s): after so long without one, Redis was there.
THERE_AFTER_S = 10.0


async def main(settings: Settings) -> None:
    """Runs until cancelled; then takes no more, and ends what is under way."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    load_secret(settings)
    async with listening(settings), open_outbound(settings) as outbound:
        pool = await pool_when_there(settings.database_url, "tidings deliveries", size=8, **SESSION)
        flags = Flags(pool, settings.state_dir)
        await flags.start()
        outbound.pool.keeps = lambda: flags.is_on(KEPT_CONNECTIONS, "")
        reach = Reach(outbound, pool, load_vault(settings), settings.base_url)
        sender = Sender(f"{socket.gethostname()}:{os.getpid()}", reach, CONNECTORS)
        UNDER_WAY.set_function(lambda: len(sender.under_way))
        sender.start()
        spare_what_lives()
        try:
            await take_jobs(settings.redis_url, sender)
        finally:
            try:
                await asyncio.wait_for(sender.stop(), ENDS_WITHIN_S)
            except TimeoutError:
                logger.warning("{} attempts did not end in time; other workers take them over", len(sender.under_way))
            await flags.stop()


async def take_jobs(redis_url: str, sender: Sender, clock: Callable[[], float] = time.monotonic) -> None:
    """ARQ's worker ends when Redis goes away, which is told once each time: then another begins as soon as it is back.

    clock: in seconds.
    """
    is_told = False
    while True:
        queue, began = open_queue(redis_url), clock()
        # A task, because redis-py in it may swallow that it was told to end, or answer with an error of Redis.
        working = asyncio.create_task(worker_on(queue, sender.deliver).async_run())
        try:
            await asyncio.wait([working])
            working.result()
        except REDIS_AWAY as error:
            if not is_told or clock() - began > THERE_AFTER_S:
                logger.warning("Redis is away ({}); what is due waits in the ledger", type(error).__name__)
            is_told = True
        finally:
            await end_tasks([working])
            # The pool is ours, and would keep its connections.
            with contextlib.suppress(*REDIS_AWAY):
                await queue.aclose(close_connection_pool=True)
        await asyncio.sleep(AWAY_S)
