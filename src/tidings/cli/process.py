"""What the long-running commands share: a loop that ends on SIGTERM, and the ties to a supervisor."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable

import click
import uvloop
from loguru import logger

from tidings.platform.descriptors import raise_descriptor_limit
from tidings.platform.lifeline import end_with_supervisor
from tidings.platform.logging import configure_logging
from tidings.platform.process_figures import show_process, watched_loop
from tidings.platform.telemetry.begin import begin_telemetry
from tidings.settings import Settings

supervised_option = click.option("--supervised", is_flag=True, hidden=True, help="Standard input ends with the supervisor.")


def begin_process(settings: Settings, name: str, supervised: bool, ends_within_s: float) -> None:
    """Logging, telemetry, figures of its own, and an end of this process when its supervisor is gone."""
    configure_logging(settings, name, prefixed=supervised)
    begin_telemetry(settings, name)
    if supervised:
        end_with_supervisor(ends_within_s)
    raise_descriptor_limit()
    show_process(name, settings.state_dir)
    logger.info("Starting as process {}.", os.getpid())


def run_until_signalled(work: Callable[[], Awaitable[None]]) -> None:
    """Run on uvloop; SIGTERM and SIGINT cancel it."""
    uvloop.run(cancelled_by_signals(work))


async def cancelled_by_signals(work: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    async with watched_loop():
        with contextlib.suppress(asyncio.CancelledError):
            await task
