"""Pushpin, a proxy that holds the connections of an HTTP backend: that backend is here, and only names the channel of a stream.

Counted are the processes that a delivery passes: pushpin-handler, pushpin-proxy and condure. zurl only asks the backend, once a stream.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from loadtests.accounting import family_of
from loadtests.peers import Peer
from loadtests.peers.debian import need, version_of
from loadtests.peers.process import scratch, started, until_it_accepts
from tidings.platform.embedded.memory import free_port

CHANNEL = "all"
# Its own default holds 2,500 messages a second in all; a thousand streams take more.
CONFIGURATION = """
[global]
include={{libdir}}/internal.conf
rundir={folder}
ipc_prefix=p-

[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port={port}
logdir={folder}
log_level=1
client_maxconn=20000

[proxy]
routesfile={folder}/routes
zurl_out_specs=ipc://{folder}/z-in
zurl_out_stream_specs=ipc://{folder}/z-in-stream
zurl_in_specs=ipc://{folder}/z-out

[handler]
push_in_spec=ipc://{folder}/push
push_in_sub_specs=ipc://{folder}/push-sub
push_in_http_addr=127.0.0.1
push_in_http_port={push_port}
command_spec=ipc://{folder}/command
message_rate=1000000
message_hwm=1000000
stats_spec=ipc://{folder}/p-stats
"""
# By default zurl refuses to ask this machine.
ZURL = """
[General]
in_spec=ipc://{folder}/z-in
in_stream_spec=ipc://{folder}/z-in-stream
out_spec=ipc://{folder}/z-out
in_req_spec=ipc://{folder}/z-req
defpolicy=allow
max_open_requests=2000
"""
# Pushpin's own envelope: what goes to the channel, as it stands on the wire.
BODY = '{"items":[{"channel":"all","formats":{"http-stream":{"content":"event: notification\\ndata: @@\\n\\n"}}}]}'


@asynccontextmanager
async def pushpin() -> AsyncIterator[Peer]:
    """Raises Skipped where it cannot be had."""
    await need(("pushpin", "zurl"), lambda: shutil.which("pushpin") is not None and shutil.which("zurl") is not None)
    port, push_port = free_port(), free_port()
    async with AsyncExitStack() as stack:
        folder = await stack.enter_async_context(scratch())
        backend = await stack.enter_async_context(backend_of_streams())
        (folder / "routes").write_text(f"* 127.0.0.1:{backend}\n")
        (folder / "zurl.conf").write_text(ZURL.format(folder=folder))
        (folder / "pushpin.conf").write_text(CONFIGURATION.format(folder=folder, port=port, push_port=push_port))
        await stack.enter_async_context(started(["zurl", f"--config={folder}/zurl.conf"], folder, None))
        runner = await stack.enter_async_context(started(["pushpin", f"--config={folder}/pushpin.conf"], folder, port))
        await until_it_accepts(runner, push_port, folder / "pushpin.log")
        # Its parts find each other in their own time, and say nothing when they have.
        await asyncio.sleep(1)
        pids = [pid for pid in family_of(runner.pid) if pid != runner.pid]
        headers = {"Content-Type": "application/json"}
        yield Peer("Pushpin", await version_of("pushpin"), port, pids, "/", "/publish/", push_port, headers, BODY)


@asynccontextmanager
async def backend_of_streams() -> AsyncIterator[int]:
    """Its port. It answers every request with: hold this open, as a stream of the channel."""

    async def hold(request: web.Request) -> web.Response:
        headers = {"Grip-Hold": "stream", "Grip-Channel": CHANNEL, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        return web.Response(headers=headers)

    application = web.Application()
    application.router.add_get("/{path:.*}", hold)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()
