"""What one writes with sse-starlette by its manual: a queue for every client, a generator that empties it. Runs in a venv of its own."""

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse  # type: ignore[import-not-found]
from starlette.applications import Starlette  # type: ignore[import-not-found]
from starlette.requests import Request  # type: ignore[import-not-found]
from starlette.responses import Response  # type: ignore[import-not-found]
from starlette.routing import Route  # type: ignore[import-not-found]

queues: set[asyncio.Queue[str]] = set()


async def listen(request: Request) -> EventSourceResponse:
    async def events() -> AsyncIterator[dict[str, str]]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                yield {"event": "notification", "data": await queue.get()}
        finally:
            queues.discard(queue)

    return EventSourceResponse(events())


async def publish(request: Request) -> Response:
    data = (await request.body()).decode()
    for queue in queues:
        queue.put_nowait(data)
    return Response(status_code=202)


app = Starlette(routes=[Route("/", listen, methods=["GET"]), Route("/", publish, methods=["POST"])])
