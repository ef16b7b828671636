"""`tidings alive`: what the health check of a container asks."""

import http.client
import ssl
import sys
from contextlib import suppress

import click

from tidings.cli.configuration import settings_from_environment
from tidings.settings import Settings

WAITS_S = 3.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104, what is listened on, and where to ask for it


@click.command("alive", short_help="Say whether the process beside this one answers.")
def command() -> None:
    """Say whether a process of Tidings answers on this machine: an API process at TIDINGS_PORT, or a worker at TIDINGS_METRICS_PORT.

    For the health check of a container. That it answers says nothing of PostgreSQL or Redis: restarting it would mend neither.

    Exit code 0 when it does, 1 when nobody answers.

    \b
    Example:
      tidings alive && echo it is
    """
    settings = settings_from_environment()
    is_alive = answers(settings, settings.port, "/health/live", settings.scheme == "https") or (
        settings.metrics_port != 0 and answers(settings, settings.metrics_port, "/health", with_tls=False)
    )
    click.echo("ok" if is_alive else "nobody answers")
    sys.exit(0 if is_alive else 1)


def answers(settings: Settings, port: int, path: str, with_tls: bool) -> bool:
    """Whether it says 200 within WAITS_S."""
    host = EVERYWHERE.get(settings.host, settings.host)
    if with_tls:
        # A process of ours on this machine is asked, whatever name its certificate is for.
        context = ssl._create_unverified_context()  # noqa: S323
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=WAITS_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=WAITS_S)
    with suppress(OSError, http.client.HTTPException):
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        finally:
            connection.close()
    return False
