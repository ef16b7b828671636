"""The framework alone: a Litestar route that begins an event stream and holds it, with no sign-in, no limit and no log."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import uvicorn
import uvloop
from litestar import Litestar, get
from litestar.response import Stream

from loadtests.peers import Peer
from loadtests.peers.process import scratch, started
from tidings.platform.embedded.memory import free_port

READY = b'id: k3v9x2ab.1\nevent: ready\ndata: {"stream":"str_0000000000000000_aaaaaaaaaaaaaaaa","cursor":"k3v9x2ab.1"}\n\n'
HEADERS = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}


@asynccontextmanager
async def bare() -> AsyncIterator[Peer]:
    port = free_port()
    words = [sys.executable, str(__file__), str(port)]
    async with scratch() as folder, started(words, folder, port, {"PYTHONPATH": ":".join(sys.path)}) as process:
        yield Peer("bare Litestar route", version("litestar"), port, [process.pid], "/v1/stream", "/", port)


@get("/v1/stream", media_type="text/event-stream")
async def open_stream() -> Stream:
    return Stream(frames(), media_type="text/event-stream", headers=HEADERS)


async def frames() -> AsyncIterator[bytes]:
    yield READY
    await asyncio.Event().wait()


async def serve(port: int) -> None:
    app = Litestar([open_stream], openapi_config=None, logging_config=None)
    config = uvicorn.Config(
        app, port=port, http="httptools", ws="none", loop="none", access_log=False, backlog=4096, timeout_graceful_shutdown=1
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
