"""`tidings worker`: a process from workers/."""

import importlib
from collections.abc import Awaitable, Callable

import click

from tidings.cli.configuration import settings_with_servers
from tidings.cli.process import begin_process, run_until_signalled, supervised_option
from tidings.platform.schema.fitting import refuse_older_schema
from tidings.settings import Settings

NAMES = ("sequencer", "projections", "planner", "deliveries", "backups")
ENDS_WITHIN_S = 10.0


@click.command("worker", short_help="Run a worker: sequencer, projections, planner, deliveries or backups.")
@click.argument("name", type=click.Choice(NAMES))
@supervised_option
def command(name: str, supervised: bool) -> None:
    """Run a worker until it is told to stop (SIGTERM).

    sequencer: gives events their place in the log. Several may run: each shard has one leader, and another takes over within seconds.

    projections: writes large audiences into inboxes, withdraws what has expired, keeps house. Several may run.

    planner: turns the log into deliveries, and hands what is due to the workers. Several may run; each shard is planned by one of them.

    deliveries: sends webhooks and the like. As many run as there is to send.

    backups: makes the backups that are due and proves them, where TIDINGS_BACKUP_URL is set. Several may run: one works at a time.

    \b
    Example:
      tidings worker sequencer
    """
    settings = settings_with_servers()
    begin_process(settings, name, supervised, ENDS_WITHIN_S)
    work = importlib.import_module(f"workers.{name}").main
    run_until_signalled(lambda: work_on(settings, work))


async def work_on(settings: Settings, work: Callable[[Settings], Awaitable[None]]) -> None:
    assert settings.database_url is not None
    await refuse_older_schema(settings.database_url)
    await work(settings)
