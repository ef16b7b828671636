"""A server that answers as Tidings does and does nothing else: what is slow against it is Locust. Its argument is the port."""

import asyncio
import re
import sys
from typing import cast

import msgspec
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
BEARER = re.compile(rb"\r\nauthorization: bearer ([^\r]+)", re.IGNORECASE)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nid: e.0\nevent: ready\ndata: {}\n\n"


class Published(msgspec.Struct):
    to: list[str | dict[str, str]]
    data: msgspec.Raw


published = msgspec.json.Decoder(Published)
streams: dict[str, asyncio.Transport] = {}
position = 0


class Serving(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass of it.
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < size:
                return
            body, self.buffer = self.buffer[end + 4 : size], self.buffer[size:]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path == b"/v1/notifications":
            self.transport.write(answered(b"202 Accepted", b'{"id":"n"}'))
            send(published.decode(body))
        elif path.endswith(b"/tokens"):
            self.transport.write(answered(b"201 Created", b'{"token":"%b"}' % path.split(b"/")[3]))
        elif path == b"/v1/stream":
            token = BEARER.search(head)
            assert token is not None
            streams[token[1].decode()] = self.transport
            self.transport.write(STREAM)
        else:
            self.transport.write(answered(b"200 OK", b"{}"))


def answered(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def send(notification: Published) -> None:
    """A topic is everybody."""
    global position
    position += 1
    frame = b'id: e.%d\nevent: notification\ndata: {"id":"n","data":%b}\n\n' % (position, bytes(notification.data))
    [to] = notification.to
    for stream in [streams[to]] if isinstance(to, str) else streams.values():
        stream.write(frame)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Serving, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
