"""What a browser does with a stream that ends: it comes back, with the last id it saw."""

import aiohttp
from running import until
from stream_house import Ended, Stream, Told


class Browser:
    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self.session = session
        self.headers = {"Authorization": f"Bearer {token}"}

    async def try_to_listen(self, cursor: str | None = None) -> Stream | int:
        """A stream, or the status that was answered instead; 0 for none."""
        more = {} if cursor is None else {"Last-Event-ID": cursor}
        try:
            response = await self.session.get("/v1/stream", headers=self.headers | more)
        except aiohttp.ClientError:
            return 0
        if response.status != 200:
            response.close()
            return response.status
        stream = Stream(response)
        ready = await stream.next()
        assert ready.event == "ready"
        stream.ready = ready.data
        return stream

    async def listen(self, cursor: str | None = None) -> Stream:
        """Tries again while the proxy has nobody to ask."""
        found: list[Stream] = []

        async def opened() -> bool:
            answer = await self.try_to_listen(cursor)
            if isinstance(answer, Stream):
                found.append(answer)
            return bool(found)

        await until(opened, 15, "a stream through the proxy")
        return found[0]

    async def status(self, path: str) -> int:
        async with self.session.get(path, headers=self.headers) as answer:
            await answer.read()
            return answer.status


async def end(stream: Stream) -> list[Told]:
    """What still came before it ended; a proxy whose other side broke off may break off too."""
    left = []
    try:
        while True:
            left.append(await stream.next())
    except (Ended, aiohttp.ClientError):
        return left


def leave(stream: Stream) -> None:
    """At once, as a browser does; a polite end of TLS waits for the other side, which does not listen."""
    connection = stream.response.connection
    assert connection is not None and connection.transport is not None
    connection.transport.abort()
