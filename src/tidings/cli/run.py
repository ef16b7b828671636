"""`tidings run`: everything on this machine, under one supervisor."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import msgspec
from loguru import logger

from tidings.cli.children import NAME_WIDTH, Own, environment_of, prefixed, to
from tidings.cli.configuration import demo_file, settings_from_environment
from tidings.cli.demo import Demo, make_demo
from tidings.cli.migrate import migrate_database
from tidings.cli.reach import answers_ready
from tidings.errors import Misconfigured
from tidings.platform.embedded.memory import is_free
from tidings.platform.embedded.place import make_state
from tidings.platform.embedded.postgres import EmbeddedPostgres
from tidings.platform.embedded.valkey import EmbeddedValkey
from tidings.platform.logging import configure_logging
from tidings.platform.supervisor import Kept
from tidings.settings import Settings

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104, what people wrote, and where to reach it from here
LOOPBACK = ("127.0.0.1", "::1", "localhost")
WORKERS = ("sequencer", "projections", "planner", "deliveries", "backups")
WORKER_GRACE_S = 10.0
API_GRACE_S = 10.0
READY_POLL_S = 0.1


@click.command("run", short_help="Run everything on this machine: PostgreSQL, Valkey, API, workers.")
def command() -> None:
    """Run everything on this machine until Ctrl-C: PostgreSQL and Valkey (unless TIDINGS_DATABASE_URL and TIDINGS_REDIS_URL name
    others), an API process and one worker of each kind, each started again when it dies. With TIDINGS_METRICS_PORT the workers show their
    figures on that port and the next ones, in the order: sequencer, projections, planner, deliveries.

    The state lies in TIDINGS_STATE_DIR (.state by default), with demo.json: base_url, api_key, project and subscriber for scripts.

    \b
    Examples:
      tidings run
      TIDINGS_PORT=9000 TIDINGS_STATE_DIR=/var/lib/mine tidings run
    """
    settings = settings_from_environment()
    if not is_free(settings.port, settings.host):
        raise Misconfigured(
            f"TIDINGS_PORT={settings.port} is not free on {settings.host}: another program listens there. Set TIDINGS_PORT to a free port."
        )
    settings = msgspec.structs.replace(settings, state_dir=make_state(settings.state_dir))
    configure_logging(settings, "tidings")
    with only_run_of(settings.state_dir):
        sys.exit(asyncio.run(Run(settings).until_stopped()))


@contextlib.contextmanager
def only_run_of(state: Path) -> Iterator[None]:
    """Two supervisors on one state would end each other's servers. The lock ends with the process, however that ends."""
    with (state / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise Misconfigured(
                f"TIDINGS_STATE_DIR={state} is in use by another `tidings run` (process {file.read().strip() or 'unknown'}). "
                "Stop that one, or set TIDINGS_STATE_DIR to another folder."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class Run:
    """The servers, then Tidings' own processes; ended in the opposite order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.base_url = settings.public_url or f"{settings.scheme}://{EVERYWHERE.get(settings.host, settings.host)}:{settings.port}"
        self.postgres = EmbeddedPostgres(settings.state_dir) if settings.database_url is None else None
        self.valkey = EmbeddedValkey(settings.state_dir) if settings.redis_url is None else None
        self.servers = [Kept(server, self.give_up) for server in (self.postgres, self.valkey) if server is not None]
        self.own: list[Kept] = []
        self.exit_code = 0
        self.stops = 0

    async def until_stopped(self) -> int:
        """The exit code. Raises TidingsError when something cannot be started."""
        loop, work = asyncio.get_running_loop(), asyncio.create_task(self.work())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop, work)
        self.work_task = work
        try:
            await work
        except asyncio.CancelledError:
            pass
        finally:
            await self.end_all()
        return self.exit_code

    def stop(self, work: asyncio.Task[None]) -> None:
        """The first signal ends everything in order, the second ends our own processes at once."""
        self.stops += 1
        if self.stops == 1:
            logger.info("Stopping.")
            work.cancel()
            return
        for kept in self.own:
            kept.kill()

    def give_up(self, name: str, code: int) -> None:
        """A process found a setting wrong: it would find so again."""
        logger.error("{} stopped because of a setting; see what it said.", name)
        self.exit_code = code
        self.work_task.cancel()

    async def work(self) -> None:
        await asyncio.gather(*(kept.begin() for kept in self.servers))
        self.settings = self.with_servers()
        for migration in await migrate_database(self.settings):
            logger.info("Migrated: {}", migration)
        demo = await make_demo(self.settings, self.base_url)
        if self.settings.demo_project is None and self.settings.host in LOOPBACK:
            # Only there: whoever reaches the demo page may publish in its project.
            self.settings = msgspec.structs.replace(self.settings, demo_project=demo.project)
        self.own = [Kept(program, self.give_up) for program in self.programs()]
        await asyncio.gather(*(kept.begin() for kept in self.own))
        await self.until_ready()
        click.echo(banner(self.settings, demo))
        await asyncio.Event().wait()

    def with_servers(self) -> Settings:
        return msgspec.structs.replace(
            self.settings,
            database_url=self.postgres.url if self.postgres else self.settings.database_url,
            redis_url=self.valkey.url if self.valkey else self.settings.redis_url,
        )

    def programs(self) -> list[Own]:
        api_grace_s = self.settings.drain_s + self.settings.readiness_delay_s + API_GRACE_S
        wanted: list[tuple[str, tuple[str, ...], float]] = [("api", ("api",), api_grace_s)]
        wanted += [(name, ("worker", name), WORKER_GRACE_S) for name in WORKERS if name != "backups" or self.settings.backup_url]
        coloured = sys.stderr.isatty()
        output = sys.stderr.buffer
        # JSON stays JSON: there the name is a member of each line.
        as_text = self.settings.log_format == "text"
        return [
            Own(name, arguments, partial(self.environment, name), grace_s, prefixed(name, output, coloured) if as_text else to(output))
            for name, arguments, grace_s in wanted
        ]

    def environment(self, name: str) -> dict[str, str]:
        """name: of the process. Each worker shows its figures on a port of its own, from TIDINGS_METRICS_PORT on."""
        shared = environment_of(self.with_servers())
        if name in WORKERS and self.settings.metrics_port:
            shared["TIDINGS_METRICS_PORT"] = str(self.settings.metrics_port + WORKERS.index(name))
        return shared

    async def until_ready(self) -> None:
        while not await answers_ready(self.settings.host, self.settings.port, self.settings.scheme):
            await asyncio.sleep(READY_POLL_S)

    async def end_all(self) -> None:
        await asyncio.gather(*(kept.end() for kept in self.own))
        await asyncio.gather(*(kept.end() for kept in self.servers))


def banner(settings: Settings, demo: Demo) -> str:
    indent = " " * (NAME_WIDTH - 2)
    lines = [
        "",
        f"Tidings is ready: {demo.base_url}",
        "",
        f"  {'Demo page': <{NAME_WIDTH}} {demo.base_url}/demo"
        if settings.demo_project
        else f"  {'Demo page': <{NAME_WIDTH}} off; TIDINGS_DEMO_PROJECT={demo.project} opens it",
        f"  {'API': <{NAME_WIDTH}} {demo.base_url}/docs",
        f"  {'State': <{NAME_WIDTH}} {settings.state_dir}   (the demo key for scripts: {demo_file(settings).name})",
        "",
        "  Send something:",
        "",
        f"{indent}curl {demo.base_url}/v1/notifications \\",
        f"{indent}  -H 'Authorization: Bearer {demo.api_key}' -H 'Content-Type: application/json' \\",
        f"""{indent}  -d '{{"to": ["{demo.subscriber}"], "title": "Hello", "body": "It works"}}'""",
        "",
    ]
    return "\n".join(lines)
