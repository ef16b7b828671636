"""A proxy in front of Tidings that passes everything on, but events of streams as a test says: to see whether listeners notice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

# From a notification's frame, and how many went through before, to what the client gets.
Pass = Callable[[bytes, int], Iterable[bytes]]


@asynccontextmanager
async def event_proxy(port: int, passes: Pass) -> AsyncIterator[int]:
    """Its port; `port` is Tidings'."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        behind, ahead = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        ahead.write(await reader.readuntil(b"\r\n\r\n"))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            writer.write(await behind.readuntil(b"\r\n\r\n"))
            while True:
                frame = await behind.readuntil(b"\n\n")
                is_notification = b"event: notification\n" in frame
                for part in passes(frame, count) if is_notification else [frame]:
                    writer.write(part)
                count += is_notification
                await writer.drain()
        ahead.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
