"""`tidings status`."""

import asyncio
import json
import sys
from typing import Any

import asyncpg
import click

from tidings.cli.configuration import settings_with_servers
from tidings.cli.demo import read_demo
from tidings.cli.reach import call
from tidings.errors import Misconfigured, TidingsError
from tidings.settings import Settings

COLOURS = {"ok": "green", "degraded": "yellow", "draining": "yellow", "down": "red"}

LAG = """
SELECT s.shard, s.epoch, s.head, s.lease_until IS NOT NULL AND s.lease_until > clock_timestamp() AS led, s.holder, o.backlog,
       coalesce(extract(epoch FROM clock_timestamp() - o.oldest)::float8, 0) AS oldest_s
FROM shards s
CROSS JOIN LATERAL (
    SELECT count(*) AS backlog, min(created_at) AS oldest FROM outbox WHERE outbox.shard = s.shard AND outbox.id >= s.floor
) o
ORDER BY s.shard
"""
FANOUTS = "SELECT count(*) AS running, coalesce(sum(written), 0)::bigint AS written FROM fanouts WHERE done_at IS NULL"


@click.command("status", short_help="Show health and lag.")
@click.option("--url", metavar="URL", help="The API process to ask; the address in demo.json, or TIDINGS_PUBLIC_URL, otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(url: str | None, as_json: bool) -> None:
    """Show the health of an API process and how far the log's readers are behind, on one screen.

    Exit code 0 when it is ok or degraded, 1 when it is down.

    \b
    Example:
      tidings status --json
    """
    settings = settings_with_servers()
    demo = read_demo(settings)
    base_url = url or (demo.base_url if demo else settings.base_url)
    status = {"url": base_url} | health_of(base_url) | asyncio.run(lag_of(settings))
    if as_json:
        click.echo(json.dumps(status))
    else:
        show(status)
    sys.exit(1 if status["status"] == "down" else 0)


def health_of(base_url: str) -> dict[str, Any]:
    try:
        code, health = call(base_url, "GET", "/health/ready", timeout_s=5)
    except TidingsError as error:
        return {"status": "down", "checks": {"api": {"status": "down", "detail": str(error)}}}
    if not isinstance(health, dict) or "checks" not in health:
        return {"status": "down", "checks": {"api": {"status": "down", "detail": f"/health/ready answered {code}"}}}
    return health


async def lag_of(settings: Settings) -> dict[str, Any]:
    assert settings.database_url is not None
    try:
        connection = await asyncpg.connect(settings.database_url, timeout=5, server_settings={"role": "tidings_worker"})
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
        return {"shards": [], "fanouts": None}
    except asyncpg.PostgresError as error:
        raise Misconfigured(f"TIDINGS_DATABASE_URL cannot be used: {error}. Has `tidings migrate` run?") from error
    try:
        shards = [dict(row) for row in await connection.fetch(LAG)]
        fanouts = await connection.fetchrow(FANOUTS)
    finally:
        connection.terminate()
    return {"shards": shards, "fanouts": dict(fanouts)}


def show(status: dict[str, Any]) -> None:
    click.echo(f"{status['url']}  {styled(status['status'])}")
    click.echo()
    for name, check in status["checks"].items():
        click.echo(f"  {name: <12} {styled(check['status']): <20} {check.get('detail', '')}")
    if not status["shards"]:
        return
    click.echo()
    click.echo(f"  {'shard': <7}{'epoch': <10}{'head': >12}{'waiting': >10}{'oldest': >10}  leader")
    for shard in status["shards"]:
        leader = shard["holder"] if shard["led"] else click.style("none", fg="red")
        oldest = f"{shard['oldest_s']:.1f} s"
        click.echo(f"  {shard['shard']: <7}{shard['epoch']: <10}{shard['head']: >12}{shard['backlog']: >10}{oldest: >10}  {leader}")
    click.echo()
    click.echo(f"  Large audiences being written: {status['fanouts']['running']}")


def styled(state: str) -> str:
    return click.style(state, fg=COLOURS.get(state, "white"))
