"""`tidings api`."""

from typing import get_args

import click
import msgspec
import uvloop

from tidings.app import Role, create_front, open_process
from tidings.cli.configuration import settings_with_servers
from tidings.cli.process import begin_process, supervised_option
from tidings.platform.process_figures import watched_loop
from tidings.platform.schema.fitting import refuse_older_schema
from tidings.platform.secrets import load_secret
from tidings.platform.tls import tls_context
from tidings.settings import Settings
from tidings.stream.server import serve

ENDS_WITHIN_S = 15.0


@click.command("api", short_help="Run an API process.")
@click.option("--port", type=click.IntRange(1, 65535), help="Instead of TIDINGS_PORT.")
@click.option("--role", type=click.Choice(get_args(Role)), default="all", show_default=True, help="What this process serves.")
@supervised_option
def command(port: int | None, role: Role, supervised: bool) -> None:
    """Run an API process until it is told to stop (SIGTERM): readiness fails, streams are ended over the drain window, then it ends.

    Any number of processes may serve the same database behind a load balancer. Streams can have processes of their own: --role stream.

    \b
    Example:
      tidings api --port 8001
    """
    settings = settings_with_servers()
    if port is not None:
        settings = msgspec.structs.replace(settings, port=port)
    begin_process(settings, "api", supervised, settings.drain_s + settings.readiness_delay_s + ENDS_WITHIN_S)
    uvloop.run(serve_api(settings, role))


async def serve_api(settings: Settings, role: Role) -> None:
    """Runs until `serve`, which owns the signals, has drained."""
    load_secret(settings)
    tls_context(settings)  # wrong files stop the start, not the first request
    assert settings.database_url is not None
    await refuse_older_schema(settings.database_url)
    process = await open_process(settings)
    try:
        await process.start()
        async with watched_loop():
            await serve(create_front(process, role), settings, process.edge)
    finally:
        await process.stop()
