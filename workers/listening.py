"""What a worker answers over HTTP when TIDINGS_METRICS_PORT is set: its figures, and that it runs. API processes answer both anyway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tidings.errors import Misconfigured
from tidings.settings import Settings

ENDS_WITHIN_S = 1.0


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[None]:
    """GET /metrics and GET /health on TIDINGS_HOST, as long as this lasts. Raises Misconfigured when it cannot listen there."""
    if settings.metrics_port == 0:
        yield
        return
    # Here, because its server takes 8 MB, which no worker needs that nobody asks.
    from aiohttp import web  # noqa: PLC0415

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_: web.Request) -> web.Response:
        """The process runs, and its loop turns. Restart it when this does not answer."""
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/health", health)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=ENDS_WITHIN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.metrics_port).start()
    except OSError as error:
        await runner.cleanup()
        raise Misconfigured(
            f"TIDINGS_METRICS_PORT={settings.metrics_port} cannot be listened on at {settings.host}: {error.strerror}. "
            "Each worker of a machine needs a port of its own."
        ) from error
    try:
        yield
    finally:
        await runner.cleanup()
