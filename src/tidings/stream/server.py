"""Runs the API process's server: uvicorn with our protocol, and our own way to stop.

Asked to stop, the process first fails its readiness, then sends its streams away over the drain window, then lets running requests end.
A second signal ends the waiting.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
from loguru import logger

from tidings.platform.garbage import spare_what_lives
from tidings.platform.tls import tls_context
from tidings.settings import Settings
from tidings.stream.edge import StreamEdge
from tidings.stream.protocol import StreamingProtocol

BACKLOG = 4096
KEEP_ALIVE_S = 75
# Requests that still run after the drain get this long.
GRACE_S = 10
GONE_AFTER_S = 45
TICK_S = 1.0


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self.ending.set()

    async def main_loop(self) -> None:
        """Wakes once a second, for the date in answers: uvicorn's own looks ten times whether it is to end."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self.ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: uvicorn would stop accepting before the streams have been sent away."""
        yield


async def serve(app: Any, settings: Settings, edge: StreamEdge, port: int | None = None, host: str | None = None) -> None:
    """Serves until SIGTERM or SIGINT. Starting and stopping the edge itself is the app's."""
    server = Server(config_of(app, settings))
    spare_what_lives()
    with stopping(server, edge):
        await server.serve(sockets=[listening_socket(host or settings.host, settings.port if port is None else port)])


def config_of(app: Any, settings: Settings, http: Any = StreamingProtocol) -> uvicorn.Config:
    """http: uvicorn's protocol class; with one of its own, streams go through ASGI `send`."""
    tls = tls_context(settings)
    return uvicorn.Config(
        app,
        settings.host,
        settings.port,
        http=http,
        ws="none",
        loop="none",
        lifespan="auto",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        # Addresses are of no use here, and a forged X-Forwarded-For would be.
        proxy_headers=False,
        ssl_context_factory=None if tls is None else lambda config, default: tls,
    )


def listening_socket(host: str, port: int) -> socket.socket:
    """Where the process accepts connections, which inherit its options."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    if sys.platform == "linux":
        # A peer that vanished without a word leaves heartbeats unacknowledged; the kernel's own patience is a quarter of an hour.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_AFTER_S * 1000)
    return listener


@contextlib.contextmanager
def stopping(server: Server, edge: StreamEdge) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    draining: list[asyncio.Task[None]] = []

    def stop(name: str) -> None:
        if draining:
            server.force_exit = True
            server.end()
            return
        logger.info("{}: stopping; {} streams are sent away first", name, edge.hub.wheel.count)
        draining.append(asyncio.create_task(drain_and_exit(server, edge)))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, signal.Signals(number).name)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        for task in draining:
            task.cancel()


async def drain_and_exit(server: Server, edge: StreamEdge) -> None:
    try:
        await edge.drain()
    finally:
        server.end()
