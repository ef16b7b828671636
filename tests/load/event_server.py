"""A small server of event streams that can be told to do it wrong, to see whether the load clients notice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

# From an event and the number of a stream to what that stream gets.
Deliver = Callable[[bytes, int], Iterable[bytes]]
Answer = Callable[[int], bytes]


def accepted(number: int) -> bytes:
    return b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"


def once(event: bytes, stream: int) -> Iterable[bytes]:
    yield event


class EventServer:
    """deliver: what a stream gets of an event.   answer: what the POST of a number is answered.   posts: their bodies."""

    def __init__(self, deliver: Deliver, answer: Answer) -> None:
        self.deliver = deliver
        self.answer = answer
        self.streams: dict[int, asyncio.StreamWriter] = {}
        self.posts: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    writer.write(HEAD)
                    self.streams[int(head.split()[1].rpartition(b"/")[2])] = writer
                else:
                    length = int(head.lower().partition(b"content-length:")[2].split()[0])
                    await self.take(await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def take(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answer(len(self.posts)))
        self.posts.append(body)
        for number, stream in self.streams.items():
            for part in self.deliver(b"event: notification\ndata: " + body + b"\n\n", number):
                stream.write(part)
                await stream.drain()


@asynccontextmanager
async def event_server(deliver: Deliver = once, answer: Answer = accepted) -> AsyncIterator[tuple[EventServer, int]]:
    """The server and its port. Streams are at /NUMBER."""
    house = EventServer(deliver, answer)
    server = await asyncio.start_server(house.serve, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    try:
        yield house, port
    finally:
        server.close()
        for stream in house.streams.values():
            stream.close()
