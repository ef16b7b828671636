"""A stream through ASGI `send`, for servers that cannot give the socket away (test clients, other servers).

Looks like a transport to `Connection`, so that everything above it is the same code and passes the same tests.
"""

import asyncio
from typing import Any

from tidings.stream.connection import Connection

HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024


class AsgiTransport:
    def __init__(self, send: Any, receive: Any, connection: Connection) -> None:
        self.send = send
        self.receive = receive
        self.connection = connection
        self.queue: list[bytes] = []
        self.size = 0
        self.wanted = asyncio.Event()
        self.closing = False
        self.sender: asyncio.Task[None] | None = None

    # What Connection calls

    def write(self, data: bytes) -> None:
        if self.closing:
            return
        self.queue.append(data)
        self.size += len(data)
        self.wanted.set()
        if self.size > HIGH_WATER and not self.connection.paused_at:
            self.connection.pause_writing()

    def get_write_buffer_size(self) -> int:
        return self.size

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True
        self.wanted.set()

    def abort(self) -> None:
        self.closing = True
        self.queue.clear()
        if self.sender is not None:
            self.sender.cancel()

    # The request's task

    def begin(self) -> None:
        self.connection.connection_made(self)

    async def run(self) -> None:
        """Sends until one side ends it."""
        self.sender = asyncio.create_task(self.send_all())
        watcher = asyncio.create_task(self.watch())
        try:
            await asyncio.wait((self.sender, watcher), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.closing = True
            for task in (self.sender, watcher):
                task.cancel()
            await asyncio.gather(self.sender, watcher, return_exceptions=True)
            self.connection.connection_lost(None)

    async def send_all(self) -> None:
        while not self.closing or self.queue:
            await self.wanted.wait()
            self.wanted.clear()
            if self.queue:
                queue, self.queue = self.queue, []
                await self.send({"type": "http.response.body", "body": b"".join(queue), "more_body": True})
                self.size = sum(map(len, self.queue))
                if self.size < LOW_WATER and self.connection.paused_at:
                    self.connection.resume_writing()
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def watch(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
