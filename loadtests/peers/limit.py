"""limit.c, running: what fan-out costs at the least."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.client.build import built_from
from loadtests.peers import Peer
from loadtests.peers.process import scratch, started
from tidings.platform.embedded.memory import free_port


@asynccontextmanager
async def limit() -> AsyncIterator[Peer]:
    """Raises Skipped where there is no compiler."""
    executable = await asyncio.to_thread(built_from, [Path(__file__).with_name("limit.c")])
    port = free_port()
    async with scratch() as folder, started([str(executable), str(port)], folder, port) as process:
        yield Peer("limit", "ours", port, [process.pid], "/", "/", port)
