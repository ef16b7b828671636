"""Sending streams away before the process stops: spread over a window, each with its own moment to come back."""

import asyncio
import random

from tidings.stream.frames import told
from tidings.stream.hub import Hub

# With few streams nobody needs a long spread: this many may come back in a second.
RATE = 200
STEP_S = 0.05
FLUSH_S = 2.0


async def drain(hub: Hub, most_s: float) -> None:
    """Returns when no stream is left, at the latest `most_s` + 2 seconds from now."""
    loop = asyncio.get_running_loop()
    streams = hub.everyone()
    random.shuffle(streams)
    began, spread = loop.time(), min(most_s, len(streams) / RATE)
    sent = 0
    while sent < len(streams):
        due = len(streams) if spread <= 0 else min(len(streams), int(len(streams) * (loop.time() - began) / spread) + 1)
        for connection in streams[sent:due]:
            connection.close_with(farewell(), "drain")
        sent = due
        if sent < len(streams):
            await asyncio.sleep(STEP_S)
    await until_flushed(hub, loop.time() + FLUSH_S)


async def until_flushed(hub: Hub, until: float) -> None:
    loop = asyncio.get_running_loop()
    while left := hub.everyone():
        for connection in left:  # also those that were just being opened
            connection.close_with(farewell(), "drain")
            if loop.time() > until:
                connection.abort("drain")
        if loop.time() > until + STEP_S:
            return
        await asyncio.sleep(STEP_S)


def farewell() -> bytes:
    return told("reconnect", {"reason": "drain"}, retry_ms=random.randint(500, 3000))
